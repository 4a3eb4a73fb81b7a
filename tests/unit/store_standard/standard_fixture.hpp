#pragma once
#include "parley/store/standard_store.hpp"
#include "postgres/migrations.hpp"
#include "postgres/pg_connection.hpp"
#include "postgres/postgres_database.hpp"
#include "redis/blocking_client.hpp"
#include "redis/endpoint.hpp"
#include "redis/functions.hpp"
#include "redis/lease.hpp"
#include "standard/flusher.hpp"
#include "standard/recovery.hpp"
#include "standard/redis_journal.hpp"
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
    asking.disconnect();  // the server may have been restarted since
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

/// The journal of a standard store without anything that archives: what is appended stays in Redis until archive().
class BareStore {
 public:
  BareStore(const StandardOptions& options, std::vector<Reactor*> reactors)
      : options_(options),
        shared_(std::make_shared<standard::JournalShared>(options, *redis::parse_endpoint(options.redis_url))),
        redis_(shared_->endpoint, kPatience, kPatience) {
    postgres::migrate(options.postgres);
    PgOptions how;
    how.conninfo = options.postgres;
    PgConnection archive(how);
    recovered_ = standard::recover(*shared_, redis_, archive);
    PostgresDatabaseOptions database;
    database.conninfo = options.postgres;
    database_ = make_postgres_database(database);
    journal_ = std::make_unique<standard::RedisJournal>(shared_, recovered_.lease, *database_);
    journal_->attach(reactors, [] {});
  }
  ~BareStore() {
    journal_->close(kPatience);
    database_->stop();
    redis_.call(redis::release_command(recovered_.lease));
  }
  standard::RedisJournal& journal() { return *journal_; }
  standard::JournalShared& shared() { return *shared_; }

  /// Everything that is in the journal now.
  void archive() {
    standard::FlusherOptions how;
    how.endpoint = shared_->endpoint;
    how.prefix = options_.redis_prefix;
    how.shards = options_.shards;
    how.postgres = options_.postgres;
    how.owner_token = std::to_string(shared_->fence) + ":" + std::to_string(++flushers_);
    standard::Flusher flusher(how, [this](unsigned shard, std::uint64_t counter, standard::Flusher::Heads heads) {
      journal_->on_archived(shard, counter, std::move(heads));
    });
    flusher.start();
    const bool done = flusher.request_sync(kPatience);
    flusher.stop();
    if (!done) throw std::runtime_error("not archived: " + flusher.trouble());
  }

 private:
  static constexpr std::chrono::milliseconds kPatience{10'000};
  const StandardOptions options_;
  std::shared_ptr<standard::JournalShared> shared_;
  redis::BlockingClient redis_;
  standard::Recovered recovered_;
  std::unique_ptr<PostgresDatabase> database_;
  std::unique_ptr<standard::RedisJournal> journal_;
  int flushers_ = 0;
};

/// Tests that say themselves when a BareStore is opened.
class BareStoreTest : public StandardStoreTest {
 protected:
  void SetUp() override { open_bare(); }
  void TearDown() override { bare.reset(); }
  void open_bare() {
    bare.reset();
    bare = std::make_unique<BareStore>(options, std::vector<Reactor*>{&home.reactor()});
  }
  Journal& journal() { return bare->journal(); }
  std::unique_ptr<BareStore> bare;
};

/// Tests that stop, freeze or empty their Redis.
class OwnRedisTest : public StandardStoreTest {
 protected:
  explicit OwnRedisTest(parley::test::RedisServer::Options how = parley::test::RedisServer::Options())
      : OwnRedisTest(std::make_unique<parley::test::RedisServer>(how)) {}
  void TearDown() override { store.reset(); }
  void command(const redis::Command& command) {
    const redis::Reply reply = asking.call(command);
    if (reply.is_error()) throw std::runtime_error(reply.text);
  }

 private:
  explicit OwnRedisTest(std::unique_ptr<parley::test::RedisServer> which)
      : StandardStoreTest(*which), own_(std::move(which)) {}
  std::unique_ptr<parley::test::RedisServer> own_;
};

}  // namespace parley::store::test
