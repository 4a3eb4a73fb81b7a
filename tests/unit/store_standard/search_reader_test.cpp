#include "flusher_fixture.hpp"
#include "standard/dead_letters.hpp"
#include "standard/search.hpp"

namespace parley::store::standard::test {
namespace {

constexpr ConversationId kConv{64001}, kOther{64002};
const Principal kSpeaker = Principal::visitor(VisitorId{kConv.value});

class Search : public ::testing::Test {
 protected:
  Search() { it.talk(kConv, 1); }

  SearchReaderOptions options() const {
    SearchReaderOptions options;
    options.postgres = it.conninfo;
    options.idle_wait = 5ms;
    options.retry_min = 10ms;
    return options;
  }
  void say(const std::string& words) { it.append(text(kConv, ++n, words, kSpeaker)); }
  void change(EntryType kind, std::uint64_t target, const std::string& words) {
    Append item = text(kConv, ++n, words, kSpeaker);
    item.kind = kind;
    item.target = target;
    item.bytes = "{\"target\":" + std::to_string(target) + ",\"text\":\"" + words + "\"}";
    it.append(item);
  }
  void index() {
    if (!flusher) flusher = std::make_unique<RunningFlusher>(it.options());
    ASSERT_TRUE(flusher->sync()) << flusher->flusher.trouble();
    SearchReader reader(options());
    reader.start();
    ASSERT_TRUE(reader.request_sync(10s)) << reader.trouble();
  }
  SearchPage page(const std::string& words, std::uint64_t cursor = 0, unsigned limit = 20, bool internal = false) {
    SearchQuery query;
    query.tenant = kTenant;
    query.text = words;
    query.cursor = cursor;
    query.limit = limit;
    query.internal = internal;
    return search(it.sql, query);
  }
  std::vector<std::uint64_t> found(const std::string& words, bool internal = false) {
    std::vector<std::uint64_t> seqs;
    for (const SearchHit& hit : page(words, 0, 20, internal).hits) seqs.push_back(hit.seq);
    return seqs;
  }
  using Seqs = std::vector<std::uint64_t>;

