#include "sender_results.hpp"

#include <bit>
#include <cstring>

namespace parley::store {
namespace {

constexpr std::size_t kResultBytes = 41;

static_assert(std::endian::native == std::endian::little, "results are stored little endian");

void put_u64(std::string& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }
std::uint64_t get_u64(const char* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

void encode_results(const domain::SenderState& state, std::string& out) {
  out.clear();
  for (const domain::SendResult& result : results_of(state)) {
    put_u64(out, result.n);
    put_u64(out, result.hash);
    put_u64(out, result.seq);
    put_u64(out, static_cast<std::uint64_t>(result.ts_ns));
    put_u64(out, result.id.value);
    out.push_back(static_cast<char>(result.code));
  }
}

std::vector<domain::SendResult> decode_results(std::string_view bytes) {
  std::vector<domain::SendResult> results;
  for (; bytes.size() >= kResultBytes; bytes.remove_prefix(kResultBytes)) {
    domain::SendResult result;
    result.n = get_u64(bytes.data());
    result.hash = get_u64(bytes.data() + 8);
    result.seq = get_u64(bytes.data() + 16);
    result.ts_ns = static_cast<std::int64_t>(get_u64(bytes.data() + 24));
    result.id = MessageId{get_u64(bytes.data() + 32)};
    result.code = static_cast<protocol::Code>(bytes[40]);
    results.push_back(result);
  }
  return results;
}

std::vector<domain::SendResult> results_of(const domain::SenderState& state) {
  std::vector<domain::SendResult> results;
  const std::uint64_t last = state.last_n();
  const std::uint64_t first = last >= protocol::kInFlightMax ? last - protocol::kInFlightMax + 1 : 1;
  for (std::uint64_t n = first; n <= last; ++n) {
    // A void matches every answer, whatever its hash.
    if (const domain::SendResult* result = state.look(n, 0, true).result) results.push_back(*result);
  }
  return results;
}

}  // namespace parley::store
