#include "parley/domain/sender.hpp"

#include <gtest/gtest.h>

#include <unordered_set>

namespace parley::domain {
namespace {

using protocol::Code;
using Kind = SenderState::Kind;

SendResult answer(std::uint64_t n, std::uint64_t hash, std::uint64_t seq, Code code = Code::kOk) {
  return {
      .n = n, .hash = hash, .seq = seq, .ts_ns = static_cast<std::int64_t>(1000 + n), .id = MessageId{n}, .code = code};
}

/// A sender that was answered 1…count; hash of n is 100 + n, seq is 200 + n.
SenderState answered(std::uint64_t count) {
  SenderState state;
  for (std::uint64_t n = 1; n <= count; ++n) state.remember(answer(n, 100 + n, 200 + n));
  return state;
}

TEST(SenderState, BeginsWithOneAndRefusesToBeginLater) {
  const SenderState state;
  EXPECT_EQ(state.expected(), 1u);
  EXPECT_EQ(state.look(1, 7, false).kind, Kind::kNext);
  EXPECT_EQ(state.look(2, 7, false).kind, Kind::kGap);
  EXPECT_EQ(state.look(2, 7, true).kind, Kind::kGap) << "a void closes the next hole, not a later one";
  EXPECT_EQ(state.look(0, 7, false).kind, Kind::kTooOld);
  EXPECT_EQ(state.last_used_ns(), 0);
}

TEST(SenderState, GivesTheFirstAnswerAgain) {
  const SenderState state = answered(3);
  const SenderState::Look look = state.look(2, 102, false);
  ASSERT_EQ(look.kind, Kind::kDuplicate);
  ASSERT_NE(look.result, nullptr);
  EXPECT_EQ(look.result->seq, 202u);
  EXPECT_EQ(look.result->id, MessageId{2});
  EXPECT_EQ(look.result->ts_ns, 1002);
  EXPECT_EQ(state.look(4, 0, false).kind, Kind::kNext);
  EXPECT_EQ(state.look(5, 0, false).kind, Kind::kGap);
}

TEST(SenderState, FindsOtherContentUnderTheSameNumber) {
  const SenderState state = answered(3);
  const SenderState::Look look = state.look(2, 999, false);
  ASSERT_EQ(look.kind, Kind::kConflict);
  EXPECT_EQ(look.result->seq, 202u) << "a log may say which entry it collided with";
}

TEST(SenderState, RemembersSixteenAnswersAndForgetsTheSeventeenth) {
  const SenderState state = answered(40);
  EXPECT_EQ(state.last_n(), 40u);
  for (std::uint64_t n = 25; n <= 40; ++n) EXPECT_EQ(state.look(n, 100 + n, false).kind, Kind::kDuplicate) << n;
  for (std::uint64_t n = 1; n <= 24; ++n) {
    EXPECT_EQ(state.look(n, 100 + n, false).kind, Kind::kTooOld) << n;
    EXPECT_EQ(state.look(n, 100 + n, true).kind, Kind::kTooOld) << "a void cannot know either, n " << n;
  }
  EXPECT_EQ(state.look(24, 124, false).result, nullptr);
}

TEST(SenderState, RepeatsARefusalAndKeepsItApartFromAVoid) {
  SenderState state;
  state.remember(answer(1, 101, 0, Code::kFiltered));
  const SenderState::Look again = state.look(1, 101, false);
  ASSERT_EQ(again.kind, Kind::kDuplicate);
  EXPECT_EQ(again.result->code, Code::kFiltered);
  EXPECT_EQ(state.look(1, 999, false).kind, Kind::kConflict)
      << "the refused number is used: a corrected text takes a new one";
  EXPECT_EQ(state.look(1, 999, true).result->code, Code::kFiltered) << "a void of a refused send learns of the refusal";
}

TEST(SenderState, AnswersAVoidWithWhateverStandsUnderItsNumber) {
  const SenderState state = answered(2);
  const SenderState::Look look = state.look(2, 0, true);
  ASSERT_EQ(look.kind, Kind::kDuplicate);
  EXPECT_EQ(look.result->seq, 202u);
  EXPECT_EQ(state.look(3, 0, true).kind, Kind::kNext);
}

TEST(SenderState, TellsASendThatItsVoidOvertookThatTheNumberWasGivenUp) {
  SenderState state;
  state.remember(answer(1, 0, 0));
  const SenderState::Look late = state.look(1, 101, false);
  ASSERT_EQ(late.kind, Kind::kDuplicate);
  EXPECT_EQ(late.result->seq, 0u) << "it was not stored and never will be";
  EXPECT_EQ(state.look(1, 0, true).kind, Kind::kDuplicate);
  EXPECT_EQ(state.expected(), 2u);
}

TEST(SenderState, IsRestoredFromAnyNumber) {
  SenderState state;
  for (std::uint64_t n = 1000; n < 1016; ++n) state.restore(answer(n, 100 + n, 200 + n));
  EXPECT_EQ(state.expected(), 1016u);
  EXPECT_EQ(state.look(1000, 1100, false).kind, Kind::kDuplicate);
  EXPECT_EQ(state.look(999, 1099, false).kind, Kind::kTooOld);
  EXPECT_EQ(state.look(1, 101, false).kind, Kind::kTooOld);
  EXPECT_EQ(state.look(1016, 0, false).kind, Kind::kNext);
  EXPECT_EQ(state.last_used_ns(), 2015);
}

TEST(SenderState, RestoredFromFewAnswersKnowsOnlyThose) {
  SenderState state;
  state.restore(answer(7, 107, 207));
  EXPECT_EQ(state.look(7, 107, false).kind, Kind::kDuplicate);
  EXPECT_EQ(state.look(6, 106, false).kind, Kind::kTooOld);
  EXPECT_EQ(state.look(8, 108, false).kind, Kind::kNext);
  state.remember(answer(8, 108, 208));
  EXPECT_EQ(state.look(8, 108, false).result->seq, 208u);
}

TEST(SenderState, IgnoresAnOlderAnswerInARestore) {
  SenderState state;
  state.restore(answer(7, 107, 207));
  state.restore(answer(6, 106, 206));
  state.restore(answer(7, 999, 999));
  EXPECT_EQ(state.last_n(), 7u);
  EXPECT_EQ(state.look(7, 107, false).result->seq, 207u);
  EXPECT_EQ(state.look(6, 106, false).kind, Kind::kTooOld);
}

TEST(SenderState, KeepsTheNewestTimeEvenIfTheClockWentBack) {
  SenderState state;
  state.restore({.n = 1, .hash = 1, .seq = 1, .ts_ns = 5000});
  state.restore({.n = 2, .hash = 2, .seq = 2, .ts_ns = 4000});
  EXPECT_EQ(state.last_used_ns(), 5000);
}

TEST(SenderKey, TellsPrincipalsAndDevicesApart) {
  DevId one, two;
  one.bytes[0] = 1;
  two.bytes[11] = 1;
  std::unordered_set<SenderKey, SenderKeyHash> keys;
  for (const DevId& dev : {one, two}) {
    keys.insert({Principal::visitor(VisitorId{5}), dev});
    keys.insert({Principal::agent(AgentId{5}), dev});
    keys.insert({Principal::visitor(VisitorId{6}), dev});
  }
  EXPECT_EQ(keys.size(), 6u);
  EXPECT_TRUE(keys.contains({Principal::agent(AgentId{5}), one}));
  const SenderKeyHash hash;
  EXPECT_NE(hash({Principal::visitor(VisitorId{5}), one}), hash({Principal::visitor(VisitorId{5}), two}));
  EXPECT_NE(hash({Principal::visitor(VisitorId{5}), one}), hash({Principal::agent(AgentId{5}), one}));
}

}  // namespace
}  // namespace parley::domain
