#include "parley/base/snowflake.hpp"
#include "standard_fixture.hpp"

namespace parley::store::test {
namespace {

using namespace std::chrono_literals;
using protocol::Status;
using OutageTest = OwnRedisTest;
constexpr ConversationId kConv{7001};

TEST_F(OutageTest, WhatWasAnsweredIsThereOnceAfterRedisWasKilled) {
  constexpr std::uint64_t kConversations = 8, kTexts = 60;
  for (std::uint64_t id = 1; id <= kConversations; ++id)
    append(home, journal(), opening(ConversationId{id}, "1", VisitorId{id}));
  std::vector<std::pair<Append, std::future<std::vector<Appended>>>> sent;
  for (std::uint64_t n = 2; n <= kTexts; ++n) {
    for (std::uint64_t id = 1; id <= kConversations; ++id) {
      Append item = text(ConversationId{id}, n, std::to_string(n), Principal::visitor(VisitorId{id}));
      sent.emplace_back(item, submit(home, journal(), {item}));
    }
    if (n == 20 || n == 40) {
      server.kill_hard();
      server.start();
    }
  }
  for (auto& [item, future] : sent) {
    const auto answer = answer_of(future, 20s);
    ASSERT_TRUE(answer) << item.n;
    ASSERT_EQ((*answer)[0].code, Code::kOk) << item.n;
    EXPECT_FALSE((*answer)[0].dup) << "the home has to show it to others";
    EXPECT_EQ((*answer)[0].seq, item.n);
    EXPECT_NE((*answer)[0].pos, 0u);
  }
  for (int restarted = 0; restarted < 2; ++restarted) {
    for (std::uint64_t id = 1; id <= kConversations; ++id) {
      const auto entries = read_all(home, journal(), ConversationId{id});
      ASSERT_EQ(entries.size(), kTexts);
      for (std::uint64_t n = 1; n <= kTexts; ++n) EXPECT_EQ(entries[n - 1].n, n);
    }
    settle();
    reopen();
  }
}

TEST_F(OutageTest, AStuckRedisMeansSilenceAndThenTheAnswer) {
  append(home, journal(), opening(kConv, "1"));
  server.pause();
  auto first = submit(home, journal(), {text(kConv, 2, "2")});
  auto second = submit(home, journal(), {text(kConv, 3, "3")});
  auto third = submit(home, journal(), {text(kConv, 4, "4")});
  EXPECT_FALSE(answer_of(first, 300ms));
  server.resume();
  std::uint64_t seq = 2;
  for (auto* future : {&first, &second, &third}) {
    const auto answer = answer_of(*future, 10s);
    ASSERT_TRUE(answer);
    EXPECT_EQ((*answer)[0].seq, seq++);
  }
}

/// Redis had read the batches when it got stuck, and runs them when it goes on, though nobody is there any more to hear
/// the answers; then they come again, on a new connection.
TEST_F(OutageTest, ABatchThatRanTwiceIsAnsweredAsIfItHadRunOnce) {
  append(home, journal(), opening(kConv, "1"));
  append(home, journal(), note(kConv, 1, "secret"));
  server.pause();
  Append claim = by_agent(text(kConv, 2, ""), EntryType::kClaim, "{}");
  claim.change = {Status::kActive, kAgent, true};
  claim.if_claim = 0;
  Append lost = by_agent(text(kConv, 1, ""), EntryType::kClaim, "{}", AgentId{42});
  lost.change = {Status::kActive, AgentId{42}, true};
  lost.if_claim = 0;
  auto first = submit(home, journal(), {text(kConv, 2, "2"), claim, lost});
  auto second = submit(home, journal(), {opening(ConversationId{7002}, "Hi", VisitorId{32}), text(kConv, 3, "3")});
  ASSERT_TRUE(healthy(false)) << "it is noticed that Redis is deaf";
  EXPECT_FALSE(answer_of(first, 0ms));
  server.resume();
  const auto one = answer_of(first, 10s), two = answer_of(second, 10s);
  ASSERT_TRUE(one && two);
  EXPECT_EQ((*one)[0].seq, 3u);
  EXPECT_EQ((*one)[0].skip, 1u);
  EXPECT_EQ((*one)[1].seq, 4u);
  EXPECT_EQ((*one)[1].claim, 1u);
  EXPECT_EQ((*one)[1].assignee, kAgent);
  EXPECT_EQ((*one)[2].code, Code::kClaimed);
  EXPECT_EQ((*two)[0].seq, 1u);
  EXPECT_EQ((*two)[0].number, 2u);
  EXPECT_EQ((*two)[1].seq, 5u);
  for (const auto* answers : {&*one, &*two}) {
    for (const Appended& answer : *answers) {
      EXPECT_FALSE(answer.dup);
      EXPECT_NE(answer.pos, 0u);
    }
  }
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 5u);
  EXPECT_EQ(append(home, journal(), opening(ConversationId{7003}, "Hi", VisitorId{33})).number, 3u);
  settle();
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 5u);
  EXPECT_EQ(read_all(home, journal(), ConversationId{7002}).size(), 1u);
}

