#include "redis/client.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "redis_fixture.hpp"

namespace parley::store::redis::test {
namespace {

Client::Options options_for(Endpoint endpoint) {
  Client::Options options;
  options.endpoint = std::move(endpoint);
  return options;
}

std::string as_text(const Result<Reply>& result) {
  if (!result) return std::string(to_string(result.error().code)) + ": " + result.error().detail;
  if (result->type == Reply::Type::kInteger) return std::to_string(result->integer);
  return result->text;
}

/// Collects outcomes in the order in which they come.
struct Outcomes {
  std::mutex mutex;
  std::vector<std::string> texts;
  Client::Done done(std::string prefix = {}) {
    return [this, prefix](Result<Reply> reply) {
      std::lock_guard lock(mutex);
      texts.push_back(prefix + as_text(reply));
    };
  }
  std::size_t count() {
    std::lock_guard lock(mutex);
    return texts.size();
  }
};

Command xadd(int n) { return Command{"XADD", "log", std::to_string(n) + "-1", "n", std::to_string(n)}; }

/// What an append that may run twice may be answered: its id, or that it (or a later one) is there already.
bool appended(const std::string& text, int n) {
  return text == std::to_string(n) + "-1" || text.find("equal or smaller") != std::string::npos;
}

TEST(RedisClient, AnswersInTheOrderOfTheCommandsOverTcpAndUnixSocketAndByHostName) {
  RedisServer server;
  Endpoint by_name = tcp(server);
  by_name.host = "localhost";
  for (const Endpoint& endpoint : {tcp(server), unix_socket(server), by_name}) {
    ClientOnReactor home(options_for(endpoint));
    Outcomes outcomes;
    home.run([&] {
      for (int i = 0; i < 20000; ++i)
        EXPECT_TRUE(home.client().send({"ECHO", std::to_string(i)}, OnLoss::kFail, outcomes.done()));
    });
    ASSERT_TRUE(eventually([&] { return outcomes.count() == 20000; }));
    for (int i = 0; i < 20000; ++i) ASSERT_EQ(outcomes.texts[static_cast<std::size_t>(i)], std::to_string(i));
    EXPECT_EQ(home.client().stats().unanswered, 0u);
    EXPECT_EQ(home.client().stats().waiting_bytes, 0u);
    EXPECT_EQ(home.client().stats().commands, 20000u);
  }
}

TEST(RedisClient, NeverAnswersInsideSend) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  const bool inside = home.run([&] {
    bool answered = false;
    home.client().send({"PING"}, OnLoss::kFail, [&](Result<Reply>) { answered = true; });
    const bool early = answered;
    home.client().close();  // ends it while `answered` lives
    EXPECT_TRUE(answered);
    return early;
  });
  EXPECT_FALSE(inside);
}

TEST(RedisClient, WritesTheCommandsOfATurnAtOnce) {
  std::atomic<std::size_t> first_read{0};
  FakeServer server([&](int fd, int) {
    FakeServer::sign_in(fd);
    std::vector<char> buffer(1 << 20);
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got > 0) first_read = static_cast<std::size_t>(got);
    FakeServer::read_until(fd, "never");
  });
  ClientOnReactor home(options_for(server.endpoint()));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  home.run([&] {
    for (int i = 0; i < 100; ++i) home.client().send({"SET", "k", "12345678"}, OnLoss::kFail, nullptr);
  });
  const std::size_t one = std::string("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8\r\n12345678\r\n").size();
  ASSERT_TRUE(eventually([&] { return first_read > 0; }));
  EXPECT_EQ(first_read, 100 * one);
}

TEST(RedisClient, HandsErrorsOfTheServerOnAsValues) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  const auto set = home.ask({"SET", "k", "v"});
  ASSERT_TRUE(set);
  EXPECT_EQ(set->type, Reply::Type::kStatus);
  const auto wrong = home.ask({"LPUSH", "k", "v"});
  ASSERT_TRUE(wrong);
  EXPECT_TRUE(wrong->is_error());
  EXPECT_EQ(wrong->error_word(), "WRONGTYPE");
  const auto nil = home.ask({"GET", "missing"});
  ASSERT_TRUE(nil);
  EXPECT_EQ(nil->type, Reply::Type::kNil);
  const auto nested = home.ask({"EVAL", "return {1, {'a', {false, 'b'}}, redis.error_reply('E x'), {}}", "0"});
  ASSERT_TRUE(nested);
  ASSERT_EQ(nested->items.size(), 4u);
  EXPECT_EQ(nested->items[0].integer, 1);
  EXPECT_EQ(nested->items[1].items[1].items[0].type, Reply::Type::kNil);
  EXPECT_EQ(nested->items[1].items[1].items[1].text, "b");
  EXPECT_EQ(nested->items[2].error_word(), "E");
  EXPECT_EQ(nested->items[3].type, Reply::Type::kArray);
}

