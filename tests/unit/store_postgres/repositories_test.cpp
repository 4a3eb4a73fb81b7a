#include "postgres_fixture.hpp"
#include "unit/store/repositories_suite.hpp"

namespace parley::store::test {
namespace {

class PostgresEngine final : public Engine {
 public:
  PostgresEngine() : sql_(options_of(migrated_database())) {}
  Sql& sql() override { return sql_; }

 private:
  PgConnection sql_;
};
std::unique_ptr<Engine> make_engine() { return std::make_unique<PostgresEngine>(); }

INSTANTIATE_TEST_SUITE_P(Postgres, RepositoriesTest, ::testing::Values(EngineKind{"postgres", &make_engine}));

}  // namespace
}  // namespace parley::store::test
