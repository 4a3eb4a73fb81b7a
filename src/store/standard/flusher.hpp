#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "parley/base/ids.hpp"
#include "redis/reply.hpp"

namespace parley::store::standard {

struct FlusherOptions {
  redis::Endpoint endpoint;
  std::string prefix = "parley";  ///< of all keys
  unsigned shards = 1;
  std::string postgres;  ///< as libpq understands it
  /// Who flushes: "<fence>:<anything unique>". A flusher with a lower fence cannot take the place of this one, and this
  /// one ends the moment another has taken its place.
  std::string owner_token;
  /// Of one transaction, at most; a journal entry is never split. A long backlog over 2,000 conversations went 1.6
  /// times as fast with 20,000 as with 5,000, because their rows are written once per transaction.
  std::size_t batch_items = 20'000;
  std::size_t batch_bytes = 16u << 20;                        ///< the same
  std::chrono::seconds keep_in_log{10};                       ///< how long flushed entries stay in the journal
  std::chrono::milliseconds idle_wait{50};                    ///< between rounds when there is little to flush
  std::chrono::milliseconds retry_min{200}, retry_max{2000};  ///< between attempts while Redis or PostgreSQL is down
  std::chrono::milliseconds statement{6000};                  ///< PostgreSQL's time for one, as of PgOptions
  std::chrono::milliseconds drain{5000};                      ///< longest time stop() goes on flushing
};

/// Moves the journal from Redis into PostgreSQL, in order: entries after the committed position become rows, in one
/// transaction with the conversations' rows, their senders' answers and the new position; then the journal is trimmed.
/// Exactly once: the position and the conversations' archived_seq move by compare-and-set in that transaction. After a
///   commit with an unknown outcome the position says which one it was.
/// Never silent: a hole in a conversation, or a journal that tells another story than the archive, stops the shard
///   (health, metric) and changes nothing. A single entry that PostgreSQL refuses becomes a dead letter and leaves a
///   placeholder (kPlaceholder), so that everything after it goes on.
/// Threads: its own, "store-flush"; the functions below may be called from any.
class Flusher {
 public:
  using Heads = std::vector<std::pair<ConversationId, std::uint64_t>>;
  /// On the flusher's thread, after the commit: everything of `shard` up to `counter` is archived; the conversations of
  /// this batch with their archived seq. Must not block.
  using OnArchived = std::function<void(unsigned shard, std::uint64_t counter, Heads heads)>;

  Flusher(FlusherOptions options, OnArchived on_archived);
  ~Flusher();
  void start();
  /// Flushes what is there, at most `drain`, then ends the thread. Call it when nothing is appended any more.
  void stop();

  struct Stats {
    std::uint64_t flushed_items = 0;  ///< rows and remembered answers, since the start
    std::uint64_t transactions = 0;   ///< committed, since the start
    std::uint64_t failures = 0;       ///< rounds that failed, since the start
    std::uint64_t backlog_items = 0;  ///< in the journal and not archived; an estimate, a second old
    std::uint64_t backlog_bytes = 0;  ///< memory that they take in Redis; the same
    double lag_seconds = 0;           ///< age of the oldest of them
    std::uint64_t dead_letters = 0;   ///< that wait for somebody
    std::uint64_t stopped_shards = 0;
  };
  Stats stats() const;
  /// Empty: all is well. Otherwise one line for people: what is down, or why a shard was stopped. Starts with "fenced"
  /// if another flusher took over, with "shard <n> stopped" after a hole or a divergence.
  std::string trouble() const;
  /// For tests: flushes everything that is in the journal now. False if that did not happen within `patience`.
  bool request_sync(std::chrono::milliseconds patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::store::standard
