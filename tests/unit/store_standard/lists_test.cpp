#include "standard_fixture.hpp"

namespace parley::store::test {
namespace {
using Fixture = StandardStoreTest;
}
}  // namespace parley::store::test

#include "unit/store/lists_contract.hpp"
