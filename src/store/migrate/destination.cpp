#include "migrate/destination.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "parley/base/clock.hpp"
#include "postgres/migrations.hpp"
#include "redis/blocking_client.hpp"
#include "redis/endpoint.hpp"
#include "redis/functions.hpp"
#include "redis/setup.hpp"

namespace parley::store::moving {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kAnswer = 10min;  // one statement; an index over everything may be behind it
constexpr auto kRedisConnect = 5s, kRedisAnswer = 10s;
constexpr const char* kLock = "7018352694870831982";  // of all programs that move a store into this database

/// A new connection would not have the lock that the lost one had.
PgOptions once(const std::string& conninfo) {
  PgOptions options;
  options.conninfo = conninfo;
  options.statement = kAnswer;
  options.reconnects = false;
  return options;
}

/// A snapshot may wait long for the other side.
void unhurried(PgConnection& connection) { connection.execute("set idle_in_transaction_session_timeout = 0"); }

const char* text_of(Progress::State state) { return state == Progress::State::kMoved ? "moved" : "copying"; }

Progress progress_of(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) throw std::runtime_error("store: store_meta.move of the target cannot be read");
  Progress progress;
  progress.state = value.value("state", "") == "moved" ? Progress::State::kMoved : Progress::State::kCopying;
  progress.source = value.value("source", "");
  progress.copied_pos = value.value("copied_pos", std::uint64_t{0});
  return progress;
}

}  // namespace

Destination::Destination(const MoveOptions& options)
    : options_(options), writer_(once(options.postgres)), reader_(once(options.postgres)) {}

bool Destination::check(const std::string& source, MoveHost& host) {
  unhurried(writer_);
  bool schema = true;
  if (options_.dry_run) {
    const auto pending = postgres::pending(options_.postgres);
    schema = pending.size() < postgres::migrations().size();
    if (!pending.empty()) host.say("PostgreSQL: " + std::to_string(pending.size()) + " migrations would be run");
  } else {
    postgres::migrate(options_.postgres);
  }
  if (schema) check_postgres();
  check_redis(host);
  if (!schema) return false;
  if (progress_.state == Progress::State::kNone) {
    check_empty();
  } else if (progress_.source != source) {
    throw std::runtime_error(
        "store: the PostgreSQL database is being filled from another embedded store; give an empty database");
  }
  unhurried(reader_);
  return true;
}

void Destination::check_postgres() {
  const PgRows lock = writer_.run(std::string("select pg_try_advisory_lock(") + kLock + ")");
  if (lock.text(0, 0) != "t")
    throw std::runtime_error(
        "store: another parley migrate-store is at work on this database; wait until it has ended");
  const PgRows meta = writer_.run("select key, value from store_meta where key in ('store_id', 'move')");
  for (int i = 0; i < meta.size(); ++i) {
    if (meta.text(i, 0) == "store_id") store_id_ = std::string(meta.text(i, 1));
    if (meta.text(i, 0) == "move") progress_ = progress_of(meta.text(i, 1));
  }
  if (store_id_.empty()) throw std::runtime_error("store: the PostgreSQL database has no store_meta.store_id");
}

void Destination::check_empty() {
  for (const char* table : {"tenant", "account", "conversation", "message", "sender_state", "flush_progress"}) {
    const PgRows any = writer_.run(std::string("select 1 from ") + table + " limit 1");
    if (any.size() > 0)
      throw std::runtime_error(std::string("store: the PostgreSQL database is in use (its table ") + table +
                               " has rows); give an empty database");
  }
}

void Destination::check_redis(MoveHost& host) {
  const Result<redis::Endpoint> endpoint = redis::parse_endpoint(options_.redis_url);
  if (!endpoint) throw std::runtime_error("redis.url: " + endpoint.error().detail);
  redis::BlockingClient client(*endpoint, kRedisConnect, kRedisAnswer);
  for (const std::string& warning : redis::check_server(client).warnings) host.say("Redis: " + warning);
  // Not the key meta as such: a start that was refused has been there.
  const redis::Reply owner = client.call({"HEXISTS", options_.redis_prefix + ":meta", "store_id"});
  redis::Command exists{"EXISTS", options_.redis_prefix + ":numbers"};
  for (unsigned shard = 0; shard < options_.shards; ++shard) {
    const redis::Keys keys(options_.redis_prefix, shard);
    for (const std::string& key : {keys.state, keys.log, keys.proj}) exists.push_back(key);
  }
  const redis::Reply found = client.call(exists);
  for (const redis::Reply* reply : {&owner, &found}) {
    if (reply->is_error()) throw std::runtime_error("Redis at " + redis::describe(*endpoint) + ": " + reply->text);
  }
  // After the switch the new daemon has been there.
  if (owner.integer + found.integer != 0 && progress_.state != Progress::State::kMoved)
    throw std::runtime_error("store: Redis at " + redis::describe(*endpoint) + " has keys under the prefix \"" +
                             options_.redis_prefix + "\"; give another redis.prefix, or remove them");
}

void Destination::save(Progress progress) {
  progress_ = std::move(progress);
  const json value{{"state", text_of(progress_.state)},
                   {"source", progress_.source},
                   {"copied_pos", progress_.copied_pos},
                   {"at_ns", wall_ns()}};
  writer_.run(
      "insert into store_meta (key, value) values ('move', $1) on conflict (key) do update set value = excluded.value",
      {value.dump()});
}

void Destination::prepare_journal(std::uint64_t last_pos, std::int64_t snowflake_ms) {
  PgTransaction change(writer_);
  writer_.run("delete from flush_progress");
  for (std::uint64_t shard = 0; shard < options_.shards; ++shard) {
    // The next counter of a shard is one step further, so every new position is above all that were copied.
    std::uint64_t counter = redis::counter_of(last_pos) + 1;
    while (counter % options_.shards != shard) ++counter;
    writer_.run(
        "insert into flush_progress (shard, incarnation, counter, owner, updated_ns) values ($1, 0, $2, '', $3)",
        {std::to_string(shard), std::to_string(counter), std::to_string(wall_ns())});
  }
  writer_.run(
      "insert into store_meta (key, value) values ('snowflake_ms', $1) on conflict (key) do update set value = "
      "greatest(store_meta.value::bigint, excluded.value::bigint)::text",
      {std::to_string(snowflake_ms)});
  change.commit();
}

}  // namespace parley::store::moving
