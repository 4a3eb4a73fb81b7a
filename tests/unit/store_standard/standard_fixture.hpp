#pragma once
#include "parley/store/standard_store.hpp"
#include "postgres/pg_connection.hpp"
#include "redis/blocking_client.hpp"
#include "redis/endpoint.hpp"
#include "redis/functions.hpp"
#include "support/servers.hpp"
#include "unit/store/journal_calls.hpp"

namespace parley::store::test {

/// One Redis for the tests of the program that do not stop it.
inline parley::test::RedisServer& shared_redis() {
  static parley::test::RedisServer server;
  return server;
}

/// A store with a database and a prefix of its own that can be closed and opened again.
class StandardStoreTest : public ::testing::Test {
 protected:
  StandardStoreTest() : StandardStoreTest(shared_redis()) {}
  explicit StandardStoreTest(parley::test::RedisServer& which)
      : server(which), asking(*redis::parse_endpoint(url()), kPatience, kPatience) {
    static int number = 0;
    options.folder = folder.path() / "data";
    options.redis_url = url();
    options.redis_prefix = "t" + std::to_string(++number);
    options.postgres = parley::test::PostgresServer::shared().create_database();
    options.start = std::chrono::milliseconds(10'000);
  }
  void SetUp() override { open(); }
  void open() {
    store = open_standard_store(options);
    store->attach({&home.reactor()});
  }
  void reopen() {
    store.reset();
    open();
  }
  Journal& journal() { return store->journal(); }

  /// Until everything appended is archived.
  void settle() {
    PgOptions how;
    how.conninfo = options.postgres;
    PgConnection archive(how);
    const bool settled = parley::test::eventually([&] {
      const auto rows = archive.query("select counter from flush_progress where shard = 0", {});
      return !rows.empty() && rows[0].u64(0) >= counter();
    });
    if (!settled) throw std::runtime_error("not archived within 10 s");
  }
  /// Of the only shard, as Redis has it.
  std::uint64_t counter() {
    const auto shard = redis::decode_shard(asking.call(redis::shard_command(keys())));
    return shard && *shard ? (*shard)->counter : 0;
  }
  redis::Keys keys() const { return redis::Keys(options.redis_prefix, 0); }
  /// Until health says so.
  bool healthy(bool wanted = true) {
    return parley::test::eventually([&] { return journal().health().ok == wanted; });
  }

  static constexpr std::chrono::milliseconds kPatience{5000};
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(server.port()) + "/0"; }

  parley::test::RedisServer& server;
  redis::BlockingClient asking;
  parley::test::TemporaryFolder folder;
  StandardOptions options;
  Home home;
  std::unique_ptr<Store> store;
};

}  // namespace parley::store::test
