#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "parley/store/database.hpp"
#include "parley/store/journal.hpp"

namespace parley::store {

struct SqliteOptions {
  std::filesystem::path folder;         ///< the data folder; made (0700) if missing
  std::size_t batch_items_max = 4096;   ///< of one group commit
  std::size_t queue_items_max = 65536;  ///< appends waiting for the writer, over all reactors
  std::size_t queue_bytes_max = 64u << 20;
  unsigned readers = 2;
  std::size_t conversations_max =
      20'000;  ///< kept in the writer's memory (about 3 KiB each); others are read again when needed
  struct Testing {
    std::string vfs;                 ///< name of a SQLite file layer
    bool synchronous_off = false;    ///< commits are not durable: to prove that the power loss tests would notice
    std::int64_t sweep_ms = 10'000;  ///< between two looks for senders to forget
  } testing;
};

/// The embedded store: one SQLite file in WAL mode with one writer thread (group commit: whatever waits is one
/// transaction, one fsync; an idle system adds no delay), a few reader threads, and a checkpoint thread. Journal and
/// Database share the file. Open:    takes `lock` in the folder by flock, runs pending migrations, replays projections.
/// Throws ConfigError-like std::runtime_error with one line and its remedy: another
///          daemon runs on this folder; unreadable or read-only folder; schema newer than this program.
/// Full disk: appends answer kJournalFull and nothing is half stored; it tries again by itself.
/// Source:  https://sqlite.org/wal.html; measurements in docs/benchmarks.md
class SqliteStore {
 public:
  virtual ~SqliteStore() = default;
  virtual Journal& journal() = 0;
  virtual Database& database() = 0;
  /// Milliseconds below which no snowflake may be minted in this run (the high-water mark of earlier runs). The store
  /// reserves ahead by itself.
  virtual std::int64_t snowflake_floor_ms() const = 0;
  /// Reserves ids up to `ms` + 3 s; called by whoever mints, at least once a second while minting. Any thread.
  virtual void reserve_snowflakes(std::int64_t ms) = 0;
  /// Commits what was accepted, projects, checkpoints and closes. Later submits are refused.
  virtual void stop() = 0;
  struct Stats {
    std::uint64_t commits = 0, items = 0, failed_commits = 0;
    std::uint64_t commit_ns_sum = 0;
    std::uint64_t queued = 0;
    std::uint64_t wal_bytes = 0;
  };
  virtual Stats stats() const = 0;  ///< any thread
};
std::unique_ptr<SqliteStore> open_sqlite_store(const SqliteOptions& options);

}  // namespace parley::store
