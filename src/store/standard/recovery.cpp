#include "recovery.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "body_codec.hpp"
#include "epoch.hpp"
#include "message_facts.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"
#include "postgres/archive.hpp"
#include "redis/append_file.hpp"
#include "redis/endpoint.hpp"
#include "redis/functions.hpp"
#include "redis/setup.hpp"
#include "restored.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

// In the first format the conversations of a tenant were spread over all shards; with one shard that is the same.
constexpr const char* kFormatOfOne = "1";
constexpr const char* kFormatOfSeveral = "2";
constexpr std::size_t kRestoreAtOnce = 200;
constexpr std::size_t kLogAtOnce = 16;
constexpr std::int64_t kLatelyNs = 24LL * 3600 * 1'000'000'000;
constexpr std::int64_t kReserveMs = 6000;
constexpr std::uint64_t kNumbersSkipped = 64;  // that may have been given to conversations which are lost

/// A shard as both sides know it.
struct ShardState {
  std::optional<redis::Shard> redis;
  std::uint64_t archived_incarnation = 0, archived_counter = 0;
  bool behind = false;  ///< Redis lost something that the archive has
};

class Recovery {
 public:
  Recovery(JournalShared& shared, redis::BlockingClient& redis, Sql& archive)
      : shared_(shared), redis_(redis), archive_(archive), shards_(shared.options.shards) {}

  Recovered run() {
    redis::load_library(redis_, redis::kLibraryName, redis::kLibrarySource);
    Recovered out;
    out.lease = redis::acquire(redis_, shared_.options.redis_prefix, shared_.options.lease, 3 * shared_.options.lease);
    continue_fence(out.lease);
    identify();
    look_at_shards();
    take_over();
    if (std::any_of(shards_.begin(), shards_.end(), [](const ShardState& shard) { return shard.behind; })) repair();
    for (unsigned shard = 0; shard < shards_.size(); ++shard) index(shard);
    shared_.recovered_ms = to_ms(wall_ns());
    out.snowflake_floor_ms = reserve_snowflakes();
    return out;
  }

 private:
  const char* format() const { return shards_.size() == 1 ? kFormatOfOne : kFormatOfSeveral; }

  /// Redis counts the fences; one that forgot them goes on above those that the archive has seen.
  void continue_fence(redis::Lease& lease) {
    const std::uint64_t seen = number_of(archived_meta("fence"));
    if (lease.fence <= seen) {
      lease.fence = seen + 1;
      ask({"HSET", meta_key(), "fence", std::to_string(lease.fence)});
    }
    set_archived_meta("fence", std::to_string(lease.fence));
    shared_.fence = lease.fence;
  }

  void identify() {
    const redis::Reply meta = ask({"HMGET", meta_key(), "store_id", "shards", "format"});
    const std::string in_redis = meta.items.at(0).text, known_format = meta.items.at(2).text;
    store_id_ = archived_meta("store_id");  // from the first migration
    if (archived_meta("move").find("\"copying\"") != std::string::npos)
      throw std::runtime_error(
          "store: an embedded store is being moved into this PostgreSQL database, or that was interrupted; let "
          "parley migrate-store finish first");
    // Missing until the first start: this database has never been a store's archive.
    const std::string known_shards = archived_meta("shards");
    const std::string shards = std::to_string(shared_.options.shards);
    if (!in_redis.empty() && in_redis != store_id_)
      throw std::runtime_error("store: " + redis_name() + " and this PostgreSQL database belong to different stores (" +
                               in_redis + ", " + store_id_ +
                               "); name two that belong together, or restore the database from its backup");
    if (!known_shards.empty() && known_shards != shards)
      throw std::runtime_error("store: this store has " + known_shards +
                               " shards, which is fixed with the first start; set store.shards to " + known_shards);
    if (!known_format.empty() && known_format != format())
      throw std::runtime_error("store: " + redis_name() + " has the journal in format " + known_format +
                               ", and this program writes format " + format() + "; use the program that belongs to it");
    first_start_ = known_shards.empty();
    lost_ = !first_start_ && in_redis.empty();
    // The archive first: a start that ends in between looks like a Redis that was lost, and that is repaired.
    if (known_shards.empty()) set_archived_meta("shards", shards);
  }

