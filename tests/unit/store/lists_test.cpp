#include "store_fixture.hpp"

namespace parley::store::test {
namespace {
using Fixture = StoreTest;
}
}  // namespace parley::store::test

#include "unit/store/lists_contract.hpp"

namespace parley::store::test {
namespace {

TEST_F(ListsTest, ForgottenConversationsComeBackAsTheyWere) {
  store.reset();
  options.conversations_max = 1;
  open();
  for (std::uint64_t id = 1; id <= 20; ++id) open_one(id);
  for (std::uint64_t id = 1; id <= 20; ++id) {
    Append second = text(ConversationId{id}, 2, "second", Principal::visitor(VisitorId{id}));
    EXPECT_EQ(append(home, journal(), second).seq, 2u);
  }
  // Longer than the rows may lag behind: all are written and most are forgotten.
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  append(home, journal(), text(ConversationId{1}, 3, "third", Principal::visitor(VisitorId{1})));
  for (std::uint64_t id = 1; id <= 20; ++id) {
    EXPECT_TRUE(append(home, journal(), text(ConversationId{id}, 2, "second", Principal::visitor(VisitorId{id}))).dup);
  }
}

TEST_F(ListsTest, SendersAreForgottenEightDaysAfterTheirLastSend) {
  constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const int days_ago[] = {9, 7, 0};
  for (std::uint64_t id = 1; id <= 3; ++id) {
    Append first = opening(ConversationId{id}, "Hello", VisitorId{id});
    first.ts_ns = now - days_ago[id - 1] * kDayNs;
    append(home, journal(), first);
  }
  store.reset();
  options.testing.sweep_ms = 1;
  open();
  std::string left;
  for (int i = 0; i < 400 && left != "2 3 "; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    auto rows = home.run<Result<std::string>>([this]() {
      return store->database().read([](Sql& sql) -> Result<std::string> {
        std::string convs;
        for (const SqlRow& row : sql.query("select conv from sender_state order by conv", {}))
          convs += std::to_string(row.i64(0)) + " ";
        return convs;
      });
    });
    left = *rows;
  }
  EXPECT_EQ(left, "2 3 ");
}

}  // namespace
}  // namespace parley::store::test