TEST(RedisClient, CarriesLargeBinaryValuesAmongSmallOnes) {
  RedisServer::Options small_disk;
  small_disk.appendonly = false;
  RedisServer server(small_disk);
  Client::Options options = options_for(tcp(server));
  options.queue_bytes_max = 256u << 20;
  options.endpoint.database = 3;
  ClientOnReactor home(options);
  const auto value = [](int i) {
    std::string text(i % 3 == 0 ? (2u << 20) + 7 : 300, static_cast<char>(i));
    for (std::size_t at = 0; at < text.size(); at += 101) text[at] = static_cast<char>(at);
    return text;
  };
  Outcomes sets, gets;
  home.run([&] {
    for (int i = 0; i < 60; ++i)
      home.client().send({"SET", "k" + std::to_string(i), value(i)}, OnLoss::kReplay, sets.done());
    for (int i = 0; i < 60; ++i) home.client().send({"GET", "k" + std::to_string(i)}, OnLoss::kReplay, gets.done());
  });
  ASSERT_TRUE(eventually([&] { return gets.count() == 60; }));
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(gets.texts[static_cast<std::size_t>(i)] == value(i)) << i;
  ClientOnReactor other(options_for(tcp(server)));
  EXPECT_EQ(as_text(other.ask({"DBSIZE"})), "0") << "database 3 was selected, not 0";
}

TEST(RedisClient, SendsWhatIsWrittenOutAlreadyInItsPlaceAmongOtherCommands) {
  RedisServer::Options small_disk;
  small_disk.appendonly = false;
  RedisServer server(small_disk);
  ClientOnReactor home(options_for(tcp(server)));
  const std::string large(100'000, 'x');
  Outcomes outcomes;
  home.run([&] {
    WireCommand small, pieces;
    small.pieces = {"*2\r\n$4\r\nECHO\r\n$3\r\none\r\n"};
    pieces.pieces = {"*2\r\n$4\r\nECHO\r\n$100000\r\n", large, "\r\n"};
    home.client().send({"ECHO", "zero"}, OnLoss::kReplay, outcomes.done());
    home.client().send(std::move(small), OnLoss::kReplay, outcomes.done());
    home.client().send(std::move(pieces), OnLoss::kReplay, outcomes.done());
    home.client().send({"ECHO", "three"}, OnLoss::kReplay, outcomes.done());
  });
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 4; }));
  EXPECT_EQ(outcomes.texts, (std::vector<std::string>{"zero", "one", large, "three"}));
  EXPECT_EQ(home.client().stats().waiting_bytes, 0u);
}

TEST(RedisClient, AnswersACoroutine) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  std::promise<std::string> text;
  home.reactor().post([&] {
    home.reactor().spawn("test", [](Client& client, std::promise<std::string>& out) -> asio::awaitable<void> {
      Command command;
      command.push_back("ECHO");
      command.push_back("hello");
      Result<Reply> reply = co_await client.call(std::move(command), 1s);
      out.set_value(as_text(reply));
    }(home.client(), text));
  });
  EXPECT_EQ(text.get_future().get(), "hello");
}

TEST(RedisClient, WaitsForAServerThatIsNotYetThereAndThenSendsWhatWaits) {
  RedisServer::Options later;
  later.start = false;
  RedisServer server(later);
  ClientOnReactor home(options_for(unix_socket(server)));
  Outcomes outcomes;
  home.run([&] {
    for (int i = 1; i <= 10; ++i)
      home.client().send({"RPUSH", "l", std::to_string(i)}, i % 2 ? OnLoss::kFail : OnLoss::kReplay, outcomes.done());
  });
  ASSERT_TRUE(eventually([&] { return !home.changes().empty(); }));
  EXPECT_NE(home.changes()[0].find("No such file"), std::string::npos) << home.changes()[0];
  EXPECT_FALSE(home.connected());
  server.start();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 10; }));
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(outcomes.texts[static_cast<std::size_t>(i - 1)], std::to_string(i));
  EXPECT_EQ(home.changes(), (std::vector<std::string>{home.changes()[0], "connected"}))
      << "the same reason is told once, however many attempts failed";
  EXPECT_EQ(home.client().stats().reconnects, 0u) << "the first connection is no reconnection";
}

