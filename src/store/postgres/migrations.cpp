#include "migrations.hpp"

#include <algorithm>
#include <stdexcept>

#include "parley/base/clock.hpp"
#include "pg_connection.hpp"

namespace parley::store::postgres {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kLock = 7018352694870831981;  // of all programs that migrate a database of ours
constexpr std::int64_t kServerMin = 130000;

PgOptions patient(const std::string& conninfo) {
  PgOptions options;
  options.conninfo = conninfo;
  options.statement = 1h;  // a step may rewrite a large table
  return options;
}

void check_server(Sql& sql) {
  const auto row =
      sql.query("select current_setting('server_version_num')::int, current_setting('server_encoding')", {})[0];
  if (row.i64(0) < kServerMin)
    throw std::runtime_error("store: PostgreSQL is too old (" + std::to_string(row.i64(0)) +
                             "); 13 is the oldest that works");
  if (row.text(1) != "UTF8")
    throw std::runtime_error("store: the database is in " + row.text(1) +
                             "; make one with `create database … encoding 'UTF8' template template0`");
}

std::int64_t present_version(Sql& sql, std::span<const Migration> known) {
  std::int64_t present = 0;
  if (!sql.query("select to_regclass('schema_version')::text", {})[0].null(0))
    present = sql.query("select coalesce(max(version), 0) from schema_version", {})[0].i64(0);
  const std::int64_t latest = known.empty() ? 0 : known.back().version;
  if (present > latest) {
    throw std::runtime_error("store: the database was written by a newer Parley (schema " + std::to_string(present) +
                             ", this program knows " + std::to_string(latest) +
                             "); start that version, or restore a backup made before the upgrade");
  }
  return present;
}

std::vector<Migration> after(std::int64_t present, std::span<const Migration> known) {
  std::vector<Migration> steps;
  std::copy_if(known.begin(), known.end(), std::back_inserter(steps),
               [&](const Migration& step) { return step.version > present; });
  return steps;
}

void lock(PgConnection& db) {
  try {
    db.execute("set local lock_timeout = '60s'");
    db.query("select pg_advisory_xact_lock(?)", {kLock});
    db.execute("set local lock_timeout = default");
  } catch (const SqlError& error) {
    if (db.connected())
      throw std::runtime_error(std::string("store: another program has been migrating the database for a minute: ") +
                               error.what());
    throw;
  }
}

void apply(PgConnection& db, const Migration& step) {
  try {
    db.execute(step.sql);
    db.query("insert into schema_version (version, applied_ns) values (?, ?)", {std::int64_t{step.version}, wall_ns()});
    db.commit();
  } catch (const SqlError& error) {
    throw std::runtime_error("store: migration " + std::string(step.name) +
                             " failed, the database is as before it: " + error.what());
  }
}

}  // namespace

std::vector<Migration> pending(const std::string& conninfo, std::span<const Migration> known) {
  PgConnection db(patient(conninfo));
  return after(present_version(db, known), known);
}

bool is_current(Sql& sql, std::span<const Migration> known) {
  check_server(sql);
  return after(present_version(sql, known), known).empty();
}

void migrate(const std::string& conninfo, std::span<const Migration> known) {
  PgConnection db(patient(conninfo));
  check_server(db);
  // The lock ends with each step's transaction, so that it works through a pooler; who comes next looks again.
  for (;;) {
    db.begin();
    lock(db);
    const std::vector<Migration> steps = after(present_version(db, known), known);
    if (steps.empty()) return db.rollback();
    db.execute("create table if not exists schema_version (version bigint primary key, applied_ns bigint not null)");
    apply(db, steps.front());
  }
}

}  // namespace parley::store::postgres
