#include <gmock/gmock.h>
#include <sqlite3.h>

#include "parley/store/movable.hpp"
#include "parley/store/repositories.hpp"
#include "store_fixture.hpp"

namespace parley::store::test {
namespace {

using namespace std::chrono_literals;

class Freeze : public StoreTest {
 protected:
  Result<std::uint64_t> freeze(std::uint64_t token, std::chrono::milliseconds time) {
    return home.run<Result<std::uint64_t>>([this, token, time] { return store->movable()->freeze(token, time); });
  }
  Result<> thaw(std::uint64_t token) {
    return home.run<Result<>>([this, token] { return store->movable()->thaw(token); });
  }
  Result<> retire(std::uint64_t token) {
    return home.run<Result<>>([this, token] { return store->movable()->retire(token, "elsewhere"); });
  }
  Result<bool> write_tenant() {
    return home.run<Result<bool>>([this] {
      return store->database().write([](Sql& sql) -> Result<bool> {
        Tenant tenant;
        tenant.id = kTenant;
        tenant.slug = tenant.name = "shop";
        tenants::insert(sql, tenant);
        return true;
      });
    });
  }
  std::int64_t number(const char* sql) {
    sqlite3* db = nullptr;
    sqlite3_stmt* row = nullptr;
    sqlite3_open_v2((options.folder / "parley.db").c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
    sqlite3_prepare_v2(db, sql, -1, &row, nullptr);
    const std::int64_t value = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : -1;
    sqlite3_finalize(row);
    sqlite3_close(db);
    return value;
  }
  static constexpr ConversationId kConv{64};
};

TEST_F(Freeze, RefusesWhatWouldChangeTheStoreAndLetsReadingGoOn) {
  append(home, journal(), opening(kConv, "hello"));
  const Result<std::uint64_t> token = freeze(0, 60s);
  ASSERT_TRUE(token);
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "now?")).code, Code::kJournalDown);
  const Result<bool> written = write_tenant();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::kUnavailable);
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 1u);
  EXPECT_EQ(load(home, journal(), kConv)->meta.head, 1u);
  ASSERT_TRUE(thaw(*token));
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "now?")).seq, 2u) << "the number was not used up";
  EXPECT_TRUE(write_tenant());
}

TEST_F(Freeze, EverythingAcceptedBeforeStandsInTheRows) {
  std::vector<Append> batch;
  batch.push_back(opening(kConv, "hello"));
  for (std::uint64_t n = 2; n <= 50; ++n) batch.push_back(text(kConv, n, "more"));
  append(home, journal(), std::move(batch));
  journal().save_marks({{kConv, Principal::agent(kAgent), 7, 5}});
  ASSERT_TRUE(freeze(0, 60s));
  EXPECT_EQ(number("select head from conversation"), 50);
  EXPECT_EQ(number("select value from store_meta where key = 'projected_pos'"), 50);
  EXPECT_EQ(number("select rcv_seq from receipt"), 7);
}

TEST_F(Freeze, EndsByItselfWhenNobodyProlongsIt) {
  append(home, journal(), opening(kConv, "hello"));
  const Result<std::uint64_t> token = freeze(0, 30ms);
  ASSERT_TRUE(token);
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (append(home, journal(), text(kConv, 2, "now?")).code != Code::kOk)
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  const Result<std::uint64_t> late = freeze(*token, 60s);
  ASSERT_FALSE(late) << "something may have changed meanwhile";
  EXPECT_EQ(late.error().code, Errc::kConflict);
  EXPECT_FALSE(retire(*token));
}

TEST_F(Freeze, ASecondOneEndsTheFirst) {
  const Result<std::uint64_t> first = freeze(0, 60s);
  const Result<std::uint64_t> second = freeze(0, 60s);
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_FALSE(freeze(*first, 60s));
  EXPECT_FALSE(retire(*first));
  ASSERT_TRUE(thaw(*first)) << "harmless";
  EXPECT_EQ(append(home, journal(), opening(kConv, "hello")).code, Code::kJournalDown) << "the second one holds";
  EXPECT_TRUE(freeze(*second, 60s));
}

TEST_F(Freeze, ARetiredStoreTakesNothingAndIsNotOpenedAgain) {
  append(home, journal(), opening(kConv, "hello"));
  const Result<std::uint64_t> token = freeze(0, 60s);
  ASSERT_TRUE(token);
  ASSERT_TRUE(retire(*token));
  ASSERT_TRUE(thaw(*token));
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "now?")).code, Code::kJournalDown);
  store.reset();
  try {
    open();
    FAIL() << "it was opened";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("elsewhere"), testing::HasSubstr("store.mode")));
  }
}

}  // namespace
}  // namespace parley::store::test
