#include "postgres/pg_connection.hpp"

#include <gmock/gmock.h>

#include <future>

#include "postgres/pg_bulk.hpp"
#include "postgres_fixture.hpp"

namespace parley::store::test {
namespace {

using Kind = SqlError::Kind;
using namespace std::chrono_literals;

class PgConnectionTest : public ::testing::Test {
 protected:
  PgConnectionTest() : sql(options()) {}
  static PgOptions options() { return options_of(PostgresServer::shared().conninfo()); }
  SqlRow one(std::string_view statement, std::initializer_list<SqlValue> parameters = {}) {
    return sql.query(statement, parameters).at(0);
  }
  PgConnection sql;
};

TEST(NumberedParameters, CountsTheQuestionMarksOutsideOfQuotesAndComments) {
  EXPECT_EQ(numbered_parameters("select ?, ? where a = ?"), "select $1, $2 where a = $3");
  EXPECT_EQ(numbered_parameters("select '?', 'it''s ?', \"?\", ?"), "select '?', 'it''s ?', \"?\", $1");
  EXPECT_EQ(numbered_parameters("select 1 -- why?\n, ? - ?"), "select 1 -- why?\n, $1 - $2");
  EXPECT_EQ(numbered_parameters(""), "");
}

TEST_F(PgConnectionTest, GivesNumbersTextsBytesAndNothingAsTheyAre) {
  sql.execute("create temp table t (a bigint, b integer, c smallint, d boolean, e text, f bytea, g jsonb)");
  const std::string bytes("\0\x01'\\\xff\0", 6), words = "名 'quoted' \\ \"x\"";
  sql.query("insert into t values (?, ?, ?, ?, ?, ?, ?)",
            {INT64_MIN, std::int64_t{-2}, std::int64_t{3}, "true", words, Blob{bytes}, R"({"b":[1,2],"a":"x y"})"});
  sql.query("insert into t values (?, ?, ?, ?, ?, ?, ?)",
            {INT64_MAX, nullptr, nullptr, nullptr, std::string(), Blob{}, nullptr});
  const auto rows = sql.query("select * from t order by a", {});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].i64(0), INT64_MIN);
  EXPECT_EQ(rows[0].i64(1), -2);
  EXPECT_EQ(rows[0].i64(2), 3);
  EXPECT_EQ(rows[0].i64(3), 1);
  EXPECT_EQ(rows[0].text(4), words);
  EXPECT_EQ(rows[0].text(5), bytes);
  EXPECT_EQ(rows[0].text(6), R"({"a": "x y", "b": [1, 2]})");
  EXPECT_EQ(rows[1].i64(0), INT64_MAX);
  EXPECT_TRUE(rows[1].null(1));
  EXPECT_TRUE(rows[1].null(3));
  EXPECT_FALSE(rows[1].null(4)) << "an empty text is not nothing";
  EXPECT_EQ(rows[1].text(4), "");
  EXPECT_FALSE(rows[1].null(5));
  EXPECT_EQ(rows[1].text(5), "");
  EXPECT_TRUE(rows[1].null(6));
  EXPECT_EQ(one("select f from t where f = ?", {Blob{bytes}}).text(0), bytes);
}

TEST_F(PgConnectionTest, GivesSumsOfNumbersAsNumbers) {
  EXPECT_EQ(one("select sum(x) from generate_series(1, 4::bigint) x").i64(0), 10);
  EXPECT_EQ(one("select count(*) from generate_series(1, 4) x").i64(0), 4);
  EXPECT_EQ(one("select 0.5::numeric").text(0), "0.5");
}

TEST_F(PgConnectionTest, CountsTheRowsThatAStatementChanged) {
  sql.execute("create temp table t (a bigint)");
  sql.query("insert into t select * from generate_series(1, 5)", {});
  EXPECT_EQ(sql.changes(), 5);
  sql.query("update t set a = 0 where a > ?", {std::int64_t{3}});
  EXPECT_EQ(sql.changes(), 2);
  sql.query("delete from t where a = ?", {std::int64_t{77}});
  EXPECT_EQ(sql.changes(), 0);
}

TEST_F(PgConnectionTest, RefusesATextWithNulInsteadOfCuttingIt) {
  const SqlError error = error_from([&] { sql.query("select ?", {std::string("a\0b", 3)}); });
  EXPECT_EQ(error.kind, Kind::kOther);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("NUL"));
  EXPECT_EQ(one("select 1").i64(0), 1);
}

