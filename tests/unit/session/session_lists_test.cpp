#include <gtest/gtest.h>

#include <vector>

#include "session/conversation_ids.hpp"
#include "session/push_window.hpp"

namespace parley::session {
namespace {

constexpr ConversationId kOne{1}, kTwo{2};

std::vector<std::uint64_t> values(const ConversationIds& ids) {
  std::vector<std::uint64_t> found;
  for (ConversationId id : ids) found.push_back(id.value);
  return found;
}

TEST(ConversationIds, KeepsTheOrderOfComingFromOneToMany) {
  ConversationIds ids;
  EXPECT_TRUE(ids.empty());
  EXPECT_FALSE(ids.contains(ConversationId{}));
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    ids.push_back(ConversationId{i});
    expected.push_back(i);
    EXPECT_EQ(values(ids), expected);
    EXPECT_EQ(ids.back().value, i);
    EXPECT_TRUE(ids.contains(ConversationId{i}));
    EXPECT_FALSE(ids.contains(ConversationId{i + 1}));
  }
}

TEST(ConversationIds, TheOldestLeavesFirst) {
  ConversationIds ids;
  for (std::uint64_t i = 1; i <= 3; ++i) ids.push_back(ConversationId{i});
  ids.pop_front();
  EXPECT_EQ(values(ids), (std::vector<std::uint64_t>{2, 3}));
  ids.pop_front();
  ids.pop_front();
  EXPECT_TRUE(ids.empty());
  ids.push_back(kTwo);
  EXPECT_EQ(values(ids), (std::vector<std::uint64_t>{2}));
}

TEST(PushWindow, AReceiptCoversItsConversationUpToItsSeq) {
  PushWindow window;
  window.push(kOne, 1, 100);
  window.push(kTwo, 7, 10);
  window.push(kOne, 2, 200);
  window.push(kOne, 3, 400);
  EXPECT_EQ(window.bytes(), 710u);
  window.cover(kOne, 2);
  EXPECT_EQ(window.bytes(), 410u);
  window.cover(kOne, 2);
  EXPECT_EQ(window.bytes(), 410u) << "said again";
  std::vector<std::uint64_t> left;
  for (const PushWindow::Pushed& pushed : window) left.push_back(pushed.seq);
  EXPECT_EQ(left, (std::vector<std::uint64_t>{7, 3})) << "in the order they were pushed";
  window.cover(kTwo, 100);
  window.cover(kOne, 3);
  EXPECT_EQ(window.bytes(), 0u);
  EXPECT_EQ(window.begin(), window.end());
}

TEST(PushWindow, GrowsAndBeginsAnewAfterItWasCleared) {
  PushWindow window;
  for (std::uint64_t seq = 1; seq <= 1000; ++seq) window.push(kOne, seq, 1);
  window.cover(kOne, 999);
  EXPECT_EQ(window.bytes(), 1u);
  window.clear();
  EXPECT_EQ(window.bytes(), 0u);
  EXPECT_EQ(window.begin(), window.end());
  window.push(kTwo, 5, 50);
  EXPECT_EQ(window.begin()->seq, 5u);
  EXPECT_EQ(window.bytes(), 50u);
}

}  // namespace
}  // namespace parley::session
