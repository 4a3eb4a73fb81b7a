#include <nlohmann/json.hpp>

#include "flusher_fixture.hpp"
#include "message_facts.hpp"
#include "parley/base/clock.hpp"

namespace parley::store::standard::test {
namespace {

constexpr ConversationId kConv{64001}, kOther{64002};

TEST(Flusher, ArchivesWhatIsInTheJournalAndSaysSo) {
  JournalAndArchive it;
  it.talk(kConv, 5);
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 5);
  EXPECT_EQ(it.number("select archived_seq from conversation where id = 64001"), 5);
  EXPECT_EQ(it.text("select body->>'text' from message where seq = 3"), "text 3");
  EXPECT_EQ(it.text("select string_agg(seq::text, ',' order by pos) from message"), "1,2,3,4,5");
  EXPECT_EQ(run.head(kConv), 5u);
  EXPECT_EQ(run.counter, it.outcomes[0].answer.pos >> 12);
  EXPECT_EQ(run.flusher.stats().flushed_items, 5u);
  EXPECT_EQ(run.flusher.trouble(), "");

  it.append(text(kConv, 6, "later", Principal::visitor(VisitorId{kConv.value})));
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 6);
  EXPECT_EQ(it.number("select head from conversation"), 6);
}

TEST(Flusher, GoesOnWhereTheLastOneStopped) {
  JournalAndArchive it;
  it.talk(kConv, 3);
  {
    RunningFlusher first(it.options("1:first"));
    ASSERT_TRUE(first.sync());
  }
  it.append(text(kConv, 4, "while nobody flushed", Principal::visitor(VisitorId{kConv.value})));
  RunningFlusher second(it.options("1:second"));
  ASSERT_TRUE(second.sync());
  EXPECT_EQ(second.flusher.stats().flushed_items, 1u) << "nothing is written twice";
  EXPECT_EQ(it.text("select string_agg(seq::text, ',' order by pos) from message"), "1,2,3,4");
}

TEST(Flusher, FlushesAtItsEndWhatIsThere) {
  JournalAndArchive it;
  {
    FlusherOptions options = it.options();
    options.idle_wait = 10s;
    RunningFlusher run(options);
    ASSERT_TRUE(run.sync());
    it.talk(kConv, 4);
  }
  EXPECT_EQ(it.count("message"), 4);
}

TEST(Flusher, RemembersAnswersWithoutAnEntry) {
  JournalAndArchive it;
  Append refused = opening(kOther, "never opened", VisitorId{7});
  refused.kind = EntryType::kRefusal;
  refused.bytes = std::string(1, static_cast<char>(Code::kFiltered));
  refused.opening.reset();
  refused.change = {};
  it.talk(kConv, 1);
  Append gap = text(kConv, 2, "given up", Principal::visitor(VisitorId{kConv.value}));
  gap.kind = EntryType::kVoid;
  it.append({refused, gap});
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 1);
  EXPECT_EQ(it.count("conversation"), 1);
  EXPECT_EQ(it.count("sender_state"), 2);
  const auto found = archive::load(it.sql, kOther);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->state.senders.size(), 1u);
  EXPECT_EQ(found->state.senders[0].second[0].code, Code::kFiltered);
  EXPECT_EQ(archive::load(it.sql, kConv)->state.senders[0].second.size(), 2u);
}

TEST(Flusher, KeepsTheHighestConversationNumberOfEachTenant) {
  JournalAndArchive it;
  it.talk(kConv, 1);
  it.talk(kOther, 1);
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.number("select value from tenant_counter where tenant_id = 11 and name = 'conversation'"), 2);
  EXPECT_EQ(it.number("select number from conversation where id = 64002"), 2);
  EXPECT_EQ(it.text("select epoch from conversation where id = 64002"), "epoch1");
}