  void look_at_shards() {
    incarnation_ = std::max<std::uint64_t>(1, number_of(archived_meta("incarnation")));
    for (unsigned shard = 0; shard < shards_.size(); ++shard) {
      ShardState& state = shards_[shard];
      const redis::Reply reply = redis_.call(redis::shard_command(shared_.keys[shard]));
      Result<std::optional<redis::Shard>> found = redis::decode_shard(reply);
      if (!found) throw std::runtime_error("store: " + redis_name() + ": " + found.error().detail);
      state.redis = *found;
      const auto rows = archive_.query("select incarnation, counter from flush_progress where shard = ?",
                                       {static_cast<std::int64_t>(shard)});
      if (!rows.empty()) {
        state.archived_incarnation = rows[0].u64(0);
        state.archived_counter = rows[0].u64(1);
      }
      state.behind = lost_ || (state.redis ? state.redis->counter : 0) < state.archived_counter;
      incarnation_ = std::max({incarnation_, state.archived_incarnation, state.redis ? state.redis->incarnation : 0});
    }
    if (std::any_of(shards_.begin(), shards_.end(), [](const ShardState& shard) { return shard.behind; }))
      ++incarnation_;
    set_archived_meta("incarnation", std::to_string(incarnation_));
    shared_.incarnation = static_cast<std::uint32_t>(incarnation_);
  }

  /// From here on whoever had the store before us is refused.
  void take_over() {
    for (unsigned shard = 0; shard < shards_.size(); ++shard) {
      const ShardState& state = shards_[shard];
      const std::uint64_t least = state.behind ? state.archived_counter + 1 : state.archived_counter;
      const redis::Reply reply = redis_.call(redis::fence_command(shared_.keys[shard], shared_.fence, incarnation_,
                                                                  least, shard, static_cast<unsigned>(shards_.size())));
      if (reply.is_error()) throw std::runtime_error("store: " + redis_name() + " refuses the start: " + reply.text);
      Result<std::optional<redis::Shard>> now = redis::decode_shard(reply);
      if (!now || !*now) throw std::runtime_error("store: " + redis_name() + " does not keep its shards");
      shared_.saw_counter(shard, (*now)->counter);
    }
  }

  void repair() {
    std::uint64_t snapshot = INT64_MAX;  // what came later is newer than Redis
    for (const ShardState& state : shards_) {
      if (state.behind && state.redis) snapshot = std::min(snapshot, redis::position(state.redis->counter + 1, 0));
    }
    const std::int64_t lately = wall_ns() - kLatelyNs;
    auto rows = archive_.query(
        "select id, tenant_id from conversation where status <> 3 or last_pos >= ? or last_ts_ns > ? or closed_ns > ? "
        "union select conv, tenant_id from sender_state where last_used_ns > ? and not exists (select 1 from "
        "conversation where id = conv)",
        {static_cast<std::int64_t>(snapshot), lately, lately, lately});
    std::vector<std::vector<ConversationState>> states(shards_.size());
    std::size_t restored = 0;
    for (const SqlRow& row : rows) {
      const ConversationId conv{row.u64(0)};
      const unsigned shard = shard_of(TenantId{row.u64(1)}, static_cast<unsigned>(shards_.size()));
      if (!shards_[shard].behind) continue;
      std::optional<archive::Archived> archived = archive::load(archive_, conv);
      if (!archived) continue;
      states[shard].push_back(std::move(archived->state));
      ++restored;
      if (states[shard].size() == kRestoreAtOnce) restore(shard, states[shard]);
    }
    for (unsigned shard = 0; shard < shards_.size(); ++shard) restore(shard, states[shard]);
    for (const SqlRow& row :
         archive_.query("select tenant_id, value from tenant_counter where name = 'conversation'", {})) {
      const std::string key = shared_.options.redis_prefix + ":numbers", tenant = std::to_string(row.u64(0));
      const std::uint64_t next = row.u64(1) + (first_start_ ? 0 : kNumbersSkipped);
      if (number_of(ask({"HGET", key, tenant}).text) < next) ask({"HSET", key, tenant, std::to_string(next)});
    }
    if (first_start_) {
      log::info("journal_filled", "conversations={}", restored);
      return;
    }
    log::warn("journal_repaired", "cause=\"{}\" incarnation={} conversations_restored={}",
              lost_ ? "Redis lost its data" : "Redis came back older than the archive", incarnation_, restored);
  }

