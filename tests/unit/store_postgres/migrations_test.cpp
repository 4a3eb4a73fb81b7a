#include "postgres/migrations.hpp"

#include <gmock/gmock.h>

#include <future>

#include "postgres_fixture.hpp"

namespace parley::store::test {
namespace {

using postgres::Migration;

const std::vector<Migration> kTwo = {{1, "0001_one", "create table one (a bigint); insert into one values (1)"},
                                     {2, "0002_two", "alter table one add b bigint"}};

std::string refusal_of(const std::string& conninfo, std::span<const Migration> known) {
  try {
    postgres::migrate(conninfo, known);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

class PostgresMigrationsTest : public ::testing::Test {
 protected:
  PostgresMigrationsTest() : conninfo(PostgresServer::shared().create_database()), sql(options_of(conninfo)) {}
  std::int64_t number(std::string_view statement) { return sql.query(statement, {})[0].i64(0); }
  std::string conninfo;
  PgConnection sql;
};

TEST_F(PostgresMigrationsTest, MakeANewDatabaseAndThenDoNothing) {
  ASSERT_EQ(postgres::pending(conninfo).size(), postgres::migrations().size());
  EXPECT_EQ(std::string(postgres::pending(conninfo)[0].name), "0001_first");
  postgres::migrate(conninfo);
  EXPECT_TRUE(postgres::pending(conninfo).empty());
  const std::string id = sql.query("select value from store_meta where key = 'store_id'", {})[0].text(0);
  EXPECT_EQ(id.size(), 36u);
  postgres::migrate(conninfo);
  EXPECT_EQ(sql.query("select value from store_meta where key = 'store_id'", {})[0].text(0), id);
  EXPECT_EQ(number("select max(version) from schema_version"), postgres::migrations().back().version);
}

TEST_F(PostgresMigrationsTest, RunOnlyWhatIsNew) {
  postgres::migrate(conninfo, std::span(kTwo).first(1));
  const auto waiting = postgres::pending(conninfo, kTwo);
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_EQ(waiting[0].version, 2);
  EXPECT_EQ(number("select max(version) from schema_version"), 1) << "looking changes nothing";
  postgres::migrate(conninfo, kTwo);
  EXPECT_EQ(number("select count(*) from one where b is null"), 1);
}

TEST_F(PostgresMigrationsTest, RefuseADatabaseThatANewerProgramWrote) {
  postgres::migrate(conninfo, kTwo);
  const std::string refusal = refusal_of(conninfo, std::span(kTwo).first(1));
  EXPECT_THAT(refusal, ::testing::HasSubstr("newer Parley (schema 2, this program knows 1)"));
  EXPECT_EQ(refusal.find('\n'), std::string::npos);
  EXPECT_THROW(postgres::pending(conninfo, std::span(kTwo).first(1)), std::runtime_error);
}

TEST_F(PostgresMigrationsTest, AreKnownToBeDoneOrNotWithoutAChange) {
  EXPECT_FALSE(postgres::is_current(sql, kTwo));
  EXPECT_TRUE(sql.query("select to_regclass('schema_version')::text", {})[0].null(0));
  postgres::migrate(conninfo, std::span(kTwo).first(1));
  EXPECT_FALSE(postgres::is_current(sql, kTwo));
  postgres::migrate(conninfo, kTwo);
  EXPECT_TRUE(postgres::is_current(sql, kTwo));
  EXPECT_THROW(postgres::is_current(sql, std::span(kTwo).first(1)), std::runtime_error) << "a newer program wrote it";
}

TEST_F(PostgresMigrationsTest, LeaveTheDatabaseAsBeforeTheStepThatFails) {
  std::vector<Migration> steps = kTwo;
  steps[1].sql = "create table two (a bigint); select 1 / 0";
  EXPECT_THAT(refusal_of(conninfo, steps), ::testing::HasSubstr("0002_two failed"));
  EXPECT_EQ(number("select max(version) from schema_version"), 1);
  EXPECT_TRUE(sql.query("select to_regclass('two')::text", {})[0].null(0));
  postgres::migrate(conninfo, kTwo);
  EXPECT_EQ(number("select max(version) from schema_version"), 2);
}

TEST_F(PostgresMigrationsTest, OfTwoProgramsOneWaitsForTheOther) {
  std::vector<Migration> slow = kTwo;
  slow[0].sql = "create table one (a bigint); insert into one values (1); select pg_sleep(0.2)";
  std::vector<std::future<void>> programs;
  for (int i = 0; i < 4; ++i)
    programs.push_back(std::async(std::launch::async, [&] { postgres::migrate(conninfo, slow); }));
  for (auto& program : programs) EXPECT_NO_THROW(program.get());
  EXPECT_EQ(number("select count(*) from one"), 1);
  EXPECT_EQ(number("select count(*) from schema_version"), 2);
}

TEST_F(PostgresMigrationsTest, RefuseADatabaseThatIsNotInUtf8) {
  sql.execute("create database not_utf8 encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'");
  const std::string refusal = refusal_of(PostgresServer::shared().conninfo("not_utf8"), postgres::migrations());
  EXPECT_THAT(refusal, ::testing::HasSubstr("SQL_ASCII"));
}

class EnsureMonthTest : public PostgresMigrationsTest {
 protected:
  EnsureMonthTest() { postgres::migrate(conninfo); }
  bool ensure(std::int64_t ns) { return sql.query("select ensure_month(?)", {ns})[0].i64(0) != 0; }
  void add(std::int64_t seq, std::int64_t ts_ns) {
    sql.query(
        "insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, "
        "claim, flags, audience, kind, principal_kind, dev) values (?, 1, 1, ?, 1, ?, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, "
        "118, '')",
        {seq, seq, ts_ns});
  }
  std::string place_of(std::int64_t seq) {
    return sql.query("select tableoid::regclass::text from message where seq = ?", {seq})[0].text(0);
  }
};

constexpr std::int64_t kFebruary = 1'706'745'600'000'000'000;  // 2024-02-01T00:00:00Z

TEST_F(EnsureMonthTest, MakesTheMonthsOfUtcToTheNanosecond) {
  sql.execute("set timezone = 'Asia/Shanghai'");
  EXPECT_TRUE(ensure(kFebruary - 1));
  EXPECT_TRUE(ensure(kFebruary));
  EXPECT_TRUE(ensure(kFebruary)) << "again";
  add(1, kFebruary - 1);
  add(2, kFebruary);
  EXPECT_EQ(place_of(1), "message_y2024m01");
  EXPECT_EQ(place_of(2), "message_y2024m02");
  EXPECT_EQ(number("select count(*) from pg_inherits where inhparent = 'message'::regclass"),
            number("select count(*) from pg_inherits where inhparent = 'message_search'::regclass"));
}

TEST_F(EnsureMonthTest, LeavesAbsurdTimesToTheDefaultPartition) {
  for (const std::int64_t ns : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN, INT64_MAX}) {
    EXPECT_FALSE(ensure(ns)) << ns;
    add(1, ns);
    EXPECT_EQ(place_of(1), "message_default");
    sql.execute("delete from message");
  }
}

TEST_F(EnsureMonthTest, MovesWhatCameBeforeItsPartition) {
  add(1, kFebruary - 1);
  add(2, kFebruary);
  add(3, kFebruary + 1);
  EXPECT_EQ(place_of(2), "message_default");
  EXPECT_TRUE(ensure(kFebruary + 5));
  EXPECT_EQ(place_of(1), "message_default");
  EXPECT_EQ(place_of(2), "message_y2024m02");
  EXPECT_EQ(place_of(3), "message_y2024m02");
}

TEST_F(EnsureMonthTest, MayBeCalledByManyAtOnce) {
  std::vector<std::future<void>> callers;
  for (int i = 0; i < 4; ++i)
    callers.push_back(std::async(std::launch::async, [&] {
      PgConnection other(options_of(conninfo));
      for (int month = 0; month < 6; ++month)
        other.query("select ensure_month(?)", {kFebruary + month * 31 * 86'400'000'000'000});
    }));
  for (auto& caller : callers) EXPECT_NO_THROW(caller.get());
  EXPECT_EQ(number("select count(*) from pg_class where relkind = 'r' and relname like 'message\\_y2024%'"), 6);
}

}  // namespace
}  // namespace parley::store::test