TEST_F(OutageTest, WithoutRedisNewItemsAreRefusedAfterASecondAndTakenAgainLater) {
  append(home, journal(), opening(kConv, "1"));
  server.kill_hard();
  const auto refused = append(home, journal(), text(kConv, 2, "2"));
  EXPECT_EQ(refused.code, Code::kJournalDown);
  EXPECT_FALSE(journal().health().ok);
  EXPECT_FALSE(journal().health().lost);
  EXPECT_NE(journal().health().reason.find("Redis"), std::string::npos) << journal().health().reason;
  server.start();
  ASSERT_TRUE(healthy());
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "2")).seq, 2u);
}

/// What Redis may have stored is silent until that is known; whoever comes meanwhile, in another conversation, is told
/// within a second or so that nothing can be stored.
TEST_F(OutageTest, ARefusalDoesNotWaitForWhatIsOnItsWay) {
  append(home, journal(), opening(kConv, "1"));
  append(home, journal(), opening(ConversationId{7002}, "1", VisitorId{32}));
  server.pause();
  auto silent = submit(home, journal(), {text(kConv, 2, "2")});
  ASSERT_TRUE(healthy(false)) << "it is noticed that Redis is deaf";
  auto refused = submit(home, journal(), {text(ConversationId{7002}, 2, "2", Principal::visitor(VisitorId{32}))});
  const auto told = answer_of(refused, 5s);
  ASSERT_TRUE(told) << "while another batch has no answer";
  EXPECT_EQ((*told)[0].code, Code::kJournalDown);
  EXPECT_FALSE(answer_of(silent, 0ms));
  server.resume();
  const auto answer = answer_of(silent, 10s);
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)[0].seq, 2u);
}

TEST_F(OutageTest, AFullRedisRefusesAndRecoversWithoutTraffic) {
  append(home, journal(), opening(kConv, "1"));
  command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "2")).code, Code::kJournalFull);
  EXPECT_FALSE(journal().health().ok);
  EXPECT_NE(journal().health().reason.find("maxmemory"), std::string::npos) << journal().health().reason;
  std::vector<Append> openings;
  for (std::uint64_t id = 1; id <= 40; ++id) openings.push_back(opening(ConversationId{id}, "1", VisitorId{id}));
  for (const Appended& answer : append(home, journal(), openings)) EXPECT_EQ(answer.code, Code::kJournalFull);
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 1u) << "reading goes on";
  command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(healthy()) << journal().health().reason;
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "2")).seq, 2u);
  EXPECT_EQ(append(home, journal(), openings).back().seq, 1u);
}

TEST_F(OutageTest, TooMuchForTheArchiveIsRefused) {
  store.reset();
  options.backlog_bytes_max = 1;
  open();
  // The flusher measures once a second; only what waits then counts.
  bool full = false;
  for (std::uint64_t id = 1; id <= 4000 && !full; ++id)
    full = append(home, journal(), opening(ConversationId{id}, "1", VisitorId{id})).code == Code::kJournalFull;
  if (!full) GTEST_SKIP() << "the flusher was always faster";
  EXPECT_FALSE(journal().health().ok);
  EXPECT_TRUE(healthy()) << "when it has been archived";
}

TEST_F(OutageTest, AMissingFunctionLibraryIsLoadedAgain) {
  append(home, journal(), opening(kConv, "1"));
  command({"FUNCTION", "FLUSH"});
  std::vector<std::future<std::vector<Appended>>> sent;
  for (std::uint64_t n = 2; n <= 12; ++n) sent.push_back(submit(home, journal(), {text(kConv, n, std::to_string(n))}));
  std::uint64_t seq = 2;
  for (auto& future : sent) {
    const auto answer = answer_of(future, 10s);
    ASSERT_TRUE(answer);
    EXPECT_EQ((*answer)[0].code, Code::kOk);
    EXPECT_EQ((*answer)[0].seq, seq++);
  }
}

TEST_F(OutageTest, ALostLeaseEndsIt) {
  append(home, journal(), opening(kConv, "1"));
  command({"HINCRBY", options.redis_prefix + ":meta", "fence", "1"});
  command({"SET", options.redis_prefix + ":lease", "somebody"});
  ASSERT_TRUE(parley::test::eventually([&] { return journal().health().lost; }));
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "2")).code, Code::kJournalDown);
  EXPECT_TRUE(journal().health().reason.starts_with("fenced")) << journal().health().reason;
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 1u);
}