TEST(RedisClient, SendsAgainInTheOldOrderWhatACrashLeftUnanswered) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_EQ(as_text(home.ask(xadd(1))), "1-1");
  server.pause();
  Outcomes outcomes;
  home.run([&] {
    for (int i = 2; i <= 1000; ++i) home.client().send(xadd(i), OnLoss::kReplay, outcomes.done());
  });
  ASSERT_TRUE(eventually([&] { return home.client().stats().unanswered == 999; }));
  server.kill_hard();
  ASSERT_TRUE(eventually([&] { return !home.connected(); }));
  home.run([&] {
    for (int i = 1001; i <= 1100; ++i) home.client().send(xadd(i), OnLoss::kReplay, outcomes.done());
  });
  EXPECT_EQ(outcomes.count(), 0u);
  server.restart();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 1099; }));
  for (int i = 2; i <= 1100; ++i)
    ASSERT_EQ(outcomes.texts[static_cast<std::size_t>(i - 2)], std::to_string(i) + "-1") << "each once, in order";
  EXPECT_EQ(as_text(home.ask({"XLEN", "log"})), "1100");
  EXPECT_EQ(home.client().stats().reconnects, 1u);
}

TEST(RedisClient, LosesNothingAndKeepsTheOrderWhenTheServerCrashesAgainAndAgainUnderLoad) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  Outcomes outcomes;
  int sent = 0;
  for (int round = 0; round < 5; ++round) {
    const std::size_t before = outcomes.count();
    home.run([&] {
      for (int i = 0; i < 3000; ++i) home.client().send(xadd(++sent), OnLoss::kReplay, outcomes.done());
    });
    ASSERT_TRUE(eventually([&] { return outcomes.count() > before + 100; }));
    server.kill_hard();  // in the middle of the pipeline, or soon after
    server.restart();
  }
  ASSERT_TRUE(eventually([&] { return outcomes.count() == static_cast<std::size_t>(sent); }));
  for (int i = 1; i <= sent; ++i) {
    const std::string& text = outcomes.texts[static_cast<std::size_t>(i - 1)];
    ASSERT_TRUE(appended(text, i)) << i << ": " << text;
  }
  EXPECT_EQ(as_text(home.ask({"XLEN", "log"})), std::to_string(sent)) << "an id out of order would be missing";
}

TEST(RedisClient, GoesOnBehindAConnectionThatWasCutInTheMiddleOfThePipeline) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  Outcomes outcomes;
  home.run([&] {
    for (int i = 1; i <= 500; ++i) home.client().send(xadd(i), OnLoss::kReplay, outcomes.done());
    home.client().send({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"}, OnLoss::kFail, outcomes.done("killed "));
    home.client().send({"INCR", "once"}, OnLoss::kFail, outcomes.done("once "));
    for (int i = 501; i <= 1000; ++i) home.client().send(xadd(i), OnLoss::kReplay, outcomes.done());
  });
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 1002; }));
  EXPECT_EQ(outcomes.texts[500], "killed 1");
  EXPECT_NE(outcomes.texts[501].find("unavailable"), std::string::npos) << outcomes.texts[501];
  for (int i = 501; i <= 1000; ++i)
    ASSERT_EQ(outcomes.texts[static_cast<std::size_t>(i + 1)], std::to_string(i) + "-1");
  EXPECT_EQ(as_text(home.ask({"GET", "once"})), "") << "what followed the kill was never run";
}

TEST(RedisClient, EndsWithUnavailableWhatMayNotRunTwice) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  server.pause();
  Outcomes outcomes;
  home.run([&] {
    home.client().send({"INCR", "n"}, OnLoss::kFail, outcomes.done("first "));
    home.client().send({"SET", "k", "v"}, OnLoss::kReplay, outcomes.done("replayed "));
    home.client().send({"INCR", "n"}, OnLoss::kFail, outcomes.done("second "));
  });
  ASSERT_TRUE(eventually([&] { return home.client().stats().unanswered == 3; }));
  server.kill_hard();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 2; }));
  EXPECT_TRUE(outcomes.texts[0].starts_with("first unavailable")) << outcomes.texts[0];
  EXPECT_TRUE(outcomes.texts[1].starts_with("second unavailable")) << outcomes.texts[1];
  server.restart();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 3; }));
  EXPECT_EQ(outcomes.texts[2], "replayed OK");
  EXPECT_EQ(as_text(home.ask({"GET", "n"})), "");
}

