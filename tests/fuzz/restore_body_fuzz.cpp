// Any stored bytes: no crash and never more than the limit; and every body survives the stored form.
#include <string>

#include "fuzz.hpp"
#include "parley/pipeline/pipeline.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  using protocol::Codec;
  fuzz::Input input(data, size);
  const std::size_t limit = std::size_t{input.byte()} * 64;
  for (const Codec codec : {Codec::kJson, Codec::kSnappy}) {
    const auto body = pipeline::restore_body(codec, input.rest(), limit);
    if (body) {
      fuzz::require(body->size() <= limit, "within the limit");
    } else {
      fuzz::require(body.error().code == Errc::kTooLarge || body.error().code == Errc::kBadInput,
                    "one of the documented errors");
    }
  }
  pipeline::Draft draft;
  for (unsigned i = 0; i < 1u + size % 5; ++i) draft.body += input.rest();
  const std::string original = draft.body;
  const pipeline::TenantPolicy policy;
  fuzz::require(pipeline::run_stages(draft, policy, policy.stored_stages, nullptr).code == protocol::Code::kOk,
                "storing never refuses");
  fuzz::require(draft.body.size() <= original.size(), "storing never makes longer");
  const auto back = pipeline::restore_body(draft.codec, draft.body, original.size());
  fuzz::require(back && *back == original, "round trip");
  return 0;
}
