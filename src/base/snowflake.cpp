#include "parley/base/snowflake.hpp"

#include <cassert>

namespace parley {

Snowflake::Snowflake(unsigned node, unsigned thread, std::int64_t floor_ms)
    : generator_(static_cast<std::uint64_t>(node) << 4 | thread), last_ms_(floor_ms > kEpochMs ? floor_ms : kEpochMs) {
  assert(node < 64 && thread < 16);
}

void Snowflake::tick(std::int64_t now_ns, unsigned count_limit) {
  const std::int64_t now_ms = now_ns / 1'000'000;
  if (now_ms > last_ms_) {
    last_ms_ = now_ms;
    count_ = 0;
  } else if (++count_ >= count_limit) {
    ++last_ms_;
    count_ = 0;
  }
}

std::uint64_t Snowflake::next(std::int64_t now_ns) {
  tick(now_ns, 4096);
  return static_cast<std::uint64_t>(last_ms_ - kEpochMs) << 22 | generator_ << 12 | count_;
}

std::uint64_t Snowflake::next_conversation(std::int64_t now_ns, unsigned lane) {
  assert(lane < 64);
  tick(now_ns, 64);
  return static_cast<std::uint64_t>(last_ms_ - kEpochMs) << 22 | generator_ << 12 |
         static_cast<std::uint64_t>(count_) << 6 | lane;
}

}  // namespace parley
