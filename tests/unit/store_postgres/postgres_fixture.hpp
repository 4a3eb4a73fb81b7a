#pragma once
#include <gtest/gtest.h>

#include <string>

#include "postgres/migrations.hpp"
#include "postgres/pg_connection.hpp"
#include "support/servers.hpp"

namespace parley::store::test {

using parley::test::eventually;
using parley::test::PostgresServer;

inline PgOptions options_of(const std::string& conninfo) {
  PgOptions options;
  options.conninfo = conninfo;
  return options;
}

/// A database of its own with the newest schema.
inline std::string migrated_database(PostgresServer& server = PostgresServer::shared()) {
  const std::string conninfo = server.create_database();
  postgres::migrate(conninfo);
  return conninfo;
}

/// The SqlError that `work` throws; fails the test if there is none.
template <class F>
SqlError error_from(F work) {
  try {
    work();
  } catch (const SqlError& error) {
    return error;
  }
  ADD_FAILURE() << "no SqlError";
  return SqlError(SqlError::Kind::kOther, "");
}

}  // namespace parley::store::test