TEST(Flusher, PutsEachEntryIntoTheMonthOfItsTime) {
  JournalAndArchive it;
  Append january = opening(kConv, "long ago", VisitorId{kConv.value});
  january.ts_ns = 1'736'000'000'000'000'000;  // 2025-01-04
  Append absurd = text(kConv, 2, "no clock", Principal::visitor(VisitorId{kConv.value}));
  absurd.ts_ns = 5;
  it.append({january, absurd});
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message_y2025m01"), 1);
  EXPECT_EQ(it.count("message_default"), 1);
}

TEST(Flusher, ArchivesSeveralShards) {
  JournalAndArchive it(PostgresServer::shared(), 3);
  for (unsigned shard = 0; shard < 3; ++shard) {
    for (std::uint64_t i = 0; i < 4; ++i)
      it.append({opening(ConversationId{100 + shard * 10 + i}, "x", VisitorId{i + 1})}, shard);
  }
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 12);
  EXPECT_EQ(it.number("select count(distinct pos) from message"), 12);
  EXPECT_EQ(it.number("select count(*) from flush_progress where counter > 0"), 3);
}

TEST(Flusher, TakesBatchesOfManyItemsAndLongBacklogs) {
  JournalAndArchive it;
  for (std::uint64_t c = 1; c <= 5; ++c) it.append(opening(ConversationId{c}, "first", VisitorId{c}));
  for (std::uint64_t round = 0; round < 10; ++round) {
    std::vector<Append> batch;
    for (std::uint64_t i = 0; i < 200; ++i) {
      const std::uint64_t c = i % 5 + 1;
      batch.push_back(text(ConversationId{c}, 2 + round * 40 + i / 5, "x", Principal::visitor(VisitorId{c})));
    }
    it.append(batch);
  }
  FlusherOptions options = it.options();
  options.batch_items = 300;
  RunningFlusher run(options);
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 2005);
  EXPECT_EQ(it.number("select min(archived_seq) from conversation"), 401);
  EXPECT_GT(run.flusher.stats().transactions, 3u);
}

/// A conversation with everything that changes one.
std::vector<Append> story() {
  std::vector<Append> items;
  auto add = [&](Append item) { items.push_back(std::move(item)); };
  auto change = [](Append item, EntryType kind, std::uint64_t target, const std::string& words) {
    item.kind = kind;
    item.target = target;
    item.text = words;
    item.bytes = "{\"target\":" + std::to_string(target) + (words.empty() ? "" : ",\"text\":\"" + words + "\"") + "}";
    item.hash = std::hash<std::string>{}(item.bytes);
    return item;
  };
  add(opening(kConv, "first"));
  add(text(kConv, 2, "second"));
  Append claim = by_agent(text(kConv, 1, ""), EntryType::kClaim, "{}");
  claim.change = {protocol::Status::kActive, kAgent, true};
  add(claim);
  add(note(kConv, 2, "internal"));
  add(by_agent(text(kConv, 3, "answer"), EntryType::kText, "{\"text\":\"answer\"}"));
  add(change(text(kConv, 3, ""), EntryType::kEdit, 2, "second, better"));
  add(change(text(kConv, 4, ""), EntryType::kEdit, 2, "second, best"));
  add(change(by_agent(text(kConv, 4, ""), EntryType::kRecall, ""), EntryType::kRecall, 5, ""));
  add(change(text(kConv, 5, ""), EntryType::kEdit, 99, "names nothing"));
  add(text(kConv, 6, "third"));
  add(change(text(kConv, 7, ""), EntryType::kEdit, 10, "third, edited"));
  add(change(text(kConv, 8, ""), EntryType::kRecall, 10, ""));
  add(change(text(kConv, 9, ""), EntryType::kEdit, 10, "too late"));
  Append close = by_agent(text(kConv, 5, "done"), EntryType::kClose, "{\"reason\":\"done\"}");
  close.change.status = protocol::Status::kClosed;
  add(close);
  Append conditional = by_agent(text(kConv, 6, ""), EntryType::kClaim, "{}");
  conditional.if_claim = 77;  // refused, and remembered
  add(conditional);
  return items;
}

