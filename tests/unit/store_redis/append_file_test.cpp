#include "redis/append_file.hpp"

#include <gtest/gtest.h>

#include "redis_fixture.hpp"

namespace parley::store::redis::test {
namespace {

using Step = AppendFileGuard::Step;
const AppendFileGuard::Time kStart{};

/// What INFO persistence of Redis 7.0 says.
struct Info {
  bool enabled = true, rewriting = false, scheduled = false;
  int took = -1, rewrites = 0;
  std::string status = "ok";
  Reply reply() const {
    Reply reply;
    reply.type = Reply::Type::kString;
    reply.text = "# Persistence\r\nloading:0\r\naof_enabled:" + std::to_string(enabled) +
                 "\r\naof_rewrite_in_progress:" + std::to_string(rewriting) +
                 "\r\naof_rewrite_scheduled:" + std::to_string(scheduled) +
                 "\r\naof_last_rewrite_time_sec:" + std::to_string(took) + "\r\naof_last_bgrewrite_status:" + status +
                 "\r\naof_rewrites:" + std::to_string(rewrites) + "\r\naof_last_write_status:ok\r\n";
    return reply;
  }
};
Reply answer(Reply::Type type, std::string text) {
  Reply reply;
  reply.type = type;
  reply.text = std::move(text);
  return reply;
}
const Reply kBegun = answer(Reply::Type::kStatus, "Background append only file rewriting started");
const Info kFresh, kRunning{.rewriting = true, .rewrites = 1}, kWell{.took = 0, .rewrites = 1},
    kFailed{.took = 0, .rewrites = 1, .status = "err"};

TEST(AppendFileGuard, AsksAServerThatWasJustStartedToRewriteAndWaitsForTheEnd) {
  AppendFileGuard guard(kStart);
  EXPECT_EQ(guard.command(), (Command{"INFO", "persistence"}));
  ASSERT_EQ(guard.take(kFresh.reply(), kStart), Step::kSend) << "\"ok\" is said before the first one, too";
  EXPECT_EQ(guard.command(), Command{"BGREWRITEAOF"});
  ASSERT_EQ(guard.take(kBegun, kStart), Step::kSend);
  EXPECT_EQ(guard.command(), (Command{"INFO", "persistence"}));
  EXPECT_EQ(guard.take(kRunning.reply(), kStart + 1s), Step::kPause);
  EXPECT_EQ(guard.reason(), "it was started anew and rewrites its append-only file first");
  EXPECT_FALSE(guard.sound());
  EXPECT_EQ(guard.take(kWell.reply(), kStart + 2s), Step::kDone);
  EXPECT_TRUE(guard.sound());
}

TEST(AppendFileGuard, LetsThroughAtOnceWhereAllIsWellOrThereIsNoFile) {
  for (const Info& info : {kWell, Info{.enabled = false}, Info{.rewriting = true, .took = 3, .rewrites = 2}}) {
    AppendFileGuard guard(kStart);
    EXPECT_EQ(guard.take(info.reply(), kStart), Step::kDone);
    EXPECT_TRUE(guard.sound());
  }
}

TEST(AppendFileGuard, WaitsForARewriteThatSomebodyElseBegan) {
  AppendFileGuard found(kStart);
  EXPECT_EQ(found.take(kRunning.reply(), kStart), Step::kPause) << "it asks for no second one";
  AppendFileGuard raced(kStart);
  ASSERT_EQ(raced.take(kFresh.reply(), kStart), Step::kSend);
  const Reply refusal = answer(Reply::Type::kError, "ERR Background append only file rewriting already in progress");
  EXPECT_EQ(raced.take(refusal, kStart), Step::kSend);
  EXPECT_EQ(raced.take(kRunning.reply(), kStart), Step::kPause);
}

TEST(AppendFileGuard, DoesNotTakeAScheduledRewriteForOneThatBegan) {
  const Info scheduled{.scheduled = true};
  AppendFileGuard guard(kStart);
  EXPECT_EQ(guard.take(scheduled.reply(), kStart), Step::kPause);
  EXPECT_NE(guard.reason().find("snapshot"), std::string::npos) << guard.reason();
  EXPECT_EQ(guard.take(scheduled.reply(), kStart + 10min), Step::kPause) << "however long it takes";
}

TEST(AppendFileGuard, GoesOnWhenTheRewriteFailedOrTakesLongSinceWhatComesNextHasAFileOfItsOwn) {
  AppendFileGuard failed(kStart);
  EXPECT_EQ(failed.take(kFailed.reply(), kStart), Step::kDone);
  EXPECT_FALSE(failed.sound());
  AppendFileGuard unforked(kStart);
  EXPECT_EQ(unforked.take(Info{.rewrites = 1, .status = "err"}.reply(), kStart), Step::kDone) << "no child was made";
  EXPECT_FALSE(unforked.sound());
  AppendFileGuard slow(kStart);
  EXPECT_EQ(slow.take(kRunning.reply(), kStart + AppendFileGuard::kPatience - 1ms), Step::kPause);
  EXPECT_EQ(slow.take(kRunning.reply(), kStart + AppendFileGuard::kPatience), Step::kDone);
  EXPECT_FALSE(slow.sound());
}

TEST(AppendFileGuard, FailsWithTheRemedyWhereNoRewriteBegins) {
  AppendFileGuard forbidden(kStart);
  ASSERT_EQ(forbidden.take(kFresh.reply(), kStart), Step::kSend);
  EXPECT_EQ(forbidden.take(answer(Reply::Type::kError, "NOPERM this user has no permissions"), kStart), Step::kFailed);
  EXPECT_NE(forbidden.reason().find("NOPERM"), std::string::npos);
  EXPECT_NE(forbidden.reason().find("redis-cli bgrewriteaof"), std::string::npos) << forbidden.reason();

  AppendFileGuard silent(kStart);
  ASSERT_EQ(silent.take(kFresh.reply(), kStart), Step::kSend);
  ASSERT_EQ(silent.take(kBegun, kStart), Step::kSend);
  EXPECT_EQ(silent.take(kFresh.reply(), kStart + 1s), Step::kPause);
  EXPECT_EQ(silent.take(kFresh.reply(), kStart + AppendFileGuard::kStarts), Step::kFailed);

  for (const Reply& info :
       {answer(Reply::Type::kError, "NOPERM no INFO"), answer(Reply::Type::kString, "?"), Reply()}) {
    AppendFileGuard blind(kStart);
    EXPECT_EQ(blind.take(info, kStart), Step::kFailed);
    EXPECT_NE(blind.reason().find("does not answer INFO"), std::string::npos);
  }
}

class AppendFileTest : public ::testing::Test {
 protected:
  AppendFileTest() : client(tcp(server), 1s, 1s) {}
  AppendFile file() { return *append_file_of(client.call(append_file_query())); }
  static Client::Options guarded(const Endpoint& endpoint) {
    Client::Options options;
    options.endpoint = endpoint;
    options.guard_file = true;
    return options;
  }

