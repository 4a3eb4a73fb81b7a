#include "parley/domain/conversation.hpp"

#include <gtest/gtest.h>

#include "parley/base/bytes.hpp"

namespace parley::domain {
namespace {

const Principal kVisitor = Principal::visitor(VisitorId{21});
const Principal kLiNa = Principal::agent(AgentId{11});
const Principal kBot{PrincipalKind::kBot, 31};

EntryFacts text(std::uint64_t seq, Principal from, std::string_view words, std::int64_t ts_ns) {
  return {.type = EntryType::kText, .from = from, .seq = seq, .ts_ns = ts_ns, .pos = seq + 1000, .text = words};
}

/// A conversation opened by the visitor at time 10.
ConversationMeta opened() {
  ConversationMeta meta;
  EntryFacts first = text(1, kVisitor, "Hello", 10);
  first.change = {Status::kWaiting, std::nullopt, false};
  apply(meta, first);
  return meta;
}

TEST(Apply, OpensAConversationWithItsFirstText) {
  const ConversationMeta meta = opened();
  EXPECT_EQ(meta.status, Status::kWaiting);
  EXPECT_EQ(meta.head, 1u);
  EXPECT_EQ(meta.public_head, 1u);
  EXPECT_EQ(meta.last_pos, 1001u);
  EXPECT_EQ(meta.created_ns, 10);
  EXPECT_EQ(meta.waiting_since_ns, 10);
  EXPECT_EQ(meta.last_ts_ns, 10);
  EXPECT_EQ(meta.last_text_seq, 1u);
  EXPECT_EQ(meta.last_from, 'v');
  EXPECT_EQ(meta.preview, "Hello");
  EXPECT_EQ(meta.claim, 0u);
  EXPECT_EQ(meta.first_response_ns, 0);
}

TEST(Apply, KeepsTheTimeOfOpeningThatTheStoreGave) {
  ConversationMeta meta;
  meta.created_ns = 7;
  apply(meta, text(1, kVisitor, "Hello", 10));
  EXPECT_EQ(meta.created_ns, 7);
}

TEST(Apply, HidesNotesFromThePublicHeadAndThePreview) {
  ConversationMeta meta = opened();
  apply(meta, {.type = EntryType::kNote,
               .audience = Audience::kInternal,
               .from = kLiNa,
               .seq = 2,
               .ts_ns = 20,
               .pos = 9000,
               .text = "secret"});
  EXPECT_EQ(meta.head, 2u);
  EXPECT_EQ(meta.public_head, 1u);
  EXPECT_EQ(meta.last_pos, 9000u) << "agents are told of notes too";
  EXPECT_EQ(meta.preview, "Hello");
  EXPECT_EQ(meta.last_ts_ns, 10);
  EXPECT_EQ(meta.first_response_ns, 0) << "a note answers nobody";
}

TEST(Apply, TakesOnlyTheFirstTextOfAnAgentAsTheFirstResponse) {
  ConversationMeta meta = opened();
  apply(meta, text(2, kBot, "I am a bot", 20));
  EXPECT_EQ(meta.first_response_ns, 0) << "people wait for people";
  apply(meta, text(3, kLiNa, "Hi", 30));
  apply(meta, text(4, kLiNa, "again", 40));
  EXPECT_EQ(meta.first_response_ns, 30);
  EXPECT_EQ(meta.last_from, 'a');
}

TEST(Apply, CountsTheClaimAndEndsTheWaiting) {
  ConversationMeta meta = opened();
  apply(meta, {.type = EntryType::kClaim,
               .from = kLiNa,
               .seq = 2,
               .ts_ns = 20,
               .change = {Status::kActive, AgentId{11}, true}});
  EXPECT_EQ(meta.status, Status::kActive);
  EXPECT_EQ(meta.assignee, AgentId{11});
  EXPECT_EQ(meta.claim, 1u);
  EXPECT_EQ(meta.waiting_since_ns, 0);
  apply(meta, {.type = EntryType::kAssign,
               .from = kLiNa,
               .seq = 3,
               .ts_ns = 30,
               .change = {Status::kWaiting, AgentId{0}, true}});
  EXPECT_EQ(meta.status, Status::kWaiting);
  EXPECT_FALSE(meta.assignee);
  EXPECT_EQ(meta.claim, 2u);
  EXPECT_EQ(meta.waiting_since_ns, 30);
}

TEST(Apply, DoesNotTakeAPlaceInTheQueueFromSomebodyWhoIsPutIntoItAgain) {
  ConversationMeta meta = opened();
  apply(meta, {.type = EntryType::kAssign,
               .from = kLiNa,
               .seq = 2,
               .ts_ns = 99,
               .change = {Status::kWaiting, AgentId{0}, true}});
  EXPECT_EQ(meta.waiting_since_ns, 10);
}

TEST(Apply, RemembersWhoClosedAndForgetsItOnReopening) {
  ConversationMeta meta = opened();
  apply(meta, {.type = EntryType::kClaim,
               .from = kLiNa,
               .seq = 2,
               .ts_ns = 20,
               .change = {Status::kActive, AgentId{11}, true}});
  apply(meta, {.type = EntryType::kClose,
               .from = kLiNa,
               .seq = 3,
               .ts_ns = 30,
               .text = "solved",
               .change = {Status::kClosed, std::nullopt, false}});
  EXPECT_EQ(meta.status, Status::kClosed);
  EXPECT_EQ(meta.closed_ns, 30);
  EXPECT_EQ(meta.closed_by, kLiNa);
  EXPECT_EQ(meta.closed_reason, "solved");
  EXPECT_EQ(meta.assignee, AgentId{11}) << "lists of closed conversations show whose it was";
  EXPECT_EQ(meta.preview, "Hello") << "a reason is not a message";
  EntryFacts back = text(4, kVisitor, "One more thing", 40);
  back.change = {Status::kWaiting, AgentId{0}, true};
  apply(meta, back);
  EXPECT_EQ(meta.status, Status::kWaiting);
  EXPECT_EQ(meta.closed_ns, 0);
  EXPECT_EQ(meta.closed_by, Principal{});
  EXPECT_EQ(meta.closed_reason, "");
  EXPECT_EQ(meta.waiting_since_ns, 40);
  EXPECT_EQ(meta.preview, "One more thing");
}

TEST(Apply, LetsThePreviewFollowEditsAndRecallsOfTheLastTextOnly) {
  ConversationMeta meta = opened();
  apply(meta, text(2, kVisitor, "Secnd", 20));
  apply(meta,
        {.type = EntryType::kEdit, .from = kVisitor, .seq = 3, .ts_ns = 30, .text = "Old one, edited", .target = 1});
  EXPECT_EQ(meta.preview, "Secnd");
  apply(meta, {.type = EntryType::kEdit, .from = kVisitor, .seq = 4, .ts_ns = 40, .text = "Second", .target = 2});
  EXPECT_EQ(meta.preview, "Second");
  EXPECT_EQ(meta.last_ts_ns, 20) << "an edit does not move a conversation up the list";
  apply(meta, {.type = EntryType::kRecall, .from = kVisitor, .seq = 5, .ts_ns = 50, .target = 1});
  EXPECT_EQ(meta.preview, "Second");
  apply(meta, {.type = EntryType::kRecall, .from = kVisitor, .seq = 6, .ts_ns = 60, .target = 2});
  EXPECT_EQ(meta.preview, "") << "a list must not show what was withdrawn";
  EXPECT_EQ(meta.last_text_seq, 2u);
}

TEST(Apply, IgnoresRecordsWithoutASeqAndReplays) {
  ConversationMeta meta = opened();
  apply(meta, {.type = EntryType::kVoid, .from = kVisitor, .seq = 0, .ts_ns = 99, .pos = 5555});
  apply(meta, {.type = EntryType::kRefusal,
               .from = kVisitor,
               .seq = 2,
               .ts_ns = 99,
               .pos = 5555,
               .change = {Status::kClosed, std::nullopt, true}});
  apply(meta, text(1, kVisitor, "replayed", 99));
  EXPECT_EQ(meta.head, 1u);
  EXPECT_EQ(meta.last_pos, 1001u);
  EXPECT_EQ(meta.preview, "Hello");
  EXPECT_EQ(meta.status, Status::kWaiting);
  EXPECT_EQ(meta.claim, 0u);
}

TEST(PreviewOf, KeepsAShortTextAndPutsItOnOneLine) {
  EXPECT_EQ(preview_of(""), "");
  EXPECT_EQ(preview_of("Hello"), "Hello");
  EXPECT_EQ(preview_of("a\nb\r\nc\rd\ve\ff"), "a b c d e f");
  EXPECT_EQ(preview_of("a\xC2\x85"
                       "b\xE2\x80\xA8"
                       "c\xE2\x80\xA9"
                       "d"),
            "a b c d");
  EXPECT_EQ(preview_of("caf\u00e9 \u4f60\u597d \U0001F600"), "caf\u00e9 \u4f60\u597d \U0001F600");
}

TEST(PreviewOf, CutsAtCodePointsAndNeverExceedsTheLimit) {
  EXPECT_EQ(preview_of("12345", 5), "12345");
  EXPECT_EQ(preview_of("123456", 5), "1234…");
  EXPECT_EQ(preview_of("\u4f60\u597d\u4e16\u754c", 3), "\u4f60\u597d…");
  EXPECT_EQ(preview_of("\U0001F600\U0001F601\U0001F602", 2), "\U0001F600…");
  EXPECT_EQ(preview_of("ab", 1), "…");
  EXPECT_EQ(preview_of("ab", 0), "");
  EXPECT_EQ(preview_of("a\r\n", 2), "a ");
  EXPECT_EQ(preview_of("12345678\u4f60\n", 10), "12345678\u4f60 ")
      << "the line break is in the second word of eight bytes";
  EXPECT_EQ(preview_of("ab\ncd", 4), "ab …");
  EXPECT_EQ(preview_of("ab\r\ncd", 3), "ab…") << "the line break itself makes room";
  EXPECT_EQ(preview_of("\u00c2\u00e2 \u2026\n\u2028", 6), "\u00c2\u00e2 \u2026  ");
  EXPECT_EQ(preview_of("a\tb"), "a\tb");
  const std::string cut = preview_of(std::string(4000, 'x'));
  EXPECT_EQ(code_points(cut), 120u);
  EXPECT_TRUE(is_utf8(cut));
}

}  // namespace
}  // namespace parley::domain