void expect_as_in_sqlite(JournalAndArchive& it, Home& home, Journal& sqlite) {
  const std::vector<StoredEntry> expected = read_all(home, sqlite, kConv);
  Journal::Range range;
  range.after = 0;
  range.limit = 100;
  range.internal = true;
  const Journal::Page page = archive::read_page(it.sql, kConv, range);
  ASSERT_EQ(page.entries.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const StoredEntry &got = page.entries[i], &want = expected[i];
    SCOPED_TRACE("seq " + std::to_string(want.seq));
    EXPECT_EQ(got.seq, want.seq);
    EXPECT_EQ(got.skip, want.skip);
    EXPECT_EQ(got.id, want.id);
    EXPECT_EQ(got.ts_ns, want.ts_ns);
    EXPECT_EQ(got.type, want.type);
    EXPECT_EQ(got.audience, want.audience);
    EXPECT_EQ(got.from, want.from);
    EXPECT_EQ(got.dev, want.dev);
    EXPECT_EQ(got.n, want.n);
    EXPECT_EQ(got.rev, want.rev);
    EXPECT_EQ(got.recalled, want.recalled);
    EXPECT_EQ(got.body.empty(), want.body.empty());
    if (!want.body.empty()) {
      EXPECT_EQ(nlohmann::json::parse(got.body), nlohmann::json::parse(want.body));
    }
    EXPECT_EQ(got.status, want.status);
    EXPECT_EQ(got.claim, want.claim);
    EXPECT_EQ(got.assignee, want.assignee);
  }

  const auto state = load(home, sqlite, kConv);
  const auto archived = archive::load(it.sql, kConv);
  ASSERT_TRUE(state && archived);
  const domain::ConversationMeta &want = state->meta, &got = archived->state.meta;
  EXPECT_EQ(got.status, want.status);
  EXPECT_EQ(got.claim, want.claim);
  EXPECT_EQ(got.assignee, want.assignee);
  EXPECT_EQ(got.head, want.head);
  EXPECT_EQ(got.public_head, want.public_head);
  EXPECT_EQ(got.created_ns, want.created_ns);
  EXPECT_EQ(got.last_ts_ns, want.last_ts_ns);
  EXPECT_EQ(got.last_text_seq, want.last_text_seq);
  EXPECT_EQ(got.last_from, want.last_from);
  EXPECT_EQ(got.preview, want.preview);
  EXPECT_EQ(got.waiting_since_ns, want.waiting_since_ns);
  EXPECT_EQ(got.first_response_ns, want.first_response_ns);
  EXPECT_EQ(got.closed_ns, want.closed_ns);
  EXPECT_EQ(got.closed_by, want.closed_by);
  EXPECT_EQ(got.closed_reason, want.closed_reason);
  EXPECT_EQ(archived->archived, want.head);
  auto answers_of = [](const ConversationState& of) {
    std::map<domain::SenderKey, std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, Code>>> all;
    for (const auto& [key, results] : of.senders) {
      for (const domain::SendResult& result : results)
        all[key].emplace_back(result.n, result.hash, result.seq, result.code);
    }
    return all;
  };
  EXPECT_EQ(answers_of(archived->state), answers_of(*state));
}

class FlusherStory : public StoreTest {};

TEST_F(FlusherStory, IsTheSameInBothStoresWhenItIsFlushedAtOnce) {
  JournalAndArchive it;
  append(home, journal(), story());
  it.append(story());
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  expect_as_in_sqlite(it, home, journal());
}

TEST_F(FlusherStory, IsTheSameInBothStoresWhenEachEntryIsFlushedAlone) {
  JournalAndArchive it;
  RunningFlusher run(it.options());
  for (const Append& item : story()) {
    append(home, journal(), item);
    it.append(item);
    ASSERT_TRUE(run.sync());
    ASSERT_NO_FATAL_FAILURE(expect_as_in_sqlite(it, home, journal()));
  }
  EXPECT_EQ(it.text("select string_agg(seq || '<' || replaced_by || ':' || coalesce(body->>'text', '-'), ' ' order by "
                    "seq, replaced_by) from message_original"),
            "2<6:second 2<7:second, better 5<8:answer 6<7:second, better 10<11:third 10<12:third, edited "
            "11<12:third, edited");
}