  RedisServer server;
  BlockingClient client;
};

TEST_F(AppendFileTest, ARealServerRewritesOncePerStart) {
  EXPECT_FALSE(file().sound());
  EXPECT_TRUE(guard_append_file(client));
  EXPECT_TRUE(file().sound());
  EXPECT_TRUE(guard_append_file(client));
  const std::string info = client.call(append_file_query()).text;
  EXPECT_NE(info.find("aof_rewrites:1\r"), std::string::npos) << info;
  server.kill_hard();
  server.start();
  client.disconnect();
  EXPECT_FALSE(file().sound());
  client.call({"CONFIG", "SET", "appendonly", "no"});
  EXPECT_TRUE(guard_append_file(client)) << "no file, no rewrite";
}

TEST_F(AppendFileTest, AServerThatMayNotBeAskedIsRefused) {
  client.call({"ACL", "SETUSER", "parley", "on", ">pw", "~*", "+@all", "-bgrewriteaof"});
  Endpoint endpoint = tcp(server);
  endpoint.user = "parley";
  endpoint.password = "pw";
  BlockingClient limited(endpoint, 1s, 1s);
  EXPECT_THROW(guard_append_file(limited), std::runtime_error);
  ClientOnReactor home(guarded(endpoint));
  ASSERT_TRUE(parley::test::eventually([&] { return home.down_reason().find("NOPERM") != std::string::npos; }));
  EXPECT_FALSE(home.connected());
  client.call({"BGREWRITEAOF"});  // as the remedy says
  EXPECT_TRUE(parley::test::eventually([&] { return home.connected(); }));
}

TEST_F(AppendFileTest, NothingIsReplayedBeforeTheRewriteHasEnded) {
  ClientOnReactor home(guarded(tcp(server)));
  ASSERT_TRUE(parley::test::eventually([&] { return home.connected(); }));
  for (int i = 0; i < 10; ++i) client.call({"SET", "k" + std::to_string(i), "v"});
  server.pause();
  std::promise<Result<Reply>> answered;
  home.run([&] {
    home.client().send({"RPUSH", "l", "x"}, OnLoss::kReplay,
                       [&](Result<Reply> reply) { answered.set_value(std::move(reply)); });
  });
  server.kill_hard();
  server.add_arguments({"--rdb-key-save-delay", "300000"});  // µs for each key: three seconds
  server.start();
  client.disconnect();
  ASSERT_TRUE(parley::test::eventually([&] { return file().rewriting; })) << "it was asked to";
  ASSERT_TRUE(parley::test::eventually(
      [&] { return home.down_reason() == "it was started anew and rewrites its append-only file first"; }));
  EXPECT_FALSE(home.connected());
  const auto since = home.run([&] { return home.client().down_since(); });
  EXPECT_EQ(client.call({"EXISTS", "l"}).integer, 0);
  auto future = answered.get_future();
  EXPECT_EQ(future.wait_for(1s), std::future_status::timeout);
  EXPECT_EQ(home.run([&] { return home.client().down_since(); }), since);
  EXPECT_TRUE(file().rewriting);

  ASSERT_EQ(future.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(future.get()->integer, 1);
  EXPECT_TRUE(file().sound());
}

TEST_F(AppendFileTest, LeavesAServerThatDiesOrGoesDeafWhileItRewrites) {
  std::atomic<int> asked{0};
  FakeServer fake([&](int fd, int nth) {
    FakeServer::sign_in(fd);
    FakeServer::read_until(fd, "persistence\r\n");
    const std::string info = kRunning.reply().text;
    FakeServer::say(fd, "$" + std::to_string(info.size()) + "\r\n" + info + "\r\n");
    FakeServer::read_until(fd, "persistence\r\n");
    ++asked;
    if (nth == 0) return;                 // dies
    FakeServer::read_until(fd, "never");  // deaf
  });
  Client::Options options = guarded(fake.endpoint());
  options.deaf = 300ms;
  ClientOnReactor home(options);
  ASSERT_TRUE(parley::test::eventually([&] { return asked >= 3; }));
  EXPECT_FALSE(home.connected());
  const std::vector<std::string> changes = home.changes();
  EXPECT_NE(std::find(changes.begin(), changes.end(), "the server closed the connection"), changes.end());
  EXPECT_NE(std::find(changes.begin(), changes.end(), "no answer for 300 ms"), changes.end());
}

}  // namespace
}  // namespace parley::store::redis::test
