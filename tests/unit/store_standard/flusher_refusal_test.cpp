#include <snappy.h>

#include "flusher_fixture.hpp"
#include "standard/dead_letters.hpp"

namespace parley::store::standard::test {
namespace {

constexpr ConversationId kConv{64001}, kOther{64002};
const Principal kSpeaker = Principal::visitor(VisitorId{kConv.value});

TEST(FlusherStops, AtAHole) {
  JournalAndArchive it;
  it.talk(kConv, 2);
  const std::uint64_t lost = it.append(text(kConv, 3, "lost", kSpeaker));
  it.append(text(kConv, 4, "behind the hole", kSpeaker));
  it.ask({"XDEL", it.keys().log, "1-" + std::to_string(lost)});
  RunningFlusher run(it.options());
  EXPECT_FALSE(run.sync());
  EXPECT_NE(run.flusher.trouble().find("shard 0 stopped: hole: conversation 64001 seq 4"), std::string::npos)
      << run.flusher.trouble();
  EXPECT_EQ(run.flusher.stats().stopped_shards, 1u);
  EXPECT_EQ(it.count("message"), 0) << "a batch with a hole is not archived in part";
  EXPECT_EQ(it.log_length(), 3u) << "what is not archived stays";
}

TEST(FlusherStops, AtAConversationThatNobodyOpened) {
  JournalAndArchive it;
  const std::uint64_t first = it.append(opening(kConv, "lost", VisitorId{kConv.value}));
  it.append(text(kConv, 2, "orphan", kSpeaker));
  it.ask({"XDEL", it.keys().log, "1-" + std::to_string(first)});
  RunningFlusher run(it.options());
  EXPECT_FALSE(run.sync());
  EXPECT_NE(run.flusher.trouble().find("hole: conversation 64001 seq 2"), std::string::npos) << run.flusher.trouble();
}

TEST(FlusherStops, OnlyTheShardWithTheHole) {
  JournalAndArchive it(PostgresServer::shared(), 2);
  it.append({opening(kConv, "a", VisitorId{1})}, 0);
  const std::uint64_t lost = it.append({text(kConv, 2, "b", Principal::visitor(VisitorId{1}))}, 0);
  it.append({text(kConv, 3, "c", Principal::visitor(VisitorId{1}))}, 0);
  it.append({opening(kOther, "d", VisitorId{2})}, 1);
  it.ask({"XDEL", it.keys(0).log, "1-" + std::to_string(lost)});
  RunningFlusher run(it.options());
  EXPECT_FALSE(run.sync());
  EXPECT_TRUE(eventually([&] { return it.count("message where conv = 64002") == 1; }));
  EXPECT_EQ(it.count("message where conv = 64001"), 0);
}

/// Archives a conversation, then loses Redis, which begins again from nothing.
void lose_redis(JournalAndArchive& it) {
  {
    RunningFlusher run(it.options("1:before"));
    ASSERT_TRUE(run.sync());
  }
  it.ask({"FLUSHALL"});
  it.set_up_redis(1000);
}

TEST(FlusherStops, WhenTheJournalTellsAnotherStory) {
  JournalAndArchive it;
  it.talk(kConv, 3);
  lose_redis(it);
  it.append(opening(kConv, "hello", VisitorId{kConv.value}));
  it.append(text(kConv, 2, "something else", kSpeaker));
  RunningFlusher run(it.options("1:after"));
  EXPECT_FALSE(run.sync());
  EXPECT_NE(run.flusher.trouble().find("shard 0 stopped: diverged: conversation 64001 seq 2"), std::string::npos)
      << run.flusher.trouble();
  EXPECT_EQ(it.text("select body->>'text' from message where seq = 2"), "text 2");
}

TEST(Flusher, AcceptsTheSameStoryOnceMore) {
  JournalAndArchive it;
  it.talk(kConv, 3);
  lose_redis(it);
  it.talk(kConv, 5);
  RunningFlusher run(it.options("1:after"));
  ASSERT_TRUE(run.sync()) << run.flusher.trouble();
  EXPECT_EQ(it.text("select string_agg(seq::text, ',' order by seq) from message"), "1,2,3,4,5");
  EXPECT_EQ(it.number("select head from conversation"), 5);
}

TEST(Flusher, StopsAtAnEntryThatItCannotRead) {
  JournalAndArchive it;
  it.talk(kConv, 2);
  it.ask({"XADD", it.keys().log, "1-900", "p", "nonsense", "r", "x"});
  RunningFlusher run(it.options());
  EXPECT_FALSE(run.sync());
  EXPECT_NE(run.flusher.trouble().find("journal entry 1-900 cannot be read"), std::string::npos)
      << run.flusher.trouble();
  EXPECT_EQ(it.count("message"), 2) << "what is before it is archived";
}

TEST(FlusherFence, ANewerFlusherEndsTheOlder) {
  JournalAndArchive it;
  it.talk(kConv, 2);
  RunningFlusher old_one(it.options("1:old"));
  ASSERT_TRUE(old_one.sync());
  RunningFlusher new_one(it.options("2:new"));
  ASSERT_TRUE(new_one.sync());
  it.append(text(kConv, 3, "for the new one", kSpeaker));
  EXPECT_TRUE(eventually([&] { return old_one.flusher.trouble().starts_with("fenced"); })) << old_one.flusher.trouble();
  ASSERT_TRUE(new_one.sync());
  EXPECT_EQ(it.count("message"), 3);
  EXPECT_FALSE(old_one.sync(200ms));

  RunningFlusher late(it.options("1:late"));
  EXPECT_TRUE(eventually([&] { return late.flusher.trouble().starts_with("fenced"); })) << late.flusher.trouble();
  it.append(text(kConv, 4, "still for the new one", kSpeaker));
  ASSERT_TRUE(new_one.sync());
  EXPECT_EQ(it.count("message"), 4);
}

TEST(FlusherFence, AFencedFlusherInTheMiddleOfABatchWritesNothing) {
  JournalAndArchive it;
  it.talk(kConv, 1);
  RunningFlusher old_one(it.options("1:old"));
  ASSERT_TRUE(old_one.sync());
  it.sql.query("update flush_progress set owner = '2:new'", {});
  it.append(text(kConv, 2, "whose?", kSpeaker));
  EXPECT_TRUE(eventually([&] { return old_one.flusher.trouble().starts_with("fenced"); }));
  EXPECT_EQ(it.count("message"), 1);
}

Append poison(std::uint64_t n, std::string bytes) {
  Append item = text(kConv, n, "poison", kSpeaker);
  item.bytes = std::move(bytes);
  return item;
}

TEST(DeadLetters, OneBadItemBecomesAPlaceholderAndTheRestGoesOn) {
  JournalAndArchive it;
  it.talk(kConv, 10);
  std::vector<Append> batch;
  for (std::uint64_t n = 11; n <= 40; ++n)
    batch.push_back(n == 23 ? poison(n, "this is no JSON") : text(kConv, n, "t" + std::to_string(n), kSpeaker));
  it.append(batch);
  it.append(poison(41, R"({"text":"a\u0000b"})"));
  std::string packed;
  snappy::Compress("{\"text\":\"small\"}", 16, &packed);
  Append damaged = poison(42, packed.substr(0, packed.size() / 2));
  damaged.codec = Codec::kSnappy;
  it.append(damaged);
  it.append(text(kConv, 43, "last", kSpeaker));
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync()) << run.flusher.trouble();

