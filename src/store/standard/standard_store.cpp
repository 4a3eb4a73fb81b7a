#include "parley/store/standard_store.hpp"

#include <future>
#include <stdexcept>
#include <thread>

#include "archive_search.hpp"
#include "flusher.hpp"
#include "parley/base/bytes.hpp"
#include "parley/obs/log.hpp"
#include "postgres/migrations.hpp"
#include "postgres/pg_connection.hpp"
#include "postgres/postgres_database.hpp"
#include "recovery.hpp"
#include "redis/endpoint.hpp"
#include "redis_journal.hpp"
#include "search.hpp"
#include "sqlite/folder.hpp"

namespace parley::store {
namespace {

using namespace std::chrono_literals;
using namespace standard;

constexpr std::chrono::milliseconds kConnect = 3s, kAnswer = 10s, kRetry = 200ms;
constexpr auto kDrain = 5s;

/// Calls `attempt` until it returns an empty string; throws what it said last when `until` has passed, and tells what
/// it said first at once.
template <class Attempt>
void wait_for(std::chrono::steady_clock::time_point until, Attempt attempt) {
  for (bool told = false;;) {
    const std::string why = attempt();
    if (why.empty()) return;
    if (!std::exchange(told, true)) log::warn("store_start_waits", "reason={}", log::quote(why));
    if (std::chrono::steady_clock::now() >= until) throw std::runtime_error("store: " + why);
    std::this_thread::sleep_for(kRetry);
  }
}

redis::Endpoint endpoint_of(const StandardOptions& options) {
  Result<redis::Endpoint> endpoint = redis::parse_endpoint(options.redis_url);
  if (!endpoint) throw std::runtime_error("redis.url: " + endpoint.error().detail);
  return *endpoint;
}

class StandardStore final : public Store {
 public:
  explicit StandardStore(const StandardOptions& options)
      : folder_(options.folder),
        shared_(std::make_shared<JournalShared>(options, endpoint_of(options))),
        redis_(shared_->endpoint, kConnect, kAnswer) {
    open(options);
  }
  ~StandardStore() override { stop(); }

  Journal& journal() override { return *journal_; }
  Database& database() override { return *database_; }
  MessageSearch* search() override { return search_.get(); }

  void attach(const std::vector<Reactor*>& reactors) override {
    journal_->attach(reactors, [this] { look_after_archive(); });
    flusher_->start();
    if (indexer_) indexer_->start();
  }
  std::int64_t snowflake_floor_ms() const override { return recovered_.snowflake_floor_ms; }
  void reserve_snowflakes(std::int64_t ms) override { journal_->reserve_snowflakes(ms); }
  void drain() override { journal_->close(kDrain); }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    drain();
    flusher_->stop();
    if (search_) search_->stop();
    if (indexer_) indexer_->stop();
    database_->stop();
    try {
      if (!shared_->lost()) redis_.call(redis::release_command(recovered_.lease));
    } catch (const redis::ConnectionError& error) {
      log::debug("lease_not_released", "cause={}", log::quote(error.what()));  // it expires
    }
  }

  Stats stats() const override {
    Stats stats;
    stats.commits = shared_->commits.load(std::memory_order_relaxed);
    stats.items = shared_->items.load(std::memory_order_relaxed);
    stats.failed_commits = shared_->failed_commits.load(std::memory_order_relaxed);
    stats.commit_ns_sum = shared_->commit_ns.load(std::memory_order_relaxed);
    stats.queued = shared_->queued.load(std::memory_order_relaxed);
    stats.archived = true;
    const Flusher::Stats flusher = flusher_->stats();
    stats.backlog_items = flusher.backlog_items;
    stats.backlog_bytes = flusher.backlog_bytes;
    stats.flush_lag_seconds = flusher.lag_seconds;
    stats.flushed_items = flusher.flushed_items;
    stats.flush_failures = flusher.failures;
    stats.dead_letters = flusher.dead_letters;
    if (search_) stats.search_lag_seconds = search_->lag_seconds();
    stats.redis_reconnects = journal_->reconnects();
    return stats;
  }

