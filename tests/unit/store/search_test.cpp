#include "store_fixture.hpp"

namespace parley::store::test {
namespace {
using Fixture = StoreTest;
}
}  // namespace parley::store::test

#include <sqlite3.h>

#include <fstream>

#include "store/bigrams.hpp"
#include "store/sqlite/search_file.hpp"
#include "unit/store/search_contract.hpp"

namespace parley::store::test {
namespace {

/// The embedded store's index is a file of its own, which may always be lost.
class SearchFileTest : public SearchTest {
 protected:
  std::filesystem::path file() const { return options.folder / "search.db"; }
  std::vector<std::uint64_t> positions(const std::string& words) {
    return SearchFile(file()).find(tokens_of(kTenant, fold_text(words).text), UINT64_MAX >> 1, 10);
  }
};

TEST_F(SearchFileTest, IsMadeAnewWhenItIsGone) {
  begin();
  const std::uint64_t seq = say("still found");
  wait_for_index();
  store.reset();
  SearchFile::erase(file());
  open();
  wait_for_index();
  EXPECT_EQ(found("still found"), Seqs({seq}));
}

TEST_F(SearchFileTest, IsMadeAnewWhenItIsDamaged) {
  begin();
  const std::uint64_t seq = say("still found");
  wait_for_index();
  store.reset();
  SearchFile::erase(file());
  std::ofstream(file()) << "this is no database, and long enough to be taken for one by its size";
  open();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (;;) {
    SearchQuery query;
    query.tenant = kTenant;
    query.text = "still found";
    const Result<SearchPage> page = ask(query);
    if (page && !page->hits.empty()) {
      EXPECT_EQ(page->hits[0].seq, seq);
      break;
    }
    ASSERT_LT(std::chrono::steady_clock::now(), end) << (page ? "not found" : page.error().detail);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST_F(SearchFileTest, OfAnotherJournalIsNotBelieved) {
  begin();
  say("from a store that is not there any more");
  wait_for_index();
  store.reset();
  for (const char* name : {"parley.db", "parley.db-wal", "parley.db-shm"})
    std::filesystem::remove(options.folder / name);
  open();
  n = 1;
  // Ids of different journals differ, as they do outside of tests, also at the place up to which the index had come.
  for (Append item : {opening(kConv, "another beginning"), text(kConv, ++n, "one"), text(kConv, ++n, "two")}) {
    item.id = MessageId{item.id.value + 1};
    append(home, journal(), item);
  }
  wait_for_index();
  EXPECT_EQ(found("another beginning"), Seqs({1}));
  EXPECT_EQ(found("not there any more"), Seqs({}));
}

TEST_F(SearchFileTest, ForgetsWhatWasEditedOrRecalled) {
  begin();
  const std::uint64_t edited = say("first wording");
  const std::uint64_t recalled = say("regretted");
  wait_for_index();
  EXPECT_EQ(positions("wording").size(), 1u);
  EXPECT_EQ(positions("regretted").size(), 1u);
  change(EntryType::kEdit, edited, "second version");
  change(EntryType::kRecall, recalled, "");
  wait_for_index();
  EXPECT_TRUE(positions("wording").empty());
  EXPECT_TRUE(positions("regretted").empty());
  EXPECT_EQ(positions("version").size(), 1u);
  // Made anew, it must come to the same, though every text is there only as it is now, and beside it what it was.
  store.reset();
  SearchFile::erase(file());
  open();
  wait_for_index();
  EXPECT_TRUE(positions("wording").empty());
  EXPECT_TRUE(positions("regretted").empty());
  EXPECT_EQ(positions("version").size(), 1u);
}

TEST_F(SearchFileTest, GoesThroughALongJournalInPieces) {
  store.reset();
  options.search = false;
  open();
  EXPECT_EQ(store->search(), nullptr);
  begin();
  std::vector<Append> batch;
  for (int i = 0; i < 3000; ++i) {
    ++n;
    batch.push_back(text(kConv, n, "entry " + std::to_string(n)));
  }
  append(home, journal(), std::move(batch));
  store.reset();
  options.search = true;
  open();
  wait_for_index();
  EXPECT_EQ(found("2748"), Seqs({2748}));
  EXPECT_EQ(page("entry", 0, 50).hits.size(), 50u);
}

}  // namespace
}  // namespace parley::store::test
