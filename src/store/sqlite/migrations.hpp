#pragma once
#include <span>
#include <vector>

#include "connection.hpp"

namespace parley::store {

struct Migration {
  int version;      ///< 1, 2, 3 … without gaps
  const char* sql;  ///< any number of statements
};
/// The files of src/store/sqlite/migrations, compiled in.
const std::vector<Migration>& migrations();

/// Brings the schema to the newest of `known`, each step in one transaction. Throws std::runtime_error if the file is
/// newer than this program, SqlError if a step fails (the file is then as before that step).
void migrate(Connection& db, std::span<const Migration> known);

}  // namespace parley::store
