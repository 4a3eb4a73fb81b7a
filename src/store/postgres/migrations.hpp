#pragma once
#include <span>
#include <string>
#include <vector>

#include "parley/store/sql.hpp"

/// The schema of the archive. All functions throw std::runtime_error with one line and its remedy, or SqlError if
/// PostgreSQL cannot be reached.
namespace parley::store::postgres {

struct Migration {
  int version;       ///< 1, 2, 3 … without gaps
  const char* name;  ///< of its file
  const char* sql;   ///< any number of statements
};
/// The files of src/store/postgres/migrations, compiled in.
const std::vector<Migration>& migrations();

/// What migrate() would run, oldest first. Changes nothing.
std::vector<Migration> pending(const std::string& conninfo, std::span<const Migration> known = migrations());

/// Whether migrate() has nothing to do, over a connection that is there already. Refuses what migrate() refuses.
bool is_current(Sql& sql, std::span<const Migration> known = migrations());

/// Brings the schema to the newest of `known`, each step in a transaction of its own. Two at once are no problem: one
/// waits for the other, at most a minute. Refuses a database that is newer than this program, a server older than
/// PostgreSQL 13, and a database that is not in UTF-8.
void migrate(const std::string& conninfo, std::span<const Migration> known = migrations());

}  // namespace parley::store::postgres
