#pragma once
#include <cstdint>

#include "parley/base/ids.hpp"

namespace parley {

/// Mints 63-bit ids that grow with time: 41 bits of milliseconds since 2024-01-01Z, 10 bits of generator (6 node, 4
/// thread), 12 bits of count. Conversation ids end in 6 bits of count and 6 bits of lane instead. If the clock goes
/// back the last millisecond is kept; if a millisecond is used up the next one is borrowed. Threads: one generator per
/// thread, numbered by `thread`. Source: Twitter's Snowflake; layout in docs/architecture.md.
class Snowflake {
 public:
  static constexpr std::int64_t kEpochMs = 1704067200000;  // 2024-01-01T00:00:00Z
  /// `floor_ms`: never mint below this wall time (the store's high-water mark), so that a clock set back between two
  /// runs repeats no id.
  Snowflake(unsigned node, unsigned thread, std::int64_t floor_ms = 0);
  std::uint64_t next(std::int64_t now_ns);
  std::uint64_t next_conversation(std::int64_t now_ns, unsigned lane);
  /// Wall milliseconds of the newest id minted.
  std::int64_t last_ms() const noexcept { return last_ms_; }

 private:
  void tick(std::int64_t now_ns, unsigned count_limit);
  std::uint64_t generator_;
  std::int64_t last_ms_;
  unsigned count_ = 0;
};

/// The lane of a conversation id, 0..63: chooses its home among the reactors of a wide tenant.
constexpr unsigned lane_of(ConversationId id) noexcept { return static_cast<unsigned>(id.value & 63); }

}  // namespace parley
