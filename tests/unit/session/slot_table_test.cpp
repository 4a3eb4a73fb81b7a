#include "session/slot_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace parley::session {
namespace {

using Table = SlotTable<int>;

TEST(SlotTable, FindsWhatWasPut) {
  Table table;
  const std::uint64_t key = table.claim();
  EXPECT_NE(key, 0u);
  EXPECT_EQ(table.find(key), nullptr) << "claimed only";
  table.put(key, std::make_unique<int>(5));
  ASSERT_NE(table.find(key), nullptr);
  EXPECT_EQ(*table.find(key), 5);
  EXPECT_EQ(table.size(), 1u);
}

TEST(SlotTable, TheKeyOfSomebodyWhoIsGoneFindsNobody) {
  Table table;
  const std::uint64_t gone = table.claim();
  table.put(gone, std::make_unique<int>(1));
  EXPECT_EQ(*table.take(gone), 1);
  const std::uint64_t next = table.claim();
  table.put(next, std::make_unique<int>(2));
  EXPECT_NE(next, gone) << "also in the same slot";
  EXPECT_EQ(table.find(gone), nullptr);
  EXPECT_EQ(table.take(gone), nullptr);
  EXPECT_EQ(*table.find(next), 2);
}

TEST(SlotTable, KeysAreGivenOnceAndFitIn56Bits) {
  Table table;
  std::set<std::uint64_t> keys;
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t key = table.claim();
    EXPECT_TRUE(keys.insert(key).second);
    EXPECT_LT(key, std::uint64_t{1} << 56);
    table.put(key, std::make_unique<int>(round));
    if (round % 3 != 0) table.take(key);
  }
  std::size_t left = 0;
  table.each([&](int) { ++left; });
  EXPECT_EQ(left, table.size());
  EXPECT_EQ(left, 334u);
}

TEST(SlotTable, KeysNobodyWasGivenFindNobody) {
  Table table;
  table.put(table.claim(), std::make_unique<int>(1));
  for (const std::uint64_t key : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 24 | 9})
    EXPECT_EQ(table.find(key), nullptr) << key;
}

}  // namespace
}  // namespace parley::session
