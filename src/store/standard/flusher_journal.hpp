#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

#include "redis/blocking_client.hpp"
#include "standard/flusher_entry.hpp"
#include "standard/flusher_state.hpp"

namespace parley::store::standard {

/// What was wrong with Redis' answer; it is asked again later.
class RedisRefused : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The journal in Redis as the flusher needs it. Everything throws redis::ConnectionError and RedisRefused.
class FlushJournal {
 public:
  explicit FlushJournal(const redis::Endpoint& endpoint);
  /// What follows `shard.at`: as many whole entries as have some `items` and `bytes`. Throws ShardStopped if the first
  /// one cannot be read.
  std::vector<FlushEntry> read(FlushShard& shard, std::size_t items, std::size_t bytes);
  void trim(const FlushShard& shard, Position upto);
  /// Takes away what was flushed longer ago than `keep`; true if something was.
  bool trim_old(FlushShard& shard, std::chrono::steady_clock::duration keep);
  /// Sets the shard's backlog.
  void measure(FlushShard& shard);
  /// Sets since when the first entry that is not archived waits.
  void find_oldest(FlushShard& shard);
  std::optional<Position> newest(const FlushShard& shard);

 private:
  redis::Reply ask(const redis::Command& command);
  redis::BlockingClient redis_;
};

}  // namespace parley::store::standard
