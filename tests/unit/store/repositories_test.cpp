#include "repositories_suite.hpp"
#include "store/sqlite/connection.hpp"
#include "store/sqlite/migrations.hpp"
#include "store_fixture.hpp"

namespace parley::store::test {
namespace {

class SqliteEngine final : public Engine {
 public:
  SqliteEngine() : db_(folder_.path() / "x.db", {}), sql_(db_) { migrate(db_, migrations()); }
  Sql& sql() override { return sql_; }

 private:
  TempFolder folder_;
  Connection db_;
  SqliteSql sql_;
};
std::unique_ptr<Engine> make_engine() { return std::make_unique<SqliteEngine>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, RepositoriesTest, ::testing::Values(EngineKind{"sqlite", &make_engine}));

}  // namespace
}  // namespace parley::store::test
