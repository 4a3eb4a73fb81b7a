#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "parley/store/store.hpp"

namespace parley::store {

struct StandardOptions {
  std::filesystem::path folder = "data";               ///< keys and the lock; made (0700) if missing
  std::string redis_url = "redis://127.0.0.1:6379/0";  ///< redis://[[user]:password@]host[:port][/db] or unix:/path
  std::string redis_prefix = "parley";                 ///< of all keys
  unsigned shards = 1;                                 ///< fixed with the first start
  std::string postgres = "host=127.0.0.1 dbname=parley user=parley";  ///< as libpq understands it
  unsigned readers = 2;                                               ///< connections for history, lists, REST
  std::size_t queue_items_max = 65536;                                ///< appends that wait, per reactor
  std::size_t queue_bytes_max = 64u << 20;
  std::uint64_t backlog_bytes_max = 1u << 30;  ///< unarchived journal; above it appends answer kJournalFull
  bool search = true;                          ///< keep the search index
  std::chrono::milliseconds lease{5000};       ///< how long a silent daemon keeps the store
  std::chrono::milliseconds start{30000};      ///< how long to wait for Redis and PostgreSQL at the start
};

/// The standard store: Redis Streams are the journal and the sequencer, PostgreSQL is the archive and has the entities,
/// flushed asynchronously. One process owns it by a lease with a growing fence.
/// Open:   connects to both, checks Redis (version 7, noeviction, persistence), loads the function library, runs
///         migrations, takes the lease, repairs a Redis that is behind its archive, rebuilds the unflushed index.
///         Throws std::runtime_error with one line and its remedy.
/// Loss:   with `appendfsync always` in Redis nothing acknowledged is lost by power loss; docs/reliability.md.
std::unique_ptr<Store> open_standard_store(const StandardOptions& options);

}  // namespace parley::store
