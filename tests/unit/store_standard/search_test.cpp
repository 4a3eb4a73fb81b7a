#include "standard_fixture.hpp"

namespace parley::store::test {
namespace {
using Fixture = StandardStoreTest;
}
}  // namespace parley::store::test

#include "unit/store/search_contract.hpp"

namespace parley::store::test {
namespace {

TEST_F(SearchTest, CanBeSwitchedOff) {
  store.reset();
  options.search = false;
  open();
  EXPECT_EQ(store->search(), nullptr);
}

}  // namespace
}  // namespace parley::store::test