  EXPECT_EQ(it.count("message"), 43);
  EXPECT_EQ(it.number("select archived_seq from conversation"), 43);
  EXPECT_EQ(it.text("select string_agg(seq::text, ',' order by seq) from dead_letter"), "23,41,42");
  EXPECT_EQ(it.text("select string_agg(seq::text, ',' order by seq) from message where flags & 32 <> 0"), "23,41,42");
  EXPECT_EQ(it.text("select body::text from message where seq = 23"), "{\"text\": \"\"}");
  EXPECT_EQ(it.text("select body->>'text' from message where seq = 24"), "t24");
  EXPECT_EQ(it.text("select preview from conversation"), "last");
  EXPECT_EQ(run.flusher.stats().dead_letters, 3u);
  EXPECT_EQ(run.flusher.trouble(), "");
  EXPECT_EQ(archive::load(it.sql, kConv)->state.senders[0].second.back().n, 43u) << "its answer is remembered too";

  const auto letters = list_dead_letters(it.sql, 0, 10);
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_NE(letters[0].reason.find("json"), std::string::npos) << letters[0].reason;
  const auto detail = show_dead_letter(it.sql, letters[0].id);
  ASSERT_TRUE(detail);
  EXPECT_EQ(detail->body, "this is no JSON");
  EXPECT_EQ(detail->kind, "text");
  EXPECT_EQ(detail->letter.seq, 23u);
}

TEST(DeadLetters, CanBeReplayedWhenTheyCanBeKeptNow) {
  JournalAndArchive it;
  it.talk(kConv, 1);
  it.append(poison(2, R"({"text":"a\u0000b"})"));
  it.append(poison(3, "no JSON"));
  Append edit = poison(4, R"({"target":1,"text":"hello\u0000 there"})");
  edit.kind = EntryType::kEdit;
  edit.target = 1;
  it.append(edit);
  it.append(poison(5, R"({"text":"recalled\u0000"})"));
  Append recall = text(kConv, 6, "", kSpeaker);
  recall.kind = EntryType::kRecall;
  recall.target = 5;
  recall.bytes = "{\"target\":5}";
  it.append(recall);
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync()) << run.flusher.trouble();
  ASSERT_EQ(it.number("select count(*) from dead_letter where state = 0"), 4);

