// Any bytes: no crash; a pack that can be read is written back to the same bytes, since one pack has one form.
#include <string>

#include "fuzz.hpp"
#include "parley/protocol/pack.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto items = protocol::read_pack(bytes);
  if (!items) {
    fuzz::require(items.error().code == Errc::kBadInput || items.error().code == Errc::kGone,
                  "one of the documented errors");
    fuzz::require(!items.error().detail.empty(), "with a reason");
    return 0;
  }
  for (const auto& item : *items) {
    fuzz::require(
        item.bytes.data() >= bytes.data() && item.bytes.data() + item.bytes.size() <= bytes.data() + bytes.size(),
        "bodies lie inside the pack");
  }
  std::string back;
  protocol::append_pack(back, items->data(), items->size());
  fuzz::require(back == bytes, "round trip");
  return 0;
}