  JournalAndArchive it;
  std::unique_ptr<RunningFlusher> flusher;
  std::uint64_t n = 1;
};

TEST_F(Search, FindsPartsOfChineseTextsAndOfWords) {
  say("您好，我要退款，订单号是 A1024");
  say("什么时候发货？");
  say("Where is my REFUND?");
  index();
  EXPECT_EQ(found("退款"), Seqs({2}));
  EXPECT_EQ(found("要退"), Seqs({2}));
  EXPECT_EQ(found("发货"), Seqs({3}));
  EXPECT_EQ(found("订单号是"), Seqs({2}));
  EXPECT_EQ(found("退货"), Seqs({})) << "both characters are there, but not together";
  EXPECT_EQ(found("refund"), Seqs({4}));
  EXPECT_EQ(found("fund"), Seqs({4}));
  EXPECT_EQ(found("ａ１０２４"), Seqs({2}));
  EXPECT_EQ(found("款"), Seqs({})) << "a single character finds nothing";
  EXPECT_EQ(found("%_'\\"), Seqs({}));
}

TEST_F(Search, ShowsPhrasesFirstThenTheNewest) {
  say("policy about a refund");
  say("the refund policy");
  say("refund: see our policy");
  say("REFUND POLICY!");
  say("policy only");
  index();
  EXPECT_EQ(found("refund policy"), Seqs({5, 3, 4, 2}));
}

TEST_F(Search, GivesEveryHitOnceOverItsPages) {
  for (int i = 0; i < 30; ++i) say(i % 3 == 0 ? "blue whale" : i % 3 == 1 ? "the whale is blue" : "no fish");
  index();
  Seqs seqs;
  std::uint64_t cursor = 0;
  int pages = 0;
  do {
    const SearchPage next = page("blue whale", cursor, 3);
    for (const SearchHit& hit : next.hits) seqs.push_back(hit.seq);
    cursor = next.next;
    ASSERT_LT(++pages, 30);
  } while (cursor != 0);
  ASSERT_EQ(seqs.size(), 20u);
  EXPECT_TRUE(std::is_sorted(seqs.begin(), seqs.begin() + 10, std::greater<>()));
  EXPECT_TRUE(std::is_sorted(seqs.begin() + 10, seqs.end(), std::greater<>()));
  EXPECT_EQ(std::set<std::uint64_t>(seqs.begin(), seqs.end()).size(), 20u);
}

TEST_F(Search, ShowsNoFalseHitsOfThePairs) {
  say("banana");
  say("an anab nab");
  index();
  EXPECT_EQ(found("nanab"), Seqs({})) << "all its pairs are there";
}

TEST_F(Search, FollowsEditsAndRecalls) {
  say("the old words");
  say("to be recalled");
  index();
  EXPECT_EQ(found("old words"), Seqs({2}));
  change(EntryType::kEdit, 2, "quite different");
  change(EntryType::kRecall, 3, "");
  flusher->sync();
  EXPECT_EQ(found("old words"), Seqs({})) << "at once, though the index does not know yet";
  index();
  EXPECT_EQ(found("old words"), Seqs({}));
  EXPECT_EQ(found("quite different"), Seqs({2})) << "and the edit itself is no hit";
  EXPECT_EQ(found("recalled"), Seqs({}));
  EXPECT_EQ(it.count("message_search"), 2);
  say("new, and edited in the same breath");
  change(EntryType::kEdit, 6, "edited at once");
  index();
  EXPECT_EQ(found("edited at once"), Seqs({6}));
  EXPECT_EQ(found("same breath"), Seqs({}));
}

TEST_F(Search, ShowsNotesOnlyToThoseWhoMaySeeThem) {
  it.append(note(kConv, 1, "secret discount"));
  index();
  EXPECT_EQ(found("discount"), Seqs({}));
  EXPECT_EQ(found("discount", true), Seqs({2}));
}

TEST_F(Search, KeepsTenantsApart) {
  Append foreign = opening(kOther, "same words", VisitorId{5});
  foreign.tenant = TenantId{999};
  it.append(foreign);
  say("same words");
  index();
  const SearchPage mine = page("same words");
  ASSERT_EQ(mine.hits.size(), 1u);
  EXPECT_EQ(mine.hits[0].conv, kConv);
  EXPECT_EQ(mine.hits[0].snippet, "same words");
}

TEST_F(Search, IndexesEveryRowOnceWhateverComesBetween) {
  SearchReader reader(options());
  reader.start();
  flusher = std::make_unique<RunningFlusher>(it.options());
  for (int i = 0; i < 200; ++i) {
    say("word number " + std::to_string(1000 + i));
    if (i % 50 == 0)
      it.sql.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
          "current_database() and pid <> pg_backend_pid()",
          {});
  }
  ASSERT_TRUE(flusher->sync(20s)) << flusher->flusher.trouble();
  ASSERT_TRUE(reader.request_sync(20s)) << reader.trouble();
  EXPECT_EQ(it.count("message_search"), 201);
  EXPECT_EQ(it.number("select count(distinct seq) from message_search"), 201);
  EXPECT_EQ(reader.stats().lag_seconds, 0);
}

TEST_F(Search, GoesThroughALongArchiveInPieces) {
  for (int round = 0; round < 3; ++round) {
    std::vector<Append> batch;
    for (int i = 0; i < 4000; ++i) {
      ++n;
      batch.push_back(text(kConv, n, "entry " + std::to_string(n), kSpeaker));
    }
    it.append(batch);
  }
  index();
  EXPECT_EQ(it.count("message_search"), 12001);
  EXPECT_EQ(found("12001"), Seqs({12001}));
}

TEST_F(Search, FindsWhatWasReplayedFromTheDeadLetters) {
  Append poison = text(kConv, ++n, "", kSpeaker);
  poison.bytes = R"({"text":"zombie\u0000 words"})";
  it.append(poison);
  index();
  EXPECT_EQ(found("zombie"), Seqs({}));
  it.sql.begin();
  ASSERT_TRUE(replay_dead_letter(it.sql, it.number("select id from dead_letter")).done);
  it.sql.commit();
  EXPECT_EQ(found("zombie"), Seqs({2}));
}

}  // namespace
}  // namespace parley::store::standard::test
