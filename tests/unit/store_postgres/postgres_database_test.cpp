#include "postgres/postgres_database.hpp"

#include <gmock/gmock.h>

#include <future>
#include <latch>

#include "postgres_fixture.hpp"
#include "unit/store/store_fixture.hpp"

namespace parley::store::test {
namespace {

using namespace std::chrono_literals;
using Number = Result<std::int64_t>;

class PostgresDatabaseTest : public ::testing::Test {
 protected:
  PostgresDatabaseTest() { options.probe = 50ms; }

  void open(PostgresServer& server) {
    options.conninfo = server.create_database();
    PgConnection(options_of(options.conninfo)).execute("create table t (a bigint unique)");
    database = make_postgres_database(options);
  }
  template <class F>
  Number read(F work) {
    return home.run<Number>([this, work]() { return database->read(work); });
  }
  template <class F>
  Number write(F work) {
    return home.run<Number>([this, work]() { return database->write(work); });
  }
  Number count() {
    return read([](Sql& sql) -> Number { return sql.query("select count(*) from t", {})[0].i64(0); });
  }
  Number add(std::int64_t value) {
    return write([value](Sql& sql) -> Number {
      sql.query("insert into t values (?)", {value});
      return sql.changes();
    });
  }
  /// Starts work without waiting for it.
  template <class F>
  std::future<Number> start(bool writes, F work) {
    auto promise = std::make_shared<std::promise<Number>>();
    home.reactor().post(
        [this, promise, writes, work] { home.reactor().spawn("test", run(*database, promise, writes, work)); });
    return promise->get_future();
  }
  template <class F>
  static asio::awaitable<void> run(PostgresDatabase& on, std::shared_ptr<std::promise<Number>> promise, bool writes,
                                   F work) {
    if (writes) {
      Number done = co_await on.write(work);
      promise->set_value(std::move(done));
    } else {
      Number done = co_await on.read(work);
      promise->set_value(std::move(done));
    }
  }