  void restore(unsigned shard, std::vector<ConversationState>& states) {
    if (states.empty()) return;
    if (!first_start_) renew_epochs(states);
    // What this Redis has of them is older, and its epoch must not stay.
    redis::Command forget{"HDEL", shared_.keys[shard].state};
    std::vector<redis::Restored> items;
    for (const ConversationState& state : states) {
      items.push_back(restored_of(state));
      forget.push_back("m" + redis::conversation_id(state.meta.id));
    }
    ask(forget);
    ask(redis::restore_command(shared_.keys[shard], shared_.fence, wall_ns() / 1'000'000'000, items));
    states.clear();
  }

  void renew_epochs(std::vector<ConversationState>& states) {
    std::string ids = "{", epochs = "{";
    for (ConversationState& state : states) {
      state.meta.epoch = new_epoch();
      if (ids.size() > 1) {
        ids += ',';
        epochs += ',';
      }
      ids += state.meta.id.str();
      epochs += state.meta.epoch;
    }
    archive_.query(
        "update conversation set epoch = renewed.epoch from unnest(?::bigint[], ?::text[]) as renewed (id, epoch) "
        "where conversation.id = renewed.id",
        {ids + '}', epochs + '}'});
  }

  void index(unsigned shard) {
    const ShardState& state = shards_[shard];
    std::uint64_t incarnation = state.archived_incarnation, counter = state.archived_counter;
    shared_.index.archived(shard, counter, {});
    std::size_t entries = 0;
    for (;;) {
      redis::Reply page = ask(redis::read_log_command(shared_.keys[shard], incarnation, counter, kLogAtOnce));
      if (page.items.empty()) break;
      for (redis::Reply& element : page.items) {
        redis::LogEntry log;
        const Result<> read = redis::decode_log_entry(std::move(element), log);
        incarnation = log.incarnation;
        counter = log.counter;
        if (!read) {
          log::error("journal_entry_unreadable", "shard={} entry={}-{} cause={}", shard, incarnation, counter,
                     log::quote(read.error().detail));
          if (counter == 0) return;
          continue;
        }
        for (std::size_t i = 0; i < log.items.size(); ++i) {
          if (log.results[i].outcome != redis::Outcome::Kind::kEntry) continue;
          const protocol::PackItem& item = log.items[i];
          IndexEntry entry;
          entry.seq = log.results[i].seq;
          entry.counter = counter;
          entry.incarnation = static_cast<std::uint32_t>(incarnation);
          entry.index = static_cast<std::uint16_t>(i);
          entry.kind = item.kind;
          entry.audience = item.audience;
          if (item.kind == EntryType::kEdit || item.kind == EntryType::kRecall)
            entry.target = target_of(plain_body(item.codec, item.bytes));
          shared_.index.add(item.conv, shard, entry);
          ++entries;
        }
      }
    }
    if (entries > 0) log::info("journal_recovered", "shard={} entries_to_archive={}", shard, entries);
  }

  std::int64_t reserve_snowflakes() {
    const auto floor = static_cast<std::int64_t>(
        std::max(number_of(ask({"HGET", meta_key(), "snowflake_ms"}).text), number_of(archived_meta("snowflake_ms"))));
    const std::int64_t ahead = std::max(floor, to_ms(wall_ns())) + kReserveMs;
    set_archived_meta("snowflake_ms", std::to_string(ahead));  // for the day that Redis is lost
    // Last: a Redis that has its id counts as one that is in order.
    ask({"HSET", meta_key(), "snowflake_ms", std::to_string(ahead), "store_id", store_id_, "shards",
         std::to_string(shards_.size()), "format", format()});
    return floor;
  }

  redis::Reply ask(const redis::Command& command) {
    redis::Reply reply = redis_.call(command);
    if (!reply.is_error()) return reply;
    const std::string remedy = reply.error_word() == "OOM" ? "; raise its maxmemory" : "";
    throw std::runtime_error("store: " + redis_name() + " refuses " + command[0] + ": " + reply.text + remedy);
  }
  std::string redis_name() const {
    return "Redis at " + redis::describe(shared_.endpoint) + " (prefix \"" + shared_.options.redis_prefix + "\")";
  }
  std::string meta_key() const { return shared_.options.redis_prefix + ":meta"; }
  static std::uint64_t number_of(const std::string& text) {
    return text.empty() ? 0 : std::strtoull(text.c_str(), nullptr, 10);
  }
  std::string archived_meta(const std::string& key) {
    const auto rows = archive_.query("select value from store_meta where key = ?", {key});
    return rows.empty() ? std::string() : rows[0].text(0);
  }
  void set_archived_meta(const std::string& key, const std::string& value) {
    archive_.query(
        "insert into store_meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value",
        {key, value});
  }

  JournalShared& shared_;
  redis::BlockingClient& redis_;
  Sql& archive_;
  std::vector<ShardState> shards_;
  std::string store_id_;
  std::uint64_t incarnation_ = 1;
  bool lost_ = false, first_start_ = false;
};

}  // namespace

void examine(redis::BlockingClient& redis) {
  const redis::ServerFacts facts = redis::check_server(redis);
  for (const std::string& warning : facts.warnings) log::warn("redis_setup", "warning={}", log::quote(warning));
  if (!redis::guard_append_file(redis))
    log::warn("redis_setup", "warning=\"the append-only file could not be rewritten; its log may say why\"");
}

Recovered recover(JournalShared& shared, redis::BlockingClient& redis, Sql& archive) {
  return Recovery(shared, redis, archive).run();
}

}  // namespace parley::store::standard
