#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "parley/store/store.hpp"

namespace parley::store {

struct SqliteOptions {
  std::filesystem::path folder;         ///< the data folder; made (0700) if missing
  std::size_t batch_items_max = 4096;   ///< of one group commit
  std::size_t queue_items_max = 65536;  ///< appends waiting for the writer, over all reactors
  std::size_t queue_bytes_max = 64u << 20;
  unsigned readers = 2;
  bool search = true;  ///< keep the search index (a file beside the store's)
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
std::unique_ptr<Store> open_sqlite_store(const SqliteOptions& options);

}  // namespace parley::store