TEST(RedisClient, EndsWithTimeoutAtTheDeadlineAndThrowsTheLateAnswerAway) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  server.pause();
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(as_text(home.ask({"ECHO", "late"}, OnLoss::kFail, 100ms)).substr(0, 7), "timeout");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  Outcomes outcomes;
  home.run([&] { home.client().send({"ECHO", "next"}, OnLoss::kReplay, outcomes.done()); });
  server.resume();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 1; }));
  EXPECT_EQ(outcomes.texts[0], "next");
}

TEST(RedisClient, HoldsToDeadlinesWithoutAConnectionAndNeverSendsWhatIsOver) {
  RedisServer::Options later;
  later.start = false;
  RedisServer server(later);
  ClientOnReactor home(options_for(unix_socket(server)));
  EXPECT_EQ(as_text(home.ask({"INCR", "n"}, OnLoss::kFail, 50ms)).substr(0, 7), "timeout");
  EXPECT_EQ(home.client().stats().waiting_bytes, 0u);
  server.start();
  EXPECT_EQ(as_text(home.ask({"GET", "n"})), "");
}

TEST(RedisClient, LeavesAServerThatHasGoneDeafAndComesBackToIt) {
  RedisServer server;
  Client::Options options = options_for(tcp(server));
  options.deaf = 300ms;
  options.probe = 200ms;
  options.connect = 300ms;
  ClientOnReactor home(options);
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  server.pause();
  Outcomes outcomes;
  home.run([&] { home.client().send({"RPUSH", "l", "x"}, OnLoss::kReplay, outcomes.done()); });
  ASSERT_TRUE(eventually([&] { return !home.connected(); }));
  EXPECT_EQ(home.changes().at(1), "no answer for 300 ms");
  // The kernel accepts for the stopped process, but nobody signs us in.
  ASSERT_TRUE(eventually([&] { return home.down_reason() == "no connection within 300 ms"; }));
  EXPECT_EQ(outcomes.count(), 0u);
  server.resume();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 1; }));
  EXPECT_TRUE(home.connected());
}

TEST(RedisClient, NoticesADeafServerEvenWhenNothingIsAwaited) {
  RedisServer server;
  Client::Options options = options_for(unix_socket(server));
  options.deaf = 300ms;
  options.probe = 100ms;
  ClientOnReactor home(options);
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  server.pause();
  ASSERT_TRUE(eventually([&] { return !home.connected(); }));
  server.resume();
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  const auto stats = home.client().stats();
  EXPECT_EQ(stats.commands, 0u) << "probes are nobody's commands";
}

TEST(RedisClient, KeepsAConnectionOnWhichALargeValueGoesOutSlowly) {
  // Nothing is answered for longer than `deaf`, but bytes are taken all the time. What the kernel holds between the two
  // sides (some MiB) must be read in less than `deaf`.
  constexpr std::size_t kBytes = 40u << 20;
  std::atomic<bool> all{false};
  FakeServer server([&](int fd, int) {
    FakeServer::sign_in(fd);
    std::vector<char> buffer(256 << 10);
    std::size_t total = 0;
    while (total < kBytes) {
      const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) return;
      total += static_cast<std::size_t>(got);
      std::this_thread::sleep_for(10ms);
    }
    all = true;
    FakeServer::say(fd, "+OK\r\n");
    FakeServer::read_until(fd, "never");
  });
  Client::Options options = options_for(server.endpoint());
  options.deaf = 800ms;
  ClientOnReactor home(options);
  EXPECT_EQ(as_text(home.ask({"SET", "k", std::string(kBytes, 'x')})), "OK");
  EXPECT_TRUE(all);
  EXPECT_EQ(server.connections(), 1);
}

TEST(RedisClient, RefusesCommandsBeyondTheBoundOfTheQueueAndTakesThemAgainLater) {
  RedisServer server;
  Client::Options options = options_for(tcp(server));
  options.queue_bytes_max = 10000;
  ClientOnReactor home(options);
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  server.pause();
  Outcomes outcomes;
  const int taken = home.run([&] {
    int count = 0;
    while (home.client().send({"ECHO", std::string(900, 'x')}, OnLoss::kReplay, outcomes.done())) ++count;
    return count;
  });
  EXPECT_EQ(taken, 10) << "10,000 bytes hold ten commands of 900 and some bytes";
  EXPECT_LE(home.client().stats().waiting_bytes, 10000u);
  std::promise<Errc> refused;
  home.reactor().post([&] {
    home.reactor().spawn("test", [](Client& client, std::promise<Errc>& out) -> asio::awaitable<void> {
      Command command(2, std::string(900, 'x'));
      Result<Reply> reply = co_await client.call(std::move(command), 1s);
      out.set_value(reply ? Errc::kInternal : reply.error().code);
    }(home.client(), refused));
  });
  EXPECT_EQ(refused.get_future().get(), Errc::kOverloaded);
  server.resume();
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 10; }));
  EXPECT_EQ(as_text(home.ask({"ECHO", "again"})), "again");
}

