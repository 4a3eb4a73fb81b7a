#include "parley/domain/sender.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace parley::domain {
namespace {

bool is_given_up(const SendResult& result) { return result.code == protocol::Code::kOk && result.seq == 0; }

}  // namespace

SenderState::Look SenderState::look(std::uint64_t n, std::uint64_t hash, bool is_void) const {
  if (n == 0) return {Kind::kTooOld};
  if (n == expected()) return {Kind::kNext};
  if (n > last_n_) return {Kind::kGap};
  const SendResult& stored = ring_[n % ring_.size()];
  if (stored.n != n) return {Kind::kTooOld};
  const bool same = is_void || is_given_up(stored) || stored.hash == hash;
  return {same ? Kind::kDuplicate : Kind::kConflict, &stored};
}

void SenderState::remember(const SendResult& result) {
  assert(result.n == expected());
  restore(result);
}

void SenderState::restore(const SendResult& result) {
  if (result.n <= last_n_) return;
  ring_[result.n % ring_.size()] = result;
  last_n_ = result.n;
  last_used_ns_ = std::max(last_used_ns_, result.ts_ns);
}

std::size_t SenderKeyHash::operator()(const SenderKey& key) const noexcept {
  std::uint64_t head = 0;
  std::uint32_t tail = 0;
  std::memcpy(&head, key.dev.bytes.data(), sizeof head);
  std::memcpy(&tail, key.dev.bytes.data() + sizeof head, sizeof tail);
  return mix64(std::hash<Principal>{}(key.principal) ^ mix64(head + (std::uint64_t{tail} << 32)));
}

}  // namespace parley::domain
