#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>

#include "migrate/schema_check.hpp"
#include "parley/base/bytes.hpp"
#include "parley/base/clock.hpp"
#include "postgres/pg_connection.hpp"

namespace parley::store {
namespace moving {
namespace {

using namespace std::chrono_literals;
using postgres::Migration;

struct ParsedFree {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};

/// The same server and role, another database. Understands both forms of a connection string.
std::string other_database(const std::string& conninfo, const std::string& name) {
  const std::unique_ptr<PQconninfoOption, ParsedFree> options(PQconninfoParse(conninfo.c_str(), nullptr));
  if (!options) throw std::runtime_error("postgres.url: libpq does not understand it");
  std::string out = "dbname='" + name + "'";
  for (const PQconninfoOption* option = options.get(); option->keyword; ++option) {
    if (!option->val || std::string_view(option->keyword) == "dbname") continue;
    out += std::string(" ") + option->keyword + "='";
    for (const char* c = option->val; *c; ++c) {
      if (*c == '\'' || *c == '\\') out += '\\';
      out += *c;
    }
    out += "'";
  }
  return out;
}

PgOptions patient(const std::string& conninfo) {
  PgOptions options;
  options.conninfo = conninfo;
  options.statement = 1h;
  return options;
}

/// A database that is dropped in the end.
class Scratch {
 public:
  explicit Scratch(const std::string& conninfo)
      : owner_(patient(conninfo)), name_("parley_check_" + hex_encode(random_bytes(4))) {
    try {
      owner_.execute("create database " + name_ + " template template0 encoding 'UTF8'");
    } catch (const SqlError& error) {
      throw std::runtime_error(std::string("store: no database for the copy: ") + error.what() +
                               "; allow it for this while: alter role … createdb");
    }
    conninfo_ = other_database(conninfo, name_);
  }
  ~Scratch() {
    try {
      owner_.execute("drop database if exists " + name_ + " with (force)");
    } catch (const SqlError&) {  // it is named after what it is
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& conninfo() const { return conninfo_; }

 private:
  PgConnection owner_;
  const std::string name_;
  std::string conninfo_;
};

/// Ordinary and partitioned tables, partitions apart, those first that others refer to; and which of them stand in such
/// relations.
struct Tables {
  std::vector<std::string> ordered;
  std::set<std::string> related;
};
Tables tables_of(Sql& sql) {
  Tables tables;
  std::vector<std::string> left;
  for (const SqlRow& row : sql.query(
           "select c.relname::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in "
           "('r', 'p') and not c.relispartition and c.relname <> 'schema_version' order by 1",
           {}))
    left.push_back(row.text(0));
  std::multimap<std::string, std::string> needs;
  for (const SqlRow& row : sql.query("select conrelid::regclass::text, confrelid::regclass::text from pg_constraint "
                                     "where contype = 'f' and conrelid <> confrelid",
                                     {})) {
    needs.emplace(row.text(0), row.text(1));
    tables.related.insert({row.text(0), row.text(1)});
  }
  while (!left.empty()) {
    const auto ready = std::find_if(left.begin(), left.end(), [&](const std::string& name) {
      const auto [begin, end] = needs.equal_range(name);
      return std::none_of(
          begin, end, [&](const auto& need) { return std::find(left.begin(), left.end(), need.second) != left.end(); });
    });
    const auto next = ready == left.end() ? left.begin() : ready;
    tables.ordered.push_back(*next);
    left.erase(next);
  }
  return tables;
}

std::string columns_of(Sql& sql, const std::string& table) {
  return sql
      .query(
          "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute where attrelid = "
          "to_regclass(?) and attnum > 0 and not attisdropped and attgenerated = ''",
          {table})[0]
      .text(0);
}

/// Partitions for the same months as there are.
void make_months(Sql& from, PgConnection& to) {
  if (to.query("select to_regprocedure('ensure_month(bigint)')::text", {})[0].null(0)) return;
  for (const SqlRow& row : from.query("select substring(relname from 'message_y([0-9]{4}m[0-9]{2})$') from pg_class "
                                      "where relispartition and relname ~ '^message_y[0-9]{4}m[0-9]{2}$' order by 1",
                                      {})) {
    to.query("select ensure_month(extract(epoch from to_date(?, 'YYYY\"m\"MM'))::bigint * 1000000000)", {row.text(0)});
  }
}

void apply(PgConnection& db, const Migration& step) {
  db.execute(step.sql);
  db.query("insert into schema_version (version, applied_ns) values (?, ?)", {std::int64_t{step.version}, wall_ns()});
}

int strength(std::string_view mode) {
  constexpr std::string_view modes[] = {
      "AccessShareLock", "RowShareLock",          "RowExclusiveLock", "ShareUpdateExclusiveLock",
      "ShareLock",       "ShareRowExclusiveLock", "ExclusiveLock",    "AccessExclusiveLock"};
  const auto found = std::find(std::begin(modes), std::end(modes), mode);
  return static_cast<int>(found - std::begin(modes));
}

SchemaStep tried(PgConnection& db, const Migration& step) {
  std::set<std::string> before;
  for (const SqlRow& row : db.query("select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = "
                                    "'public'::regnamespace",
                                    {}))
    before.insert(row.text(0));
  const auto begin = std::chrono::steady_clock::now();
  db.begin();
  try {
    apply(db, step);
    std::map<std::string, std::string> strongest;
    for (const SqlRow& row :
         db.query("select c.relname::text, l.mode from pg_locks l join pg_class c on c.oid = "
                  "l.relation where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted "
                  "and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace",
                  {})) {
      if (!before.contains(row.text(0)) || row.text(0) == "schema_version") continue;
      std::string& mode = strongest[row.text(0)];
      if (mode.empty() || strength(row.text(1)) > strength(mode)) mode = row.text(1);
    }
    db.commit();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    return {step.version, step.name, took.count(), {strongest.begin(), strongest.end()}};
  } catch (const SqlError& error) {
    throw std::runtime_error("store: migration " + std::string(step.name) + " fails on a copy: " + error.what() +
                             "; the store itself was not touched");
  }
}

}  // namespace

SchemaCheck check_postgres_schema(const std::string& conninfo, std::uint64_t rows_max,
                                  std::span<const Migration> known) {
  const std::vector<Migration> pending = postgres::pending(conninfo, known);
  SchemaCheck result;
  result.latest = known.empty() ? 0 : known.back().version;
  result.present = pending.empty() ? result.latest : pending.front().version - 1;
  if (pending.empty()) return result;

  Scratch scratch(conninfo);
  PgConnection from(patient(conninfo)), to(patient(scratch.conninfo()));
  to.execute("create table schema_version (version bigint primary key, applied_ns bigint not null)");
  for (const Migration& step : known) {
    if (step.version <= result.present) apply(to, step);
  }
  if (result.present > 0) {
    make_months(from, to);
    const Tables tables = tables_of(to);  // not those that somebody else put there
    std::string all;
    for (const std::string& name : tables.ordered) all += (all.empty() ? "" : ", ") + name;
    to.execute("truncate " + all);  // what the migrations themselves put there
    for (const std::string& name : tables.ordered) {
      const std::string columns = columns_of(from, name);
      const std::string limit = tables.related.contains(name) ? "" : " limit " + std::to_string(rows_max);
      result.rows += from.copy_to("copy (select " + columns + " from " + name + limit + ") to stdout (format binary)",
                                  to, "copy " + name + " (" + columns + ") from stdin (format binary)");
    }
    to.execute("analyze");
  }
  for (const Migration& step : pending) result.steps.push_back(tried(to, step));
  to.disconnect();
  return result;
}

}  // namespace moving

SchemaCheck check_standard_schema(const std::string& conninfo, std::uint64_t rows_max) {
  try {
    return moving::check_postgres_schema(conninfo, rows_max, postgres::migrations());
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: ") + error.what());
  }
}

std::pair<std::int64_t, std::int64_t> migrate_standard_schema(const std::string& conninfo) {
  try {
    const auto pending = postgres::pending(conninfo);
    const std::int64_t latest = postgres::migrations().back().version;
    postgres::migrate(conninfo);
    return {pending.empty() ? latest : pending.front().version - 1, latest};
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: ") + error.what());
  }
}

}  // namespace parley::store