TEST(RedisClient, SaysThatThePasswordIsWrongOrMissing) {
  RedisServer::Options options;
  options.arguments = {"--requirepass", "secret"};
  RedisServer server(options);
  Endpoint endpoint = tcp(server);
  {
    ClientOnReactor home(options_for(endpoint));
    ASSERT_TRUE(eventually([&] { return !home.changes().empty(); }));
    EXPECT_NE(home.changes()[0].find("a password is needed"), std::string::npos) << home.changes()[0];
  }
  endpoint.password = "wrong";
  {
    ClientOnReactor home(options_for(endpoint));
    ASSERT_TRUE(eventually([&] { return !home.changes().empty(); }));
    EXPECT_NE(home.changes()[0].find("wrong user or password"), std::string::npos) << home.changes()[0];
    EXPECT_FALSE(home.connected());
  }
  endpoint.password = "secret";
  ClientOnReactor home(options_for(endpoint));
  EXPECT_EQ(as_text(home.ask({"ECHO", "in"})), "in");
  endpoint.user = "default";
  ClientOnReactor named(options_for(endpoint));
  EXPECT_EQ(as_text(named.ask({"ECHO", "in"})), "in");
}

TEST(RedisClient, LeavesWhoDoesNotSpeakTheProtocol) {
  FakeServer server([](int fd, int) {
    FakeServer::read_until(fd, "PING\r\n");
    FakeServer::say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    FakeServer::read_until(fd, "never");
  });
  ClientOnReactor home(options_for(server.endpoint()));
  ASSERT_TRUE(eventually([&] { return server.connections() >= 2; })) << "it tries again";
  EXPECT_NE(home.changes().at(0).find("does not speak the Redis protocol"), std::string::npos) << home.changes()[0];
}

TEST(RedisClient, LeavesAServerThatSendsGarbageOrAnswersUnaskedAndReplaysElsewhere) {
  FakeServer server([](int fd, int nth) {
    FakeServer::read_until(fd, "PING\r\n");
    // Both at once: later it could be taken for the answer to the next command.
    FakeServer::say(fd, nth == 1 ? "+PONG\r\n+unasked\r\n" : "+PONG\r\n");
    if (nth == 0) {
      FakeServer::read_until(fd, "first\r\n");
      FakeServer::say(fd, "+one\r\n*2\r\n$3\r\nabc\r\n\x01\x02\x03garbage\r\n");
    } else if (nth == 2) {
      FakeServer::read_until(fd, "second\r\n");
      FakeServer::say(fd, "$100\r\nhalf an answer");
      return;
    } else if (nth > 2) {
      FakeServer::read_until(fd, "second\r\n");
      FakeServer::say(fd, "+two\r\n");
    }
    FakeServer::read_until(fd, "never");
  });
  ClientOnReactor home(options_for(server.endpoint()));
  Outcomes outcomes;
  home.run([&] {
    home.client().send({"ECHO", "first"}, OnLoss::kReplay, outcomes.done());
    home.client().send({"ECHO", "second"}, OnLoss::kReplay, outcomes.done());
  });
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 2; }));
  EXPECT_EQ(outcomes.texts, (std::vector<std::string>{"one", "two"}));
  EXPECT_GE(server.connections(), 3);
}

TEST(RedisClient, IsNotConnectedWhileTheServerLoadsItsData) {
  std::atomic<bool> loaded{false};
  FakeServer server([&](int fd, int) {
    FakeServer::read_until(fd, "PING\r\n");
    FakeServer::say(fd, loaded ? "+PONG\r\n" : "-LOADING Redis is loading the dataset in memory\r\n");
    FakeServer::read_until(fd, "never");
  });
  ClientOnReactor home(options_for(server.endpoint()));
  ASSERT_TRUE(eventually([&] { return server.connections() >= 2; }));
  EXPECT_EQ(home.changes().at(0), "not ready: LOADING Redis is loading the dataset in memory");
  EXPECT_FALSE(home.connected());
  loaded = true;
  EXPECT_TRUE(eventually([&] { return home.connected(); }));
}