TEST_F(PgConnectionTest, TellsWhatAViolationIsButNotWhatWasToBeStored) {
  sql.execute("create temp table t (a text unique, b bigint check (b > 0))");
  sql.query("insert into t values (?, 1)", {"secret@example.org"});
  const SqlError unique = error_from([&] { sql.query("insert into t values (?, 1)", {"secret@example.org"}); });
  EXPECT_EQ(unique.kind, Kind::kUnique);
  EXPECT_THAT(unique.what(), ::testing::HasSubstr("t_a_key"));
  const SqlError check = error_from([&] { sql.query("insert into t values (?, 0)", {"secret2@example.org"}); });
  EXPECT_EQ(check.kind, Kind::kOther);
  for (const SqlError& error : {unique, check})
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
}

TEST_F(PgConnectionTest, KnowsTheKindsOfErrors) {
  for (const auto& [state, kind] : {std::pair{"23505", Kind::kUnique},
                                    {"23503", Kind::kOther},
                                    {"53100", Kind::kFull},
                                    {"53300", Kind::kBusy},
                                    {"40000", Kind::kBusy},
                                    {"40001", Kind::kBusy},
                                    {"40003", Kind::kBusy},
                                    {"40P01", Kind::kBusy},
                                    {"57014", Kind::kBusy},
                                    {"55P03", Kind::kBusy},
                                    {"XX001", Kind::kCorrupt},
                                    {"42501", Kind::kOther},
                                    {"42601", Kind::kOther},
                                    {"0A000", Kind::kOther},
                                    {"22003", Kind::kOther}}) {
    const std::string raise =
        std::string("do $$ begin raise exception 'because' using errcode = '") + state + "'; end $$";
    const SqlError error = error_from([&] { sql.execute(raise); });
    EXPECT_EQ(error.kind, kind) << state;
    EXPECT_EQ(error.what(), "because (PostgreSQL " + std::string(state) + ")");
  }
  EXPECT_EQ(one("select 1").i64(0), 1);
}

TEST_F(PgConnectionTest, TellsARefusedValueFromEverythingElse) {
  auto refused = [&](const std::string& statement, const std::vector<std::string>& parameters) {
    try {
      sql.run(statement, parameters);
    } catch (const PgError& error) {
      return error.refuses_data();
    }
    ADD_FAILURE() << statement << " was accepted";
    return false;
  };
  EXPECT_TRUE(refused("select $1::smallint", {"70000"}));
  EXPECT_TRUE(refused("select $1::jsonb", {R"({"a":"\u0000"})"}));
  EXPECT_TRUE(refused("select $1::text", {std::string("a\0b", 3)}));
  EXPECT_FALSE(refused("select $1::bigint from nowhere", {"1"}));
  EXPECT_EQ(sql.run("select $1::bigint + 1", {"1"}).i64(0, 0), 2);
}