TEST_F(OutageTest, AHigherFenceEndsItAtTheNextAppend) {
  append(home, journal(), opening(kConv, "1"));
  command(redis::fence_command(keys(), 1000, 1, 0, 0, 1));
  auto first = submit(home, journal(), {text(kConv, 2, "2")});
  auto second = submit(home, journal(), {text(kConv, 3, "3")});
  for (auto* future : {&first, &second}) {
    const auto answer = answer_of(*future, 10s);
    ASSERT_TRUE(answer);
    EXPECT_EQ((*answer)[0].code, Code::kJournalDown);
  }
  EXPECT_TRUE(journal().health().lost);
  EXPECT_TRUE(journal().health().reason.starts_with("fenced")) << journal().health().reason;
}

TEST_F(OutageTest, ASecondDaemonIsRefusedWhileTheFirstLives) {
  StandardOptions second = options;
  second.folder = folder.path() / "other";
  try {
    open_standard_store(second);
    FAIL() << "two daemons on one store";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("in use"), std::string::npos) << error.what();
  }
  EXPECT_EQ(append(home, journal(), opening(kConv, "1")).code, Code::kOk);
}

TEST_F(OutageTest, AnUnreachableServerIsNamed) {
  store.reset();
  options.start = 300ms;
  StandardOptions wrong = options;
  wrong.redis_url = "redis://127.0.0.1:1/0";
  EXPECT_THROW(
      {
        try {
          open_standard_store(wrong);
        } catch (const std::runtime_error& error) {
          EXPECT_NE(std::string(error.what()).find("Redis at 127.0.0.1:1"), std::string::npos) << error.what();
          throw;
        }
      },
      std::runtime_error);
  wrong = options;
  wrong.postgres = "host=" + (folder.path() / "nowhere").string() + " dbname=x user=parley";
  EXPECT_THROW(
      {
        try {
          open_standard_store(wrong);
        } catch (const std::runtime_error& error) {
          EXPECT_NE(std::string(error.what()).find("PostgreSQL"), std::string::npos) << error.what();
          throw;
        }
      },
      std::runtime_error);
}

// ---- A Redis that forgot --------------------------------------------------------------------------------------------

TEST_F(OutageTest, ARedisThatLostEverythingIsFilledFromTheArchive) {
  const Appended first = append(home, journal(), opening(kConv, "Hello"));
  append(home, journal(), text(kConv, 2, "two"));
  const Appended other = append(home, journal(), opening(ConversationId{7002}, "Other", VisitorId{32}));
  Append close = by_agent(text(ConversationId{7002}, 1, "done"), EntryType::kClose, R"({"reason":"done"})");
  close.change.status = Status::kClosed;
  const Appended closed = append(home, journal(), close);
  settle();
  store.reset();
  command({"FLUSHALL"});
  open();
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 2u);
  EXPECT_TRUE(append(home, journal(), text(kConv, 2, "two")).dup);
  const Appended next = append(home, journal(), text(kConv, 3, "three"));
  EXPECT_EQ(next.seq, 3u);
  EXPECT_GT(next.pos, closed.pos) << "positions go on";
  const auto state = load(home, journal(), kConv);
  ASSERT_TRUE(state);
  EXPECT_NE(state->meta.epoch, first.epoch) << "what was not archived may be lost";
  EXPECT_EQ(append(home, journal(), opening(ConversationId{7003}, "Again")).code, Code::kClosed)
      << "one open conversation per visitor";
  const Appended third = append(home, journal(), opening(ConversationId{7004}, "New", VisitorId{33}));
  EXPECT_GT(third.number, other.number);
  EXPECT_EQ(load(home, journal(), ConversationId{7002})->meta.status, Status::kClosed);
  settle();
  reopen();
  EXPECT_EQ(load(home, journal(), kConv)->meta.epoch, state->meta.epoch) << "once";
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 3u);
}

/// Without an append-only file: what is not in the last snapshot is forgotten by a crash.
class ForgetfulTest : public OwnRedisTest {
 protected:
  ForgetfulTest() : OwnRedisTest(forgetful()) {}
  static parley::test::RedisServer::Options forgetful() {
    parley::test::RedisServer::Options how;
    how.appendonly = false;
    return how;
  }
};

TEST_F(ForgetfulTest, AnOlderRedisIsNoticedWhileRunning) {
  append(home, journal(), opening(kConv, "1"));
  command({"SAVE"});
  for (std::uint64_t n = 2; n <= 5; ++n) append(home, journal(), text(kConv, n, std::to_string(n)));
  server.kill_hard();
  server.start();
  const Appended answer = append(home, journal(), text(kConv, 6, "6"));
  EXPECT_EQ(answer.code, Code::kJournalDown);
  EXPECT_TRUE(journal().health().lost);
  EXPECT_NE(journal().health().reason.find("older"), std::string::npos) << journal().health().reason;
}