  PostgresDatabaseOptions options;
  Home home;
  std::unique_ptr<PostgresDatabase> database;
};

TEST_F(PostgresDatabaseTest, WritesAndReads) {
  open(PostgresServer::shared());
  EXPECT_EQ(*add(1), 1);
  EXPECT_EQ(*add(2), 1);
  EXPECT_EQ(*count(), 2);
  EXPECT_TRUE(eventually([&] { return database->health().ok; }));
}

TEST_F(PostgresDatabaseTest, RollsBackWhatFails) {
  open(PostgresServer::shared());
  const Number refused = write([](Sql& sql) -> Number {
    sql.query("insert into t values (1)", {});
    return Error(Errc::kForbidden, "no");
  });
  EXPECT_EQ(refused.error().code, Errc::kForbidden);
  const Number thrown = write([](Sql& sql) -> Number {
    sql.query("insert into t values (1)", {});
    throw std::runtime_error("a bug");
  });
  EXPECT_EQ(thrown.error().code, Errc::kInternal);
  EXPECT_EQ(*count(), 0);
}

TEST_F(PostgresDatabaseTest, TellsAConflictFromOtherFailures) {
  open(PostgresServer::shared());
  EXPECT_TRUE(add(1));
  EXPECT_EQ(add(1).error().code, Errc::kConflict);
  const Number full = write([](Sql& sql) -> Number {
    sql.query("do $$ begin raise exception 'no space' using errcode = '53100'; end $$", {});
    return 0;
  });
  EXPECT_EQ(full.error().code, Errc::kStorageFull);
  const Number wrong = read([](Sql& sql) -> Number { return sql.query("selec", {})[0].i64(0); });
  EXPECT_EQ(wrong.error().code, Errc::kUnavailable);
  EXPECT_EQ(*count(), 1);
}

TEST_F(PostgresDatabaseTest, DoesNotCallAWriteDoneThatSwallowedAFailure) {
  open(PostgresServer::shared());
  EXPECT_TRUE(add(1));
  const Number swallowed = write([](Sql& sql) -> Number {
    sql.query("insert into t values (2)", {});
    try {
      sql.query("insert into t values (1)", {});
    } catch (const SqlError&) {
    }
    return 1;
  });
  EXPECT_FALSE(swallowed);
  EXPECT_EQ(*count(), 1);
}

TEST_F(PostgresDatabaseTest, ReadersCannotWrite) {
  open(PostgresServer::shared());
  const Number refused = read([](Sql& sql) -> Number {
    sql.query("insert into t values (1)", {});
    return 0;
  });
  EXPECT_FALSE(refused);
  EXPECT_EQ(*count(), 0);
}

TEST_F(PostgresDatabaseTest, RefusesWhatItsQueueCannotHold) {
  options.queue_max = 2;
  open(PostgresServer::shared());
  std::promise<void> go;
  std::shared_future<void> gate = go.get_future().share();
  std::latch running(1);
  auto blocker = start(true, [gate, &running](Sql&) -> Number {
    running.count_down();
    gate.wait();
    return 0;
  });
  running.wait();
  std::vector<std::future<Number>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(start(true, [](Sql&) -> Number { return 1; }));
  EXPECT_EQ(waiting[2].get().error().code, Errc::kOverloaded) << "while the others still wait";
  go.set_value();
  EXPECT_TRUE(blocker.get());
  EXPECT_EQ(*waiting[0].get(), 1);
  EXPECT_EQ(*waiting[1].get(), 1);
}

TEST_F(PostgresDatabaseTest, FailsWhatWaitedTooLong) {
  options.patience = 50ms;
  open(PostgresServer::shared());
  ASSERT_TRUE(add(1)) << "connected";
  auto slow = start(true, [](Sql& sql) -> Number {
    sql.query("select pg_sleep(0.3)", {});
    return 0;
  });
  auto late = start(true, [](Sql&) -> Number { return 1; });
  EXPECT_TRUE(slow.get());
  EXPECT_EQ(late.get().error().code, Errc::kUnavailable);
  EXPECT_TRUE(add(2));
}

TEST_F(PostgresDatabaseTest, FailsWhileTheServerIsDownAndComesBackByItself) {
  PostgresServer server;
  options.retry_max = 200ms;
  open(server);
  ASSERT_TRUE(add(1));
  ASSERT_TRUE(count());
  server.kill_hard();
  EXPECT_EQ(add(2).error().code, Errc::kUnavailable);
  EXPECT_EQ(count().error().code, Errc::kUnavailable);
  EXPECT_FALSE(database->health().ok);
  EXPECT_THAT(database->health().reason, ::testing::StartsWith("PostgreSQL: "));
  server.start();
  EXPECT_TRUE(eventually([&] { return database->health().ok; })) << "without anybody asking for anything";
  EXPECT_TRUE(add(2));
  EXPECT_EQ(*count(), 2);
}

TEST_F(PostgresDatabaseTest, NoticesAServerThatEndsWhileNothingIsAsked) {
  PostgresServer server;
  open(server);
  ASSERT_TRUE(add(1));
  server.stop();
  EXPECT_TRUE(eventually([&] { return !database->health().ok; }));
}

TEST_F(PostgresDatabaseTest, ARestartBetweenTwoJobsCostsNothing) {
  PostgresServer server;
  options.probe = 1h;
  open(server);
  ASSERT_TRUE(add(1));
  ASSERT_TRUE(count());
  server.restart();
  EXPECT_TRUE(add(2));
  EXPECT_EQ(*count(), 2);
}

TEST_F(PostgresDatabaseTest, AConnectionLostInTheMiddleFailsThatJobOnly) {
  open(PostgresServer::shared());
  const Number lost = write([](Sql& sql) -> Number {
    sql.query("insert into t values (1)", {});
    sql.query("select pg_terminate_backend(pg_backend_pid())", {});
    return 0;
  });
  EXPECT_EQ(lost.error().code, Errc::kUnavailable);
  EXPECT_EQ(*count(), 0);
  EXPECT_TRUE(add(1));
}

TEST_F(PostgresDatabaseTest, StartsWithoutAServer) {
  options.conninfo = "host=/nowhere";
  database = make_postgres_database(options);
  EXPECT_EQ(count().error().code, Errc::kUnavailable);
  EXPECT_TRUE(eventually([&] { return !database->health().ok; }));
}

TEST_F(PostgresDatabaseTest, FinishesWhatItAcceptedThenRefuses) {
  open(PostgresServer::shared());
  ASSERT_TRUE(add(0));
  std::vector<std::future<Number>> accepted;
  for (std::int64_t i = 1; i <= 20; ++i) {
    accepted.push_back(start(true, [i](Sql& sql) -> Number {
      sql.query("insert into t values (?)", {i});
      return i;
    }));
  }
  // Behind them on the same reactor, so they are in the queue.
  ASSERT_TRUE(home.run<Number>([]() -> asio::awaitable<Number> { co_return 0; }));
  database->stop();
  for (auto& job : accepted) EXPECT_TRUE(job.get());
  EXPECT_EQ(add(99).error().code, Errc::kOverloaded);
  EXPECT_EQ(count().error().code, Errc::kOverloaded);
  PgConnection sql(options_of(options.conninfo));
  EXPECT_EQ(sql.query("select count(*) from t", {})[0].i64(0), 21);
}

}  // namespace
}  // namespace parley::store::test
