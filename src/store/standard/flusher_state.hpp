#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "redis/functions.hpp"
#include "standard/flusher.hpp"

namespace parley::store::standard {

/// The shard must not go on: somebody has to look first. what() is for people.
class ShardStopped : public std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Another flusher has taken over.
class Fenced : public std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The committed position is not the expected one: an earlier commit went through after all.
class PositionMoved : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How far a shard is archived: the last entry of its log that is.
struct Position {
  std::uint64_t incarnation = 0, counter = 0;
  auto operator<=>(const Position&) const = default;
};

/// One shard, as far as the flusher is with it.
struct FlushShard {
  FlushShard(unsigned n, std::string_view prefix) : number(n), keys(prefix, n) {}
  const unsigned number;
  const redis::Keys keys;
  Position at;            // committed
  std::string stopped;    // why; empty: it goes on
  bool found_all = true;  // the last read reached the end of the log
  /// Entries that are flushed and still in the log.
  struct Flushed {
    std::chrono::steady_clock::time_point when;
    Position upto;
  };
  std::deque<Flushed> flushed;
  /// A commit whose outcome is not known.
  struct Pending {
    Position to;
    Flusher::Heads heads;
    std::uint64_t items = 0;
  };
  std::optional<Pending> pending;
  double items_per_entry = 1;
  std::uint64_t backlog_items = 0, backlog_bytes = 0;
  std::int64_t oldest_ns = 0;  // of what is not archived; 0: nothing is
};

}  // namespace parley::store::standard
