#pragma once
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "postgres/archive.hpp"
#include "postgres/migrations.hpp"
#include "postgres/pg_connection.hpp"
#include "redis/blocking_client.hpp"
#include "redis/functions.hpp"
#include "redis/setup.hpp"
#include "standard/flusher.hpp"
#include "support/servers.hpp"
#include "unit/store/store_fixture.hpp"

namespace parley::store::standard::test {

using namespace std::chrono_literals;
using namespace parley::store::test;
using parley::test::eventually;
using parley::test::PostgresServer;
using parley::test::RedisServer;

inline constexpr std::uint64_t kFence = 1, kIncarnation = 1;

/// The journal in a Redis of its own, filled through the function library as the daemon does, and an archive in a
/// database of its own.
class JournalAndArchive {
 public:
  explicit JournalAndArchive(PostgresServer& server = PostgresServer::shared(), unsigned shard_count = 1)
      : shards(shard_count),
        conninfo(server.create_database()),
        redis(endpoint(), 2000ms, 5000ms),
        sql(PgOptions{.conninfo = conninfo}) {
    ::signal(SIGPIPE, SIG_IGN);  // as the daemon does
    postgres::migrate(conninfo);
    set_up_redis();
  }

  redis::Endpoint endpoint() const {
    redis::Endpoint there;
    there.unix_socket = redis_server.unix_socket();
    return there;
  }
  void set_up_redis(std::uint64_t counter_min = 0) {
    redis::load_library(redis, redis::kLibraryName, redis::kLibrarySource);
    for (unsigned shard = 0; shard < shards; ++shard)
      ask(redis::fence_command(keys(shard), kFence, kIncarnation, counter_min, shard, shards));
  }
  redis::Keys keys(unsigned shard = 0) const { return redis::Keys("test", shard); }
  template <class AnyCommand = redis::Command>
  redis::Reply ask(const AnyCommand& command) {
    redis::Reply reply = redis.call(command);
    if (reply.is_error()) throw std::runtime_error(reply.text);
    return reply;
  }

  /// One entry of the log. Returns its counter.
  std::uint64_t append(const std::vector<Append>& items, unsigned shard = 0) {
    std::vector<redis::ItemNotes> notes(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      notes[i].absent_is_new = true;
      if (!items[i].opening) continue;
      notes[i].number = ++numbers;
      notes[i].epoch = "epoch1";
    }
    redis::Writer writer;
    writer.fence = kFence;
    writer.now_s = 1'763'715'600;
    const std::vector<const Append*> list = redis::item_list(items);
    const redis::AppendCommand command = redis::encode_append(keys(shard), writer, list, notes);
    const auto reply = redis::decode_append(command, list, ask(command.command));
    if (!reply) throw std::runtime_error("append: " + reply.error().detail);
    outcomes = reply->outcomes;
    return reply->counter;
  }
  std::uint64_t append(const Append& item) { return append(std::vector<Append>{item}); }
  /// A conversation with texts 1 to `count` of its visitor, each an entry of the log.
  void talk(ConversationId conv, std::uint64_t count) {
    append(store::test::opening(conv, "hello", VisitorId{conv.value}));
    for (std::uint64_t n = 2; n <= count; ++n)
      append(store::test::text(conv, n, "text " + std::to_string(n), Principal::visitor(VisitorId{conv.value})));
  }

  FlusherOptions options(const std::string& owner = "1:test") const {
    FlusherOptions options;
    options.endpoint = endpoint();
    options.prefix = "test";
    options.shards = shards;
    options.postgres = conninfo;
    options.owner_token = owner;
    options.idle_wait = 5ms;
    options.retry_min = 10ms;
    options.retry_max = 50ms;
    options.drain = 2000ms;
    return options;
  }
  std::int64_t number(const std::string& statement) {
    const auto rows = sql.query(statement, {});
    return rows.empty() ? -1 : rows[0].i64(0);
  }
  std::string text(const std::string& statement) {
    const auto rows = sql.query(statement, {});
    return rows.empty() ? "(no row)" : rows[0].text(0);
  }
  std::int64_t count(const std::string& table) { return number("select count(*) from " + table); }
  std::uint64_t log_length(unsigned shard = 0) {
    return static_cast<std::uint64_t>(ask({"XLEN", keys(shard).log}).integer);
  }

  const unsigned shards;
  RedisServer redis_server{memory_only()};
  const std::string conninfo;
  redis::BlockingClient redis;
  PgConnection sql;
  std::uint64_t numbers = 0;
  std::vector<redis::Outcome> outcomes;

 private:
  static RedisServer::Options memory_only() {
    RedisServer::Options options;
    options.appendonly = false;
    return options;
  }
};

/// A flusher that runs, and what it reported.
class RunningFlusher {
 public:
  explicit RunningFlusher(FlusherOptions options)
      : flusher(std::move(options), [this](unsigned, std::uint64_t upto, Flusher::Heads batch) {
          std::lock_guard lock(mutex);
          counter = upto;
          for (const auto& [conv, seq] : batch) heads[conv] = seq;
        }) {
    flusher.start();
  }
  bool sync(std::chrono::milliseconds patience = 10s) { return flusher.request_sync(patience); }
  std::uint64_t head(ConversationId conv) {
    std::lock_guard lock(mutex);
    return heads[conv];
  }

  std::mutex mutex;
  std::uint64_t counter = 0;
  std::map<ConversationId, std::uint64_t> heads;
  Flusher flusher;  // last: it ends first
};

}  // namespace parley::store::standard::test