TEST_F(PgConnectionTest, CopiesInBinary) {
  sql.execute("create temp table t (a bigint, b bytea, c jsonb, d integer[])");
  const std::string bytes("\0\xff\\x", 4);
  CopyRows rows;
  for (std::int64_t i = 0; i < 20'000; ++i) {  // more than goes out at once
    rows.row(4);
    rows.i64(i);
    rows.bytes(bytes);
    i % 2 == 0 ? rows.json(R"({"text":"some words that take their room"})") : rows.null();
    rows.i32_array({1, -2});
  }
  sql.copy_in("copy t from stdin (format binary)", rows.finish());
  const PgRows found = sql.run("select count(*), sum(a), count(c), (array_agg(distinct b))[1], min(d)::text from t");
  EXPECT_EQ(found.i64(0, 0), 20'000);
  EXPECT_EQ(found.i64(0, 1), 199'990'000);
  EXPECT_EQ(found.i64(0, 2), 10'000);
  EXPECT_EQ(found.bytes(0, 3), bytes);
  EXPECT_EQ(found.text(0, 4), "{1,-2}");
}

TEST_F(PgConnectionTest, ACopyThatIsRefusedLeavesTheConnectionUsable) {
  sql.execute("create temp table t (a jsonb)");
  CopyRows rows;
  rows.row(1);
  rows.json(R"({"a":"\u0000"})");
  try {
    sql.copy_in("copy t from stdin (format binary)", rows.finish());
    ADD_FAILURE() << "it was accepted";
  } catch (const PgError& error) {
    EXPECT_TRUE(error.refuses_data()) << error.what();
  }
  error_from([&] { sql.copy_in("copy nowhere from stdin (format binary)", rows.finish()); });
  EXPECT_TRUE(sql.connected());
  EXPECT_EQ(sql.run("select count(*) from t").i64(0, 0), 0);
}

TEST_F(PgConnectionTest, SaysInOneLineWhyItCannotConnect) {
  for (const std::string& conninfo :
       {std::string("host=/nowhere"), PostgresServer::shared().conninfo("no_such_database"), std::string("a b c=")}) {
    PgConnection other(options_of(conninfo));
    const SqlError error = error_from([&] { other.query("select 1", {}); });
    EXPECT_EQ(error.kind, Kind::kBusy) << conninfo;
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    EXPECT_THAT(error.what(), ::testing::StartsWith("PostgreSQL: "));
    EXPECT_FALSE(other.connected());
  }
}

TEST_F(PgConnectionTest, EndsAStatementThatTakesTooLong) {
  PgOptions hasty = options();
  hasty.statement = 50ms;
  PgConnection other(hasty);
  const SqlError error = error_from([&] { other.query("select pg_sleep(30)", {}); });
  EXPECT_EQ(error.kind, Kind::kBusy);
  EXPECT_TRUE(other.connected());
  EXPECT_EQ(other.query("select 1", {})[0].i64(0), 1);
}

TEST_F(PgConnectionTest, KeepsWhatIsCommittedAndNothingElse) {
  sql.execute("create temp table t (a bigint)");
  sql.begin();
  sql.query("insert into t values (1)", {});
  sql.commit();
  sql.begin();
  sql.query("insert into t values (2)", {});
  sql.rollback();
  EXPECT_EQ(one("select count(*) from t").i64(0), 1);
}

TEST_F(PgConnectionTest, ACommitAfterAFailedStatementIsAFailure) {
  sql.execute("create temp table t (a bigint)");
  sql.begin();
  sql.query("insert into t values (1)", {});
  error_from([&] { sql.query("select 1 / 0", {}); });
  const SqlError error = error_from([&] { sql.commit(); });
  EXPECT_EQ(error.kind, Kind::kOther);
  sql.rollback();
  EXPECT_EQ(one("select count(*) from t").i64(0), 0);
}

TEST_F(PgConnectionTest, AReaderSeesOneSnapshotAndChangesNothing) {
  sql.execute("create table seen_by_readers (a bigint)");
  PgOptions careful = options();
  careful.read_only = true;
  PgConnection reader(careful);
  reader.begin();
  EXPECT_EQ(reader.query("select count(*) from seen_by_readers", {})[0].i64(0), 0);
  sql.query("insert into seen_by_readers values (1)", {});
  EXPECT_EQ(reader.query("select count(*) from seen_by_readers", {})[0].i64(0), 0);
  error_from([&] { reader.query("insert into seen_by_readers values (2)", {}); });
  reader.rollback();
  EXPECT_EQ(reader.query("select count(*) from seen_by_readers", {})[0].i64(0), 1);
  error_from([&] { reader.query("insert into seen_by_readers values (2)", {}); });
  sql.execute("drop table seen_by_readers");
}

TEST_F(PgConnectionTest, ComesBackAfterItsBackendWasEnded) {
  const std::int64_t backend = one("select pg_backend_pid()").i64(0);
  PgConnection other(options());
  other.query("select pg_terminate_backend(?)", {backend});
  const SqlError error = error_from([&] {
    for (int i = 0; i < 1000; ++i) sql.query("select 1", {});
  });
  EXPECT_EQ(error.kind, Kind::kBusy);
  EXPECT_FALSE(sql.connected());
  EXPECT_EQ(one("select ?::bigint", {std::int64_t{5}}).i64(0), 5) << "the statements are prepared again";
  EXPECT_NE(one("select pg_backend_pid()").i64(0), backend);
}

TEST_F(PgConnectionTest, DoesNotComeBackWhenItMustNot) {
  PgOptions once = options();
  once.reconnects = false;
  PgConnection lonely(once);
  const std::int64_t backend = lonely.query("select pg_backend_pid()", {})[0].i64(0);
  sql.query("select pg_terminate_backend(?)", {backend});
  error_from([&] {
    for (int i = 0; i < 1000; ++i) lonely.query("select 1", {});
  });
  EXPECT_EQ(error_from([&] { lonely.query("select 1", {}); }).kind, Kind::kBusy);
}

TEST_F(PgConnectionTest, ItsOwnerEndsAWait) {
  PgOptions owned = options();
  owned.watchdog = std::make_shared<PgWatchdog>();
  PgConnection other(owned);
  const std::int64_t backend = other.query("select pg_backend_pid()", {})[0].i64(0);
  auto call =
      std::async(std::launch::async, [&] { return error_from([&] { other.query("select pg_sleep(30)", {}); }); });
  ASSERT_TRUE(eventually([&] {
    return one("select count(*) from pg_stat_activity where pid = ? and query like '%pg_sleep%' and state = 'active'",
               {backend})
               .i64(0) == 1;
  }));
  const auto begin = std::chrono::steady_clock::now();
  owned.watchdog->end_by(begin);
  EXPECT_EQ(call.get().kind, Kind::kBusy);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_FALSE(other.connected());
}

TEST_F(PgConnectionTest, DoesNotGoOnBehindATransactionThatWasLost) {
  sql.execute("create table lost_one (a bigint)");
  sql.begin();
  sql.query("insert into lost_one values (1)", {});
  const std::int64_t backend = one("select pg_backend_pid()").i64(0);
  PgConnection other(options());
  other.query("select pg_terminate_backend(?)", {backend});
  error_from([&] {
    for (int i = 0; i < 1000; ++i) sql.query("select 1", {});
  });
  EXPECT_EQ(error_from([&] { sql.query("insert into lost_one values (2)", {}); }).kind, Kind::kBusy);
  EXPECT_EQ(error_from([&] { sql.commit(); }).kind, Kind::kBusy);
  sql.rollback();
  EXPECT_EQ(one("select count(*) from lost_one").i64(0), 0);
  sql.execute("drop table lost_one");
}

TEST(PgConnectionServer, ComesBackAfterTheServerDid) {
  PostgresServer server;
  PgConnection sql(options_of(server.conninfo()));
  EXPECT_EQ(sql.query("select 1", {})[0].i64(0), 1);
  server.kill_hard();
  EXPECT_EQ(error_from([&] { sql.query("select 1", {}); }).kind, Kind::kBusy);
  EXPECT_EQ(error_from([&] { sql.query("select 1", {}); }).kind, Kind::kBusy) << "still down";
  server.start();
  EXPECT_EQ(sql.query("select 1", {})[0].i64(0), 1);
  server.restart();
  error_from([&] { sql.query("select 1", {}); });
  EXPECT_EQ(sql.query("select 1", {})[0].i64(0), 1);
}

TEST(PgConnectionServer, GivesUpOnAServerThatIsStuck) {
  PostgresServer server;
  PgOptions options = options_of(server.conninfo());
  options.statement = 100ms;
  PgConnection sql(options);
  sql.query("select 1", {});
  server.pause();
  const auto begin = std::chrono::steady_clock::now();
  const SqlError error = error_from([&] { sql.query("select 1", {}); });
  server.resume();
  EXPECT_EQ(error.kind, Kind::kBusy);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_EQ(sql.query("select 1", {})[0].i64(0), 1);
}

TEST(PgConnectionServer, GivesUpACopyIntoAServerThatIsStuck) {
  PostgresServer server;
  PgOptions options = options_of(server.conninfo());
  options.statement = 2s;
  PgConnection sql(options), other(options_of(server.conninfo()));
  sql.execute(
      "create table t (a bytea); create function wait() returns trigger language plpgsql as "
      "$$ begin perform pg_sleep(60); return new; end $$; create trigger wait before insert on t for each row "
      "execute function wait()");
  CopyRows rows;
  for (int i = 0; i < 64; ++i) {  // more than the buffers of a socket hold
    rows.row(1);
    rows.bytes(std::string(1 << 20, 'x'));
  }
  auto call = std::async(std::launch::async, [&] {
    return error_from([&] { sql.copy_in("copy t from stdin (format binary)", rows.finish()); });
  });
  ASSERT_TRUE(eventually([&] {
    return other.query("select count(*) from pg_stat_activity where wait_event = 'PgSleep'", {})[0].i64(0) == 1;
  }));
  server.pause();
  const auto begin = std::chrono::steady_clock::now();
  const SqlError error = call.get();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
  server.resume();
  EXPECT_EQ(error.kind, Kind::kBusy);
  EXPECT_THAT(error.what(), ::testing::HasSubstr("no answer"));
  EXPECT_FALSE(sql.connected());
}

}  // namespace
}  // namespace parley::store::test
