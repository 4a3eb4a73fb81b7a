#include "store_fixture.hpp"

namespace parley::store::test {
namespace {
using Fixture = StoreTest;
}
}  // namespace parley::store::test

#include "unit/store/journal_contract.hpp"
