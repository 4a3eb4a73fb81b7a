#include "parley/base/id_table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

namespace parley {
namespace {

struct Thing {
  int value = 0;
};
using Table = IdTable<ConversationId, Thing>;

TEST(IdTable, AnEmptyOneFindsNobody) {
  Table table;
  EXPECT_EQ(table.find(ConversationId{1}), nullptr);
  EXPECT_EQ(table.find(ConversationId{}), nullptr);
  EXPECT_EQ(table.take(ConversationId{1}), nullptr);
}

TEST(IdTable, TheIdZeroIsNobodys) {
  Table table;
  table.add(ConversationId{7}, std::make_unique<Thing>());
  EXPECT_EQ(table.find(ConversationId{}), nullptr);
  EXPECT_EQ(table.take(ConversationId{}), nullptr);
}

TEST(IdTable, ObjectsStayWhereTheyAreWhileItGrowsAndShrinks) {
  Table table;
  Thing* first = &table.add(ConversationId{1}, std::make_unique<Thing>());
  for (std::uint64_t id = 2; id < 5000; ++id) table.add(ConversationId{id}, std::make_unique<Thing>());
  for (std::uint64_t id = 2; id < 5000; ++id) table.erase(ConversationId{id});
  EXPECT_EQ(table.find(ConversationId{1}), first);
  EXPECT_EQ(table.size(), 1u);
}

TEST(IdTable, ObtainMakesWhatIsNotThere) {
  Table table;
  auto [made, fresh] = table.obtain(ConversationId{3});
  EXPECT_TRUE(fresh);
  made.value = 5;
  auto [known, again] = table.obtain(ConversationId{3});
  EXPECT_FALSE(again);
  EXPECT_EQ(known.value, 5);
}

// Few ids, so that chains of neighbours are long and removals move what follows back.
TEST(IdTable, DoesWhatAHashTableOfTheLibraryDoes) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Table table;
    std::unordered_map<std::uint64_t, int> expected;
    for (int step = 0; step < 20'000; ++step) {
      const std::uint64_t id = 1 + random() % 60;
      const ConversationId key{id};
      switch (random() % 3) {
        case 0: {
          auto [thing, fresh] = table.obtain(key);
          ASSERT_EQ(fresh, !expected.contains(id));
          thing.value = expected[id] = step;
          break;
        }
        case 1: {
          const std::unique_ptr<Thing> taken = table.take(key);
          ASSERT_EQ(taken != nullptr, expected.contains(id)) << "seed " << seed << " step " << step;
          if (taken) {
            ASSERT_EQ(taken->value, expected[id]);
          }
          expected.erase(id);
          break;
        }
        default: {
          const Thing* found = table.find(key);
          ASSERT_EQ(found != nullptr, expected.contains(id)) << "seed " << seed << " step " << step;
          if (found) {
            ASSERT_EQ(found->value, expected[id]);
          }
        }
      }
      ASSERT_EQ(table.size(), expected.size());
    }
    std::size_t visited = 0;
    table.each([&](ConversationId key, const Thing& thing) {
      ++visited;
      EXPECT_EQ(thing.value, expected.at(key.value));
    });
    EXPECT_EQ(visited, expected.size());
  }
}

}  // namespace
}  // namespace parley
