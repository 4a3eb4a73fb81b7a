// SQL statements: prepared anew each time, or kept prepared by their text as SqliteSql does. The statement is the
// look-up of a channel by its key, on the real schema, in memory.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "parley/store/repositories.hpp"
#include "samples.hpp"
#include "store/sqlite/connection.hpp"
#include "store/sqlite/migrations.hpp"

namespace parley::micro {
namespace {

using namespace parley::store;

constexpr const char* kByKey =
    "select id, tenant_id, kind, name, public_key, allowed_origins, settings, created_ns from channel where deleted_at "
    "is null and public_key = ?";

struct Channels {
  Channels() {
    migrate(db, migrations());
    SqliteSql sql(db);
    Tenant tenant;
    tenant.id = TenantId{1};
    tenant.slug = "bench";
    tenant.name = "Bench";
    tenants::insert(sql, tenant);
    Transaction filling(db);
    for (const std::size_t i : shuffled(1000)) {
      Channel channel;
      channel.id = ChannelId{i + 1};
      channel.tenant = tenant.id;
      channel.name = "Website";
      channel.public_key = "pk_" + std::to_string(mix64(i + 1));
      channels::insert(sql, channel);
      keys.push_back(channel.public_key);
    }
    filling.commit();
  }
  const std::string& next_key() {
    at = at + 1 == keys.size() ? 0 : at + 1;
    return keys[at];
  }
  Connection db{":memory:", Connection::Options{}};
  std::vector<std::string> keys;
  std::size_t at = 0;
};

/// Parsing and planning alone: what the cache spares.
void prepare(benchmark::State& state) {
  Channels channels;
  for (auto _ : state) {
    Statement statement(channels.db, kByKey);
    benchmark::DoNotOptimize(statement.handle());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(prepare)->Name("statement/prepare");

void query_prepared_anew(benchmark::State& state) {
  Channels channels;
  for (auto _ : state) {
    SqliteSql sql(channels.db);  // an empty cache
    if (!channels::by_key(sql, channels.next_key())) state.SkipWithError("a channel is missing");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(query_prepared_anew)->Name("statement/query_prepared_anew");

void query_cached(benchmark::State& state) {
  Channels channels;
  SqliteSql sql(channels.db);
  for (auto _ : state) {
    if (!channels::by_key(sql, channels.next_key())) state.SkipWithError("a channel is missing");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(query_cached)->Name("statement/query_cached");

}  // namespace
}  // namespace parley::micro
