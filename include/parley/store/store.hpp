#pragma once
#include <cstdint>
#include <vector>

#include "parley/store/database.hpp"
#include "parley/store/journal.hpp"

namespace parley::store {

class MessageSearch;
class Movable;

/// Where a daemon keeps everything: the journal of its conversations and the database of its entities. One process owns
/// it. open_sqlite_store() is the embedded one, open_standard_store() keeps them in Redis and PostgreSQL.
class Store {
 public:
  virtual ~Store() = default;
  virtual Journal& journal() = 0;
  virtual Database& database() = 0;
  /// Once, before the reactors run and before journal() is used: those it will be used from.
  virtual void attach(const std::vector<Reactor*>& reactors) = 0;
  /// Milliseconds below which no snowflake may be minted in this run (the high-water mark of earlier runs). The store
  /// reserves ahead by itself.
  virtual std::int64_t snowflake_floor_ms() const = 0;
  /// Reserves ids up to `ms` + 3 s; called by whoever mints, at least once a second while minting. Any thread.
  virtual void reserve_snowflakes(std::int64_t ms) = 0;
  /// While the reactors still run, after the last submit: waits (bounded) until what was accepted is answered.
  virtual void drain() = 0;
  /// After the reactors have ended: finishes what was accepted and closes. Later submits are refused.
  virtual void stop() = 0;
  struct Stats {
    std::uint64_t commits = 0, items = 0, failed_commits = 0;  ///< of the journal, since the start
    std::uint64_t commit_ns_sum = 0;
    std::uint64_t queued = 0;       ///< appends that wait
    std::uint64_t wal_bytes = 0;    ///< embedded: the write-ahead log
    double search_lag_seconds = 0;  ///< age of the oldest entry that search does not find yet
    /// Standard store only (`archived` says which).
    bool archived = false;
    std::uint64_t backlog_items = 0;     ///< journal entries that are not in PostgreSQL yet
    std::uint64_t backlog_bytes = 0;     ///< memory of the journal that they take
    double flush_lag_seconds = 0;        ///< age of the oldest of them
    std::uint64_t flushed_items = 0;     ///< since the start
    std::uint64_t flush_failures = 0;    ///< since the start
    std::uint64_t dead_letters = 0;      ///< entries that PostgreSQL refused, waiting for somebody
    std::uint64_t redis_reconnects = 0;  ///< since the start
  };
  virtual Stats stats() const = 0;  ///< any thread
  /// Null: this store keeps no search index (it is switched off, or SQLite has no FTS5).
  virtual MessageSearch* search() { return nullptr; }
  /// Null: this kind of store cannot be moved to another one.
  virtual Movable* movable() { return nullptr; }
};

}  // namespace parley::store