TEST(FlusherTrim, KeepsWhatIsNotOldAndNeverTakesWhatIsNotFlushed) {
  JournalAndArchive it;
  it.talk(kConv, 20);
  FlusherOptions options = it.options();
  options.keep_in_log = 1s;
  RunningFlusher run(options);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.log_length(), 20u) << "projections may still need them";
  // Nothing can be archived from now on, so nothing that comes now may leave the log.
  PgConnection blocker(PgOptions{.conninfo = it.conninfo});
  blocker.begin();
  blocker.execute("lock table sender_state in exclusive mode");
  for (std::uint64_t n = 21; n <= 25; ++n)
    it.append(text(kConv, n, "more", Principal::visitor(VisitorId{kConv.value})));
  std::this_thread::sleep_for(1200ms);  // longer than entries are kept
  EXPECT_GE(it.log_length(), 5u);
  blocker.rollback();
  ASSERT_TRUE(run.sync());
  EXPECT_TRUE(eventually([&] { return it.log_length() == 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_EQ(it.count("message"), 25);
}

TEST(FlusherTrim, AlsoTakesWhatAnEarlierRunLeft) {
  JournalAndArchive it;
  it.talk(kConv, 6);
  {
    RunningFlusher first(it.options("1:first"));
    ASSERT_TRUE(first.sync());
  }
  EXPECT_EQ(it.log_length(), 6u);
  FlusherOptions options = it.options("1:second");
  options.keep_in_log = 0s;
  RunningFlusher second(options);
  EXPECT_TRUE(eventually([&] { return it.log_length() == 0; }));
}

TEST(Flusher, TellsHowMuchWaitsAndSinceWhen) {
  PostgresServer server;
  JournalAndArchive it(server);
  it.talk(kConv, 2);
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(run.flusher.stats().lag_seconds, 0);
  server.stop();
  Append late = text(kConv, 3, "waits", Principal::visitor(VisitorId{kConv.value}));
  late.ts_ns = wall_ns() - 60'000'000'000;
  it.append(late);
  EXPECT_TRUE(eventually([&] { return run.flusher.stats().backlog_items > 0; }));
  EXPECT_GT(run.flusher.stats().backlog_bytes, 0u);
  EXPECT_TRUE(eventually([&] { return run.flusher.stats().lag_seconds >= 60; }));
  EXPECT_TRUE(run.flusher.trouble().starts_with("PostgreSQL: ")) << run.flusher.trouble();
  EXPECT_FALSE(run.sync(100ms));
  server.start();
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 3);
  EXPECT_EQ(run.flusher.trouble(), "");
  EXPECT_TRUE(eventually([&] { return run.flusher.stats().backlog_items == 0; }));
  EXPECT_EQ(run.flusher.stats().lag_seconds, 0);
}

TEST(Flusher, WaitsForRedis) {
  JournalAndArchive it;
  it.talk(kConv, 2);
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  it.redis_server.kill_hard();  // it keeps nothing
  EXPECT_TRUE(eventually([&] { return run.flusher.trouble().starts_with("Redis: "); })) << run.flusher.trouble();
  it.redis_server.start();
  it.redis.disconnect();
  it.set_up_redis(1000);
  it.append(opening(kOther, "after the loss", VisitorId{9}));
  ASSERT_TRUE(run.sync());
  EXPECT_EQ(it.count("message"), 3);
  EXPECT_EQ(run.flusher.trouble(), "");
}

TEST(Flusher, EndsInTimeThoughPostgresIsStuck) {
  PostgresServer server;
  JournalAndArchive it(server);
  FlusherOptions options = it.options();
  options.drain = 300ms;
  auto run = std::make_unique<RunningFlusher>(options);
  ASSERT_TRUE(run->sync());
  server.pause();
  it.talk(kConv, 1);
  const auto begin = std::chrono::steady_clock::now();
  run.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  server.resume();
}

}  // namespace
}  // namespace parley::store::standard::test
