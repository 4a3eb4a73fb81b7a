// Search of every store, compiled into the tests of each: first say which Fixture opens it.
#pragma once
#include <algorithm>
#include <set>
#include <thread>

#include "parley/store/search.hpp"
#include "unit/store/journal_calls.hpp"

namespace parley::store::test {
namespace {

class SearchTest : public Fixture {
 protected:
  using Seqs = std::vector<std::uint64_t>;
  void begin() { append(home, journal(), opening(kConv, "hello there")); }
  std::uint64_t say(const std::string& words) { return append(home, journal(), text(kConv, ++n, words)).seq; }
  void change(EntryType kind, std::uint64_t target, const std::string& words) {
    Append item = text(kConv, ++n, words);
    item.kind = kind;
    item.target = target;
    item.bytes = "{\"target\":" + std::to_string(target) + ",\"text\":\"" + words + "\"}";
    append(home, journal(), item);
  }

  Result<SearchPage> ask(SearchQuery query) {
    return home.run<Result<SearchPage>>([this, query]() { return store->search()->find(query); });
  }
  SearchPage page(const std::string& words, std::uint64_t cursor = 0, unsigned limit = 20, bool internal = false,
                  TenantId tenant = kTenant) {
    SearchQuery query;
    query.tenant = tenant;
    query.text = words;
    query.cursor = cursor;
    query.limit = limit;
    query.internal = internal;
    Result<SearchPage> found = ask(query);
    if (!found) throw std::runtime_error("search: " + found.error().detail);
    return std::move(*found);
  }
  Seqs found(const std::string& words, bool internal = false) {
    Seqs seqs;
    for (const SearchHit& hit : page(words, 0, 20, internal).hits) seqs.push_back(hit.seq);
    return seqs;
  }
  /// The index comes behind by itself, in the order of the journal: when it has what was said last, it has everything.
  void wait_for_index() {
    const std::string mark = "mark" + std::to_string(++marks_) + "z";
    const std::uint64_t seq = say(mark);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (found(mark) != Seqs({seq})) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "not indexed within 20 s";
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  static constexpr ConversationId kConv{64001};
  std::uint64_t n = 1;

 private:
  int marks_ = 0;
};

TEST_F(SearchTest, FindsPartsOfChineseTextsAndOfWords) {
  begin();
  say("您好，我要退款，订单号是 A1024");
  say("Where is my REFUND?");
  wait_for_index();
  EXPECT_EQ(found("退款"), Seqs({2}));
  EXPECT_EQ(found("款退"), Seqs({})) << "both characters are there, but not so";
  EXPECT_EQ(found("fund"), Seqs({3}));
  EXPECT_EQ(found("ａ１０２４"), Seqs({2}));
  EXPECT_EQ(found("款"), Seqs({})) << "a single character finds nothing";
  EXPECT_EQ(found("%_'\"\\ AND *"), Seqs({}));
}

TEST_F(SearchTest, SaysWhereAHitStandsAndWhatOfItMatches) {
  begin();
  say("🙂 I want a REFUND, please: refund me");
  append(home, journal(), note(kConv, 1, "gave a refund"));
  wait_for_index();
  const SearchPage all = page("refund", 0, 20, true);
  ASSERT_EQ(all.hits.size(), 2u);
  EXPECT_EQ(all.hits[0].type, EntryType::kNote);
  EXPECT_EQ(all.hits[0].audience, Audience::kInternal);
  EXPECT_EQ(all.hits[0].from, Principal::agent(kAgent));
  const SearchHit& hit = all.hits[1];
  EXPECT_EQ(hit.conv, kConv);
  EXPECT_EQ(hit.seq, 2u);
  EXPECT_EQ(hit.ts_ns, kNow + 2'000'000);
  EXPECT_EQ(hit.from, Principal::visitor(kVisitor));
  EXPECT_EQ(hit.snippet, "🙂 I want a REFUND, please: refund me");
  EXPECT_EQ(hit.matches, (std::vector<SearchHit::Range>{{11, 17}, {27, 33}})) << "characters, not bytes";
}

TEST_F(SearchTest, ShowsPhrasesFirstThenTheNewest) {
  begin();
  say("policy about a refund");
  say("the refund policy");
  say("REFUND POLICY!");
  say("policy only");
  wait_for_index();
  EXPECT_EQ(found("refund policy"), Seqs({4, 3, 2}));
}

TEST_F(SearchTest, GivesEveryHitOnceOverItsPages) {
  begin();
  for (int i = 0; i < 30; ++i) say(i % 3 == 0 ? "blue whale" : i % 3 == 1 ? "the whale is blue" : "no fish");
  wait_for_index();
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

TEST_F(SearchTest, FollowsEditsAndRecalls) {
  begin();
  const std::uint64_t edited = say("the old words");
  const std::uint64_t recalled = say("to be recalled");
  wait_for_index();
  EXPECT_EQ(found("old words"), Seqs({edited}));
  change(EntryType::kEdit, edited, "quite different");
  change(EntryType::kRecall, recalled, "");
  wait_for_index();
  EXPECT_EQ(found("old words"), Seqs({}));
  EXPECT_EQ(found("quite different"), Seqs({edited})) << "and the edit itself is no hit";
  EXPECT_EQ(found("to be recalled"), Seqs({}));
  const std::uint64_t hasty = say("new, and edited in the same breath");
  change(EntryType::kEdit, hasty, "edited at once");
  change(EntryType::kEdit, hasty, "edited twice");
  wait_for_index();
  EXPECT_EQ(found("edited twice"), Seqs({hasty}));
  EXPECT_EQ(found("at once"), Seqs({}));
  EXPECT_EQ(found("same breath"), Seqs({}));
}

TEST_F(SearchTest, ShowsNotesOnlyToThoseWhoMaySeeThem) {
  begin();
  append(home, journal(), note(kConv, 1, "secret discount"));
  wait_for_index();
  EXPECT_EQ(found("discount"), Seqs({}));
  EXPECT_EQ(found("discount", true), Seqs({2}));
}

TEST_F(SearchTest, KeepsTenantsApart) {
  begin();
  Append foreign = opening(ConversationId{64002}, "same words", VisitorId{5});
  foreign.tenant = TenantId{999};
  append(home, journal(), foreign);
  say("same words");
  wait_for_index();
  const SearchPage mine = page("same words");
  ASSERT_EQ(mine.hits.size(), 1u);
  EXPECT_EQ(mine.hits[0].conv, kConv);
  const SearchPage theirs = page("same words", 0, 20, false, TenantId{999});
  ASSERT_EQ(theirs.hits.size(), 1u);
  EXPECT_EQ(theirs.hits[0].conv, ConversationId{64002});
}

TEST_F(SearchTest, GoesOnWhereItStoodAfterARestart) {
  begin();
  const std::uint64_t before = say("written before");
  wait_for_index();
  reopen();
  const std::uint64_t after = say("written after");
  wait_for_index();
  EXPECT_EQ(found("written"), Seqs({after, before}));
  EXPECT_EQ(store->search()->lag_seconds(), 0);
}

}  // namespace
}  // namespace parley::store::test
