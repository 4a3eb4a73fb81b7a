#pragma once
#include <cstdint>

#include "journal_shared.hpp"
#include "parley/store/sql.hpp"
#include "redis/blocking_client.hpp"
#include "redis/lease.hpp"

namespace parley::store::standard {

/// What the start found out.
struct Recovered {
  redis::Lease lease;
  std::int64_t snowflake_floor_ms = 0;
};

/// Refuses a Redis that cannot be a journal, warns of settings that lose messages, and has a server that was just
/// started rewrite its append-only file (redis/append_file.hpp). Stores nothing; blocks. Errors as of recover().
void examine(redis::BlockingClient& redis);

/// Makes Redis and PostgreSQL one store again, before anything is appended; blocks. `redis` is the connection that
/// examine() has seen: one that is lost since then is not made anew, it fails.
///   new store       gets an id, in both
///   moved here      an embedded store was copied into the archive: its open conversations come into Redis as they were
///   as it was left  the shards are taken over with our fence, so that an earlier daemon writes no more, and the log
///                   behind the archive's position fills the index
///   Redis behind    it lost what PostgreSQL already has (all, or the newest): the incarnation is raised, counters and
///                   conversation numbers continue above the archive's, and every conversation that is open, was used
///                   lately or changed since comes back from the archive with a new epoch, because acknowledged
///                   entries that were not archived may be lost; a warning says how many
/// Fills `shared`: fence, incarnation, counters, index. Throws std::runtime_error with one line and its remedy;
/// redis::ConnectionError, SqlError.
Recovered recover(JournalShared& shared, redis::BlockingClient& redis, Sql& archive);

}  // namespace parley::store::standard