  auto replay = [&](std::uint64_t seq) {
    it.sql.begin();
    const Replayed result =
        replay_dead_letter(it.sql, it.number("select id from dead_letter where seq = " + std::to_string(seq)));
    it.sql.commit();
    return result;
  };
  EXPECT_TRUE(replay(2).done);
  EXPECT_EQ(it.text("select body->>'text' from message where seq = 2"), "a\uFFFDb");
  EXPECT_EQ(it.number("select flags & 32 from message where seq = 2"), 0);
  EXPECT_EQ(replay(2).reason, "it does not wait any more");

  EXPECT_EQ(replay(3).reason, "the body is no JSON object");
  EXPECT_TRUE(give_up_dead_letter(it.sql, it.number("select id from dead_letter where seq = 3")));

  EXPECT_TRUE(replay(4).done);
  EXPECT_EQ(it.text("select body->>'text' from message where seq = 1"), "hello\uFFFD there");
  EXPECT_EQ(it.number("select rev from message where seq = 1"), 4);
  EXPECT_EQ(it.text("select body->>'text' from message_original where seq = 1"), "hello");

  EXPECT_TRUE(replay(5).done);
  EXPECT_EQ(it.text("select coalesce(body::text, 'gone') from message where seq = 5"), "gone");
  EXPECT_EQ(it.text("select body->>'text' from message_original where seq = 5"), "recalled\uFFFD");
  EXPECT_TRUE(list_dead_letters(it.sql, 0, 10).empty());
  EXPECT_EQ(replay_dead_letter(it.sql, 999).reason, "there is no dead letter with this number");
}

TEST(FlusherPace, TakesSmallerBatchesWhileAWholeOneTakesTooLong) {
  JournalAndArchive it;
  it.talk(kConv, 64);
  it.sql.execute(
      "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return "
      "new; end $$; create trigger slow before insert on message for each row execute function slow()");
  FlusherOptions options = it.options();
  options.statement = 500ms;  // a whole batch takes 1280 ms
  options.batch_items = 64;
  RunningFlusher run(options);
  ASSERT_TRUE(run.sync(20s)) << run.flusher.trouble();
  EXPECT_EQ(it.count("message"), 64);
  EXPECT_GE(run.flusher.stats().failures, 1u);
  EXPECT_GE(run.flusher.stats().transactions, 3u);
  EXPECT_EQ(run.flusher.trouble(), "");
}

}  // namespace
}  // namespace parley::store::standard::test
