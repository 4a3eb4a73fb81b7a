#include "migrate/schema_check.hpp"

#include <gmock/gmock.h>

#include "postgres/pg_connection.hpp"
#include "support/servers.hpp"

namespace parley::store::moving {
namespace {

using parley::test::PostgresServer;
using postgres::Migration;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

const std::vector<Migration> kSteps = {
    {1, "0001_one",
     "create table person (id bigint primary key); create table message (id bigint primary key, who bigint references "
     "person); create table quiet (id bigint); insert into quiet values (7)"},
    {2, "0002_two", "alter table message add body text; create table fresh (id bigint); update quiet set id = 8"},
    {3, "0003_three", "create index concurrently_not on message (who)"}};

class SchemaCheckTest : public testing::Test {
 protected:
  SchemaCheckTest() : conninfo(PostgresServer::shared().create_database()), sql(options()) {}
  PgOptions options() const {
    PgOptions out;
    out.conninfo = conninfo;
    return out;
  }
  std::int64_t number(const char* statement) { return sql.query(statement, {})[0].i64(0); }
  std::int64_t copies_left() { return number("select count(*) from pg_database where datname like 'parley_check_%'"); }
  std::string conninfo;
  PgConnection sql;
};

TEST_F(SchemaCheckTest, SaysThatNothingIsPending) {
  postgres::migrate(conninfo, kSteps);
  const SchemaCheck check = check_postgres_schema(conninfo, 10, kSteps);
  EXPECT_EQ(check.present, 3);
  EXPECT_THAT(check.steps, IsEmpty());
}

TEST_F(SchemaCheckTest, TriesEachStepOnACopyAndTellsItsLocks) {
  postgres::migrate(conninfo, std::span(kSteps).first(1));
  sql.execute(
      "insert into person select generate_series(1, 30); insert into message select n, n from generate_series(1, "
      "30) n; insert into quiet select generate_series(1, 30)");
  const SchemaCheck check = check_postgres_schema(conninfo, 10, kSteps);
  EXPECT_EQ(check.present, 1);
  EXPECT_EQ(check.latest, 3);
  EXPECT_EQ(check.rows, 70u) << "tables that refer to each other are copied whole, of the others ten rows";
  ASSERT_EQ(check.steps.size(), 2u);
  EXPECT_EQ(check.steps[0].name, "0002_two");
  EXPECT_THAT(check.steps[0].locks,
              UnorderedElementsAre(Pair("message", "AccessExclusiveLock"), Pair("quiet", "RowExclusiveLock")));
  EXPECT_THAT(check.steps[1].locks, UnorderedElementsAre(Pair("message", "ShareLock")));
  EXPECT_EQ(number("select max(version) from schema_version"), 1) << "the store itself was not touched";
  EXPECT_EQ(copies_left(), 0);
}

TEST_F(SchemaCheckTest, AnEmptyDatabaseIsTriedFromTheFirstStep) {
  const SchemaCheck check = check_postgres_schema(conninfo, 10, postgres::migrations());
  EXPECT_EQ(check.present, 0);
  ASSERT_EQ(check.steps.size(), postgres::migrations().size());
  EXPECT_THAT(check.steps[0].locks, IsEmpty());
  EXPECT_EQ(copies_left(), 0);
}

TEST_F(SchemaCheckTest, AStepThatFailsIsNamedAndNothingIsLeftBehind) {
  postgres::migrate(conninfo, std::span(kSteps).first(1));
  std::vector<Migration> steps = kSteps;
  steps[1].sql = "alter table message add body text; select 1 / 0";
  try {
    check_postgres_schema(conninfo, 10, steps);
    FAIL() << "it did not notice";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("0002_two fails on a copy"));
  }
  EXPECT_EQ(copies_left(), 0);
}

TEST_F(SchemaCheckTest, MonthsAreCopiedWithTheirPartitions) {
  postgres::migrate(conninfo);
  sql.query("select ensure_month(?)", {std::int64_t{1'717'200'000'000'000'000}});
  sql.execute(
      "insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, "
      "flags, audience, kind, principal_kind, dev, body) values (1, 1, 1, 1, 1, 1717200000000000001, 1, 1, 1, 1, 0, 1, "
      "0, 0, 0, 1, 118, '\\x00', '{\"text\": \"hello\"}')");
  std::vector<Migration> steps = postgres::migrations();
  const int next = steps.back().version + 1;
  steps.push_back({next, "next", "alter table message_y2024m06 add check (ts_ns > 0)"});
  const SchemaCheck check = check_postgres_schema(conninfo, 10, steps);
  ASSERT_EQ(check.steps.size(), 1u);
  EXPECT_EQ(check.steps[0].locks.front().first, "message_y2024m06");
  EXPECT_GE(check.rows, 1u);
}

}  // namespace
}  // namespace parley::store::moving
