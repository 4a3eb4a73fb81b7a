#include <gtest/gtest.h>

#include "standard/folding.hpp"
#include "standard/projections.hpp"
#include "standard/unflushed_index.hpp"

namespace parley::store::standard {
namespace {

constexpr ConversationId kConv{7001};

IndexEntry entry(std::uint64_t seq, std::uint64_t counter, EntryType kind = EntryType::kText,
                 std::uint64_t target = 0) {
  IndexEntry out;
  out.seq = seq;
  out.counter = counter;
  out.kind = kind;
  out.target = target;
  return out;
}
std::string seqs(const UnflushedIndex& index, ConversationId conv = kConv) {
  std::string out;
  for (const IndexEntry& found : index.of(conv).entries) out += std::to_string(found.seq) + " ";
  return out;
}

TEST(UnflushedIndex, ForgetsWhatIsArchived) {
  UnflushedIndex index(1);
  for (std::uint64_t seq = 1; seq <= 4; ++seq) index.add(kConv, 0, entry(seq, 10 + seq));
  EXPECT_EQ(index.first(kConv), 1u);
  index.archived(0, 12, {{kConv, 2}});
  EXPECT_EQ(seqs(index), "3 4 ");
  EXPECT_EQ(index.first(kConv), 3u);
  index.archived(0, 14, {{kConv, 4}});
  EXPECT_EQ(seqs(index), "");
  EXPECT_FALSE(index.first(kConv));
}

TEST(UnflushedIndex, DoesNotTakeWhatWasArchivedBeforeItsAnswerCame) {
  UnflushedIndex index(2);
  index.archived(1, 12, {{kConv, 2}});
  index.add(kConv, 1, entry(2, 12));
  EXPECT_EQ(seqs(index), "");
  index.add(kConv, 1, entry(3, 14));
  index.add(ConversationId{7002}, 0, entry(1, 4));
  EXPECT_EQ(seqs(index), "3 ");
  EXPECT_EQ(index.of(kConv).shard, 1u);
  EXPECT_EQ(seqs(index, ConversationId{7002}), "1 ") << "shards count for themselves";
}

TEST(UnflushedIndex, TakesAnEntryOnce) {
  UnflushedIndex index(1);
  index.add(kConv, 0, entry(1, 1));
  index.add(kConv, 0, entry(2, 2));
  index.add(kConv, 0, entry(2, 2));
  EXPECT_EQ(seqs(index), "1 2 ");
}

TEST(UnflushedIndex, SaysWhatIsArchivedWhenAnEntryIsAdded) {
  UnflushedIndex index(1);
  EXPECT_EQ(index.add(kConv, 0, entry(5, 11)), 4u) << "entries come one after the other, so the one before is archived";
  EXPECT_EQ(index.add(kConv, 0, entry(6, 12)), 4u);
  EXPECT_EQ(index.add(kConv, 0, entry(6, 12)), 4u) << "once more";
  index.archived(0, 11, {{kConv, 5}});
  EXPECT_EQ(index.add(kConv, 0, entry(7, 13)), 5u);
  index.archived(0, 14, {{kConv, 8}});
  EXPECT_EQ(index.add(kConv, 0, entry(8, 14)), 8u) << "archived before its answer came";
  EXPECT_EQ(index.add(kConv, 0, entry(9, 15)), 8u);
}

TEST(Folding, FollowsEditsOfUnarchivedEntries) {
  const Folding folding({entry(5, 1), entry(6, 1, EntryType::kEdit, 5), entry(7, 1, EntryType::kEdit, 5)}, {});
  ASSERT_TRUE(folding.of(5));
  EXPECT_EQ(folding.of(5)->rev, 7u);
  EXPECT_EQ(folding.of(5)->edit, 7u);
  ASSERT_TRUE(folding.of(6)) << "it still holds the text that was replaced";
  EXPECT_TRUE(folding.of(6)->erased);
  EXPECT_EQ(folding.of(6)->rev, 7u);
  EXPECT_FALSE(folding.of(7));
}

TEST(Folding, GoesOnFromWhatTheArchiveHas) {
  const std::vector<IndexEntry> entries = {entry(9, 1, EntryType::kEdit, 3), entry(10, 1, EntryType::kRecall, 4),
                                           entry(11, 1, EntryType::kEdit, 4), entry(12, 1, EntryType::kEdit, 5)};
  EXPECT_EQ(archived_targets(entries), (std::vector<std::uint64_t>{3, 4, 5}));
  const Folding folding(entries, {{3, {8, false}}, {4, {4, false}}, {5, {7, true}}});
  EXPECT_EQ(folding.of(3)->edit, 9u);
  EXPECT_TRUE(folding.of(8)->erased) << "the archived edit";
  EXPECT_TRUE(folding.of(4)->erased);
  EXPECT_EQ(folding.of(4)->rev, 10u) << "an edit does not bring back what was recalled";
  EXPECT_TRUE(folding.of(5)->erased) << "recalled in the archive already";
  EXPECT_EQ(folding.of(5)->rev, 7u);
}

TEST(Folding, LeavesAloneWhatTheArchiveHasFoldedMeanwhile) {
  const Folding folding({entry(9, 1, EntryType::kEdit, 3)}, {{3, {9, false}}});
  StoredEntry stored;
  stored.seq = 3;
  stored.rev = 9;
  stored.body = R"({"text":"new"})";
  ASSERT_TRUE(folding.of(3));
  Folding::apply(*folding.of(3), R"({"text":"other"})", stored);
  EXPECT_EQ(stored.body, R"({"text":"new"})");
}

domain::EntryFacts words(std::uint64_t seq, std::string_view text) {
  domain::EntryFacts facts;
  facts.seq = seq;
  facts.pos = seq;
  facts.ts_ns = 1;
  facts.from = Principal{PrincipalKind::kVisitor, 1};
  facts.text = text;
  return facts;
}
domain::ConversationMeta meta(std::uint64_t head) {
  domain::ConversationMeta out;
  out.id = kConv;
  out.tenant = TenantId{1};
  out.head = head;
  return out;
}

TEST(Projections, FollowTheEntriesOfWhatIsKnown) {
  Projections projections(10);
  projections.open(meta(0));
  projections.apply(TenantId{1}, kConv, words(1, "one"));
  projections.apply(TenantId{1}, kConv, words(2, "two"));
  ASSERT_TRUE(projections.find(kConv));
  EXPECT_EQ(projections.find(kConv)->preview, "two");
  const auto dirty = projections.take_dirty(10);
  ASSERT_EQ(dirty.size(), 1u);
  EXPECT_EQ(dirty[0].head, 2u);
  EXPECT_TRUE(projections.take_dirty(10).empty());
  projections.mark_dirty(kConv);
  EXPECT_EQ(projections.take_dirty(10).size(), 1u);
}

TEST(Projections, EntriesWaitForWhatIsNotKnown) {
  Projections projections(10);
  projections.apply(TenantId{1}, kConv, words(6, "six"));
  projections.apply(TenantId{1}, kConv, words(7, "seven"));
  EXPECT_FALSE(projections.find(kConv));
  ASSERT_EQ(projections.take_wanted().size(), 1u);
  EXPECT_TRUE(projections.take_wanted().empty()) << "asked for once";
  projections.ask_again(kConv);
  EXPECT_EQ(projections.take_wanted().size(), 1u);
  projections.put(meta(5));
  ASSERT_TRUE(projections.find(kConv));
  EXPECT_EQ(projections.find(kConv)->preview, "seven");
  EXPECT_EQ(projections.take_dirty(10).size(), 1u);
}

TEST(Projections, AskAgainWhenEntriesAreMissingInBetween) {
  Projections projections(10);
  projections.apply(TenantId{1}, kConv, words(6, "six"));
  projections.take_wanted();
  projections.put(meta(3));
  EXPECT_FALSE(projections.find(kConv));
  EXPECT_EQ(projections.take_wanted().size(), 1u);
  projections.put(meta(6));
  EXPECT_TRUE(projections.find(kConv));
}

TEST(Projections, AreWrittenInTheOrderInWhichTheyChanged) {
  Projections projections(10);
  for (const std::uint64_t id : {1, 2, 3, 1, 4}) {
    const ConversationId conv{id};
    domain::ConversationMeta one = meta(0);
    one.id = conv;
    if (!projections.find(conv)) projections.open(one);
    projections.apply(TenantId{1}, conv, words(projections.find(conv)->head + 1, "x"));
  }
  EXPECT_EQ(projections.dirty_count(), 4u);
  const auto first = projections.take_dirty(2);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].id, ConversationId{1}) << "who talks on does not move back";
  EXPECT_EQ(first[0].head, 2u);
  EXPECT_EQ(first[1].id, ConversationId{2});
  projections.apply(TenantId{1}, ConversationId{1}, words(3, "x"));
  const auto rest = projections.take_dirty(10);
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(rest[2].id, ConversationId{1}) << "and queues anew once it is written";
  EXPECT_FALSE(projections.has_dirty());
}

TEST(Projections, ForgetTheOldestCleanOnes) {
  Projections projections(2);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    domain::ConversationMeta one = meta(0);
    one.id = ConversationId{id};
    projections.open(one);
    projections.apply(TenantId{1}, one.id, words(1, "x"));
  }
  projections.trim();
  EXPECT_TRUE(projections.find(ConversationId{1})) << "not written yet";
  projections.take_dirty(10);
  projections.trim();
  EXPECT_FALSE(projections.find(ConversationId{1}));
  EXPECT_TRUE(projections.find(ConversationId{3}));
}

}  // namespace
}  // namespace parley::store::standard