TEST_F(ForgetfulTest, AnOlderRedisIsRepairedAtTheStart) {
  const Appended first = append(home, journal(), opening(kConv, "1"));
  append(home, journal(), opening(ConversationId{7002}, "Closed later", VisitorId{32}));
  command({"SAVE"});
  for (std::uint64_t n = 2; n <= 5; ++n) append(home, journal(), text(kConv, n, std::to_string(n)));
  Append close = by_agent(text(ConversationId{7002}, 1, "done"), EntryType::kClose, R"({"reason":"done"})");
  close.change.status = Status::kClosed;
  append(home, journal(), close);
  const Appended third = append(home, journal(), opening(ConversationId{7003}, "Opened later", VisitorId{33}));
  settle();
  store.reset();
  server.kill_hard();
  server.start();
  open();
  EXPECT_EQ(load(home, journal(), kConv)->meta.head, 5u);
  EXPECT_NE(load(home, journal(), kConv)->meta.epoch, first.epoch);
  EXPECT_EQ(load(home, journal(), ConversationId{7002})->meta.status, Status::kClosed);
  EXPECT_EQ(load(home, journal(), ConversationId{7003})->meta.number, third.number);
  const auto open = home.run<Result<std::vector<domain::ConversationMeta>>>(
      [this]() { return journal().open_conversations(kTenant); });
  ASSERT_TRUE(open);
  EXPECT_EQ(open->size(), 2u);
  EXPECT_TRUE(append(home, journal(), text(kConv, 5, "5")).dup);
  EXPECT_EQ(append(home, journal(), text(kConv, 6, "6")).seq, 6u);
  EXPECT_GT(append(home, journal(), opening(ConversationId{7004}, "New", VisitorId{34})).number, third.number);
  settle();
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 6u);
}

TEST_F(OutageTest, ServersOfDifferentStoresAreRefused) {
  append(home, journal(), opening(kConv, "1"));
  store.reset();
  StandardOptions mixed = options;
  mixed.postgres = parley::test::PostgresServer::shared().create_database();
  try {
    open_standard_store(mixed);
    FAIL() << "another archive";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("different stores"), std::string::npos) << error.what();
  }
  mixed = options;
  mixed.shards = 2;
  try {
    open_standard_store(mixed);
    FAIL() << "another number of shards";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("shards"), std::string::npos) << error.what();
  }
  open();
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "2")).seq, 2u);
}

TEST_F(OutageTest, ChatsGoOnWithoutPostgres) {
  store.reset();
  parley::test::PostgresServer postgres;
  options.postgres = postgres.create_database();
  options.redis_prefix += "pg";
  open();
  Snowflake flakes(0, 1, store->snowflake_floor_ms());
  auto now = [] {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  std::this_thread::sleep_for(5ms);  // ids of the millisecond of the start do not count as new
  const ConversationId old{flakes.next_conversation(now(), 0)};
  append(home, journal(), opening(old, "before"));
  // Not settle(): PostgreSQL has it before the flusher knows.
  ASSERT_TRUE(parley::test::eventually([&] { return store->stats().flushed_items == 1; }));
  postgres.kill_hard();
  EXPECT_EQ(append(home, journal(), text(old, 2, "during")).seq, 2u);
  const ConversationId fresh{flakes.next_conversation(now(), 0)};
  EXPECT_FALSE(load(home, journal(), fresh)) << "it cannot exist";
  auto found = home.run<Result<std::optional<ConversationId>>>(
      [this]() { return journal().find_by_visitor(kChannel, VisitorId{77}); });
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
  Append refusal = text(fresh, 1, "bad words", Principal::visitor(VisitorId{77}));
  refusal.kind = EntryType::kRefusal;
  refusal.bytes = std::string(1, static_cast<char>(Code::kFiltered));
  EXPECT_EQ(append(home, journal(), refusal).code, Code::kFiltered);
  Append first = opening(fresh, "new", VisitorId{77});
  first.n = 2;
  EXPECT_EQ(append(home, journal(), first).seq, 1u);
  EXPECT_EQ(read_all(home, journal(), fresh).size(), 1u);
  Journal::Range newest;
  const Journal::Page page = read(home, journal(), old, newest);
  ASSERT_EQ(page.entries.size(), 1u) << "what is in Redis; the rest has to wait";
  EXPECT_TRUE(page.more);
  EXPECT_TRUE(journal().health().ok) << journal().health().reason;
  postgres.start();
  settle();
  EXPECT_TRUE(parley::test::eventually([&] {
    auto all = home.run<Result<Journal::Page>>([this, old]() {
      Journal::Range range;
      range.after = 0;
      return journal().read(old, range);
    });
    return all && all->entries.size() == 2;
  }));
  store.reset();
}

}  // namespace
}  // namespace parley::store::test
