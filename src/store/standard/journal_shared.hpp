#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "parley/store/database.hpp"
#include "parley/store/standard_store.hpp"
#include "redis/functions.hpp"
#include "unflushed_index.hpp"

namespace parley::store::standard {

/// What the lanes of a journal have in common. Threads: any, all of it.
class JournalShared {
 public:
  JournalShared(const StandardOptions& o, redis::Endpoint e)
      : options(o), endpoint(std::move(e)), index(o.shards), counters_(o.shards) {
    for (unsigned shard = 0; shard < o.shards; ++shard) keys.emplace_back(o.redis_prefix, shard);
  }

  const StandardOptions options;
  const redis::Endpoint endpoint;
  std::vector<redis::Keys> keys;  ///< per shard
  /// Set by the recovery, before the lanes start.
  std::uint64_t fence = 0;
  std::uint32_t incarnation = 0;
  std::int64_t recovered_ms = 0;  ///< wall time
  UnflushedIndex index;

  /// A conversation whose id was minted so lately, after the recovery, that it cannot have been archived and evicted:
  /// if Redis does not have it, it does not exist. The same for a visitor and its conversations. So chats begin while
  /// PostgreSQL is away, and without asking it.
  bool is_young(ConversationId conv, std::int64_t now_ms) const { return is_young(conv.value, now_ms); }
  bool is_young(VisitorId visitor, std::int64_t now_ms) const { return is_young(visitor.value, now_ms); }

  /// Highest counter of a shard that was seen: a Redis that has a lower one has forgotten something.
  std::uint64_t counter(unsigned shard) const { return counters_[shard].load(std::memory_order_relaxed); }
  void saw_counter(unsigned shard, std::uint64_t counter) {
    std::uint64_t known = counters_[shard].load(std::memory_order_relaxed);
    while (known < counter && !counters_[shard].compare_exchange_weak(known, counter, std::memory_order_relaxed)) {
    }
  }

  /// The store is lost to this process, for good; the first reason stays. Everything is refused from now on.
  void lose(const std::string& reason) {
    std::lock_guard lock(mutex_);
    if (lost_reason_.empty()) lost_reason_ = reason;
    lost_.store(true, std::memory_order_release);
  }
  bool lost() const noexcept { return lost_.load(std::memory_order_acquire); }

  /// What is wrong now, by who found out; "" ends it.
  void trouble(const std::string& who, const std::string& what) {
    std::lock_guard lock(mutex_);
    if (what.empty()) {
      troubles_.erase(who);
    } else {
      troubles_[who] = what;
    }
  }
  /// "" if all is well.
  std::string reason() const {
    std::lock_guard lock(mutex_);
    if (!lost_reason_.empty()) return lost_reason_;
    return troubles_.empty() ? std::string() : troubles_.begin()->second;
  }

  std::atomic<bool> backlog_full{false};  ///< more than the high-water mark waits for the archive
  std::atomic<std::uint64_t> queued{0}, commits{0}, items{0}, failed_commits{0}, commit_ns{0};

 private:
  bool is_young(std::uint64_t id, std::int64_t now_ms) const;

  std::vector<std::atomic<std::uint64_t>> counters_;
  mutable std::mutex mutex_;  // leaf lock, guards what follows
  std::string lost_reason_;
  std::map<std::string, std::string> troubles_;
  std::atomic<bool> lost_{false};
};

}  // namespace parley::store::standard