 private:
  void open(const StandardOptions& options) {
    const auto until = std::chrono::steady_clock::now() + options.start;
    PgOptions postgres;
    postgres.conninfo = options.postgres;
    postgres.statement = 60s;
    PgConnection archive(postgres);
    // What each of the servers takes its time for, a new schema or a file to be rewritten, does not concern the other.
    std::future<void> examined = std::async(std::launch::async, [&] { prepare_redis(until); });
    prepare_postgres(archive, options.postgres, until);
    examined.get();
    PostgresDatabaseOptions database;
    database.conninfo = options.postgres;
    database.readers = options.readers;
    database_ = make_postgres_database(database);  // connects meanwhile
    recovered_ = recover(*shared_, redis_, archive);
    redis_.disconnect();

    journal_ = std::make_unique<RedisJournal>(shared_, recovered_.lease, *database_);
    FlusherOptions flusher;
    flusher.endpoint = shared_->endpoint;
    flusher.prefix = options.redis_prefix;
    flusher.shards = options.shards;
    flusher.postgres = options.postgres;
    flusher.owner_token = std::to_string(shared_->fence) + ":" + hex_encode(random_bytes(8));
    flusher_ = std::make_unique<Flusher>(flusher, [this](unsigned shard, std::uint64_t counter, Flusher::Heads heads) {
      journal_->on_archived(shard, counter, std::move(heads));
    });
    if (!options.search) return;
    SearchReaderOptions search;
    search.postgres = options.postgres;
    search.shards = options.shards;
    indexer_ = std::make_unique<SearchReader>(search);
    search_ = std::make_unique<ArchiveSearch>(options.postgres, *indexer_);
  }

  static void prepare_postgres(PgConnection& archive, const std::string& conninfo,
                               std::chrono::steady_clock::time_point until) {
    wait_for(until, [&]() -> std::string {
      try {
        archive.query("select 1", {});
        return {};
      } catch (const SqlError& error) {
        return std::string("PostgreSQL cannot be reached: ") + error.what() + "; check postgres.url and the server";
      }
    });
    if (!postgres::is_current(archive)) postgres::migrate(conninfo);
  }

  void prepare_redis(std::chrono::steady_clock::time_point until) {
    wait_for(until, [&]() -> std::string {
      try {
        const redis::Reply reply = redis_.call({"PING"});
        return reply.is_error() ? "Redis at " + redis::describe(shared_->endpoint) + " refuses: " + reply.text : "";
      } catch (const redis::ConnectionError& error) {
        return "Redis at " + redis::describe(shared_->endpoint) + " cannot be reached: " + error.what() +
               "; check redis.url and the server";
      }
    });
    examine(redis_);
  }

  /// On the first reactor, once a second.
  void look_after_archive() {
    const Flusher::Stats flusher = flusher_->stats();
    const std::uint64_t high = shared_->options.backlog_bytes_max;
    const bool was_full = shared_->backlog_full.load(std::memory_order_relaxed);
    const bool is_full = flusher.backlog_bytes > (was_full ? high / 10 * 9 : high);
    if (is_full != was_full) {
      shared_->backlog_full.store(is_full, std::memory_order_relaxed);
      log::warn(is_full ? "journal_backlog_full" : "journal_backlog_shrunk", "bytes={} limit={}", flusher.backlog_bytes,
                high);
    }
    const std::string trouble = flusher_->trouble();
    if (trouble.starts_with("fenced")) shared_->lose(trouble);
    std::string reason;
    if (is_full)
      reason = "too much waits for the archive (" + std::to_string(flusher.backlog_bytes >> 20) + " MiB)" +
               (trouble.empty() ? "" : ": " + trouble);
    else if (trouble.starts_with("shard"))
      reason = "archive: " + trouble;
    shared_->trouble("archive", reason);
  }

  Folder folder_;
  std::shared_ptr<JournalShared> shared_;
  redis::BlockingClient redis_;
  Recovered recovered_;
  std::unique_ptr<PostgresDatabase> database_;
  std::unique_ptr<RedisJournal> journal_;
  std::unique_ptr<Flusher> flusher_;
  std::unique_ptr<SearchReader> indexer_;
  std::unique_ptr<ArchiveSearch> search_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Store> open_standard_store(const StandardOptions& options) {
  try {
    return std::make_unique<StandardStore>(options);
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: PostgreSQL: ") + error.what() +
                             "; check postgres.url, the server and its rights");
  } catch (const redis::ConnectionError& error) {
    throw std::runtime_error(std::string("store: Redis: ") + error.what() + "; check redis.url and the server");
  }
}

}  // namespace parley::store