TEST(RedisClient, TellsOfEveryLossAndWhenItBegan) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  const auto before = std::chrono::steady_clock::now();
  server.stop();
  ASSERT_TRUE(eventually([&] { return !home.connected(); }));
  const auto since = home.run([&] { return home.client().down_since(); });
  EXPECT_GE(since, before);
  EXPECT_LE(since, std::chrono::steady_clock::now());
  server.restart();
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  EXPECT_EQ(home.changes().front(), "connected");
  EXPECT_EQ(home.changes().at(1), "the server closed the connection");
  EXPECT_EQ(home.changes().back(), "connected");
  EXPECT_EQ(home.down_reason(), "");
}

/// Accepting is not serving: a proxy without a server behind it accepts, too.
TEST(RedisClient, IsNotConnectedToWhoOnlyAccepts) {
  enum class How { kReset, kSilent };
  for (const How how : {How::kReset, How::kSilent}) {
    std::atomic<bool> serves{true};
    FakeServer server([&](int fd, int) {
      if (serves) {
        FakeServer::sign_in(fd);
        while (serves) std::this_thread::sleep_for(1ms);
      } else if (how == How::kSilent) {
        FakeServer::read_until(fd, "never");
      }
      const linger reset{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    });
    Client::Options options = options_for(server.endpoint());
    options.connect = 300ms;
    ClientOnReactor home(options);
    ASSERT_TRUE(eventually([&] { return home.connected(); }));
    serves = false;
    ASSERT_TRUE(eventually([&] { return !home.connected(); }));
    const auto since = home.run([&] { return home.client().down_since(); });
    const int connections = server.connections();
    ASSERT_TRUE(eventually([&] { return server.connections() >= connections + 3; }));
    EXPECT_EQ(home.run([&] { return home.client().down_since(); }), since) << "the first loss, not that of an attempt";
    const std::vector<std::string> changes = home.changes();
    EXPECT_EQ(std::count(changes.begin(), changes.end(), "connected"), 1) << "it never was again";
    EXPECT_EQ(home.client().stats().reconnects, 0u);
    serves = true;
    EXPECT_TRUE(eventually([&] { return home.connected(); }));
    serves = false;
  }
}

TEST(RedisClient, EndsEverythingWhenClosedAndTakesNothingMore) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  ASSERT_TRUE(eventually([&] { return home.connected(); }));
  server.pause();
  Outcomes outcomes;
  home.run([&] {
    home.client().send({"PING"}, OnLoss::kFail, outcomes.done());
    home.client().send({"PING"}, OnLoss::kReplay, outcomes.done());
    home.client().close();
    EXPECT_EQ(outcomes.count(), 2u);
    EXPECT_FALSE(home.client().send({"PING"}, OnLoss::kReplay, outcomes.done()));
    EXPECT_FALSE(home.client().connected());
    home.client().close();
  });
  for (const std::string& text : outcomes.texts) EXPECT_EQ(text.substr(0, 6), "closed") << text;
  server.resume();
}

TEST(RedisClient, MayBeDestroyedByOneOfItsOwnAnswers) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  Outcomes outcomes;
  home.run([&] {
    home.client().send({"PING"}, OnLoss::kFail, [&](Result<Reply>) { home.owned().reset(); });
    for (int i = 0; i < 100; ++i) home.client().send({"PING"}, OnLoss::kReplay, outcomes.done());
  });
  ASSERT_TRUE(eventually([&] { return outcomes.count() == 100; }));
  for (const std::string& text : outcomes.texts) EXPECT_EQ(text.substr(0, 6), "closed") << text;
}

TEST(RedisClient, AnswersMaySendMore) {
  RedisServer server;
  ClientOnReactor home(options_for(tcp(server)));
  std::promise<void> finished;
  int left = 1000;
  std::function<void(Result<Reply>)> next = [&](Result<Reply> reply) {
    EXPECT_TRUE(reply);
    if (--left == 0) return finished.set_value();
    home.client().send({"INCR", "n"}, OnLoss::kFail, next);
  };
  home.run([&] { home.client().send({"INCR", "n"}, OnLoss::kFail, next); });
  finished.get_future().get();
  EXPECT_EQ(as_text(home.ask({"GET", "n"})), "1000");
}

}  // namespace
}  // namespace parley::store::redis::test
