#include "standard/flusher.hpp"

#include <pthread.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"
#include "postgres/pg_bulk.hpp"
#include "postgres/pg_connection.hpp"
#include "redis/blocking_client.hpp"
#include "redis/functions.hpp"
#include "standard/flusher_batch.hpp"
#include "standard/flusher_entry.hpp"

namespace parley::store::standard {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kReadCountMax = 256;  // log entries of one XRANGE
constexpr auto kRedisConnect = 2000ms, kRedisAnswer = 5000ms;
constexpr auto kUpkeepEvery = 1s;
constexpr auto kSweepEvery = 60s;
constexpr std::int64_t kSweepRows = 2000;
constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;
constexpr std::int64_t kSenderLifeNs = 8 * kDayNs;  // as the embedded store
constexpr std::int64_t kMonthAheadNs = 2 * kDayNs;

/// Months since the year 0, of a time: the unit of partitions.
std::int64_t month_of(std::int64_t ts_ns) {
  const std::time_t seconds = static_cast<std::time_t>(ts_ns / 1'000'000'000);
  std::tm date{};
  ::gmtime_r(&seconds, &date);
  return std::int64_t{date.tm_year} * 12 + date.tm_mon;
}

std::uint64_t fence_of(std::string_view owner) {
  std::uint64_t fence = 0;
  std::from_chars(owner.data(), owner.data() + owner.size(), fence);
  return fence;
}

/// What was wrong with Redis' answer; it is asked again later.
class RedisRefused : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

PgOptions connection_options(const FlusherOptions& options, std::shared_ptr<PgWatchdog> watchdog) {
  PgOptions how;
  how.conninfo = options.postgres;
  how.statement = options.statement;
  how.watchdog = std::move(watchdog);
  return how;
}

struct Shard {
  Shard(unsigned n, std::string_view prefix) : number(n), keys(prefix, n) {}
  const unsigned number;
  const redis::Keys keys;
  Position at;            // committed
  std::string stopped;    // why; empty: it goes on
  bool found_all = true;  // the last read reached the end of the log
  /// Entries that are flushed and still in the log.
  struct Flushed {
    Clock::time_point when;
    Position upto;
  };
  std::deque<Flushed> flushed;
  /// A commit whose outcome is not known.
  struct Pending {
    Position to;
    Flusher::Heads heads;
    std::uint64_t items = 0;
  };
  std::optional<Pending> pending;
  double items_per_entry = 1;
  std::uint64_t backlog_items = 0, backlog_bytes = 0;
  std::int64_t oldest_ns = 0;  // of what is not archived; 0: nothing is
};

}  // namespace

struct Flusher::Impl {
  Impl(FlusherOptions o, OnArchived handler)
      : options(std::move(o)),
        on_archived(std::move(handler)),
        redis(options.endpoint, kRedisConnect, kRedisAnswer),
        postgres(connection_options(options, watchdog)) {
    for (unsigned i = 0; i < options.shards; ++i) shards.emplace_back(i, options.prefix);
  }

  void loop();
  bool turn();
  void connect();
  void claim();
  bool flush(Shard& shard);
  std::vector<FlushEntry> read(Shard& shard);
  void archive(Shard& shard, std::span<FlushEntry> entries);
  void commit(Shard& shard, std::span<const FlushEntry> entries);
  void isolate(Shard& shard, FlushEntry& entry, const std::string& why);
  void find_dead(std::span<FlushItem> items);
  void committed(Shard& shard, Shard::Pending&& done);
  void make_months(std::span<const FlushEntry> entries);
  void make_month(std::int64_t ts_ns);
  void trim(Shard& shard, Position upto);
  void trim_old(Shard& shard);
  void upkeep();
  void measure(Shard& shard);
  void watch_backlog();
  void sweep_senders();
  void start_at_end(Shard& shard);

  redis::Reply ask(const redis::Command& command);
  void stop_shard(Shard& shard, const std::string& why);
  void set_down(std::string& what, const char* name, const std::string& why);
  void set_fenced(const std::string& why);
  void failed() { failures.fetch_add(1, std::memory_order_relaxed); }
  bool past_deadline() const { return stopping && Clock::now() >= stop_deadline.load(); }
  void publish();

  const FlusherOptions options;
  const OnArchived on_archived;
  redis::BlockingClient redis;
  const std::shared_ptr<PgWatchdog> watchdog = std::make_shared<PgWatchdog>();
  PgConnection postgres;
  std::thread thread;

  // The flusher's thread only.
  std::deque<Shard> shards;
  std::set<std::int64_t> months;
  bool claimed = false, moved = false;
  Clock::time_point upkeep_due, sweep_due = Clock::now() + kSweepEvery;
  std::int64_t sweep_from = 0;
  std::chrono::milliseconds retry{0};

  std::atomic<bool> stopping{false};
  std::atomic<Clock::time_point> stop_deadline{Clock::time_point::max()};
  std::atomic<std::uint64_t> items{0}, transactions{0}, failures{0}, dead_letters{0}, backlog_items{0},
      backlog_bytes{0}, stopped{0};
  std::atomic<std::int64_t> oldest_ns{0};

  mutable std::mutex mutex;  // leaf lock: guards all below
  std::condition_variable wake, synced;
  std::string redis_down, postgres_down, stopped_why, fenced_why;
  std::uint64_t sync_wanted = 0, sync_done = 0;
  bool ended = false;
};

void Flusher::Impl::set_down(std::string& what, const char* name, const std::string& why) {
  std::string before;
  {
    std::lock_guard lock(mutex);
    before = std::exchange(what, why);
  }
  if (before.empty() && !why.empty()) log::warn("flush_waits", "for={} reason={}", name, log::quote(why));
  if (!before.empty() && why.empty()) log::info("flush_goes_on", "after={}", name);
}

void Flusher::Impl::stop_shard(Shard& shard, const std::string& why) {
  shard.stopped = why;
  stopped.fetch_add(1, std::memory_order_relaxed);
  failed();
  const std::string text = "shard " + std::to_string(shard.number) + " stopped: " + why;
  log::error("flush_shard_stopped", "shard={} reason={}", shard.number, log::quote(why));
  std::lock_guard lock(mutex);
  if (stopped_why.empty()) stopped_why = text;
}

void Flusher::Impl::set_fenced(const std::string& why) {
  log::error("flush_fenced", "reason={}", log::quote(why));
  failed();
  std::lock_guard lock(mutex);
  fenced_why = "fenced: " + why;
}

redis::Reply Flusher::Impl::ask(const redis::Command& command) {
  redis::Reply reply = redis.call(command);
  if (reply.is_error()) throw RedisRefused(reply.text);
  return reply;
}

void Flusher::Impl::loop() {
  for (;;) {
    std::uint64_t sync = 0;
    {
      std::lock_guard lock(mutex);
      sync = sync_wanted;
    }
    const bool going_down = stopping;
    bool more = false, good = false;
    try {
      more = turn();
      good = true;
      retry = 0ms;
      set_down(redis_down, "redis", {});
    } catch (const redis::ConnectionError& error) {
      set_down(redis_down, "redis", error.what());
    } catch (const RedisRefused& error) {
      set_down(redis_down, "redis", error.what());
    } catch (const PgError& error) {
      set_down(postgres_down, "postgres", error.what());
      watch_backlog();
    } catch (const PositionMoved&) {
      moved = true;  // read it again
    } catch (const Fenced& error) {
      set_fenced(error.what());
      break;
    }
    if (!good) failed();
    publish();
    if (past_deadline() || (going_down && good && !more)) break;
    if (more) continue;
    std::unique_lock lock(mutex);
    if (good) {
      sync_done = sync;
      synced.notify_all();
      wake.wait_for(lock, options.idle_wait, [&] { return stopping || sync_wanted != sync_done; });
    } else {
      retry = std::clamp(retry * 2, options.retry_min, options.retry_max);
      wake.wait_for(lock, retry, [&] { return stopping && !going_down; });
    }
  }
  std::lock_guard lock(mutex);
  ended = true;
  synced.notify_all();
}

/// One look at every shard. True if there may be more to flush at once.
bool Flusher::Impl::turn() {
  if (!postgres.connected() || moved) connect();
  set_down(postgres_down, "postgres", {});
  bool more = false;
  for (Shard& shard : shards) {
    if (!shard.stopped.empty()) continue;
    try {
      more |= flush(shard);
    } catch (const ShardStopped& stop) {
      stop_shard(shard, stop.what());
    }
    trim_old(shard);
  }
  if (Clock::now() >= upkeep_due) upkeep();
  return more;
}

void Flusher::Impl::connect() {
  if (!claimed) claim();
  for (Shard& shard : shards) {
    const PgRows row = postgres.run("select incarnation, counter, owner from flush_progress where shard = $1",
                                    {std::to_string(shard.number)});
    if (row.size() != 1 || row.text(0, 2) != options.owner_token)
      throw Fenced("another flusher (" + std::string(row.size() == 1 ? row.text(0, 2) : "none") + ") took over");
    const Position now{row.u64(0, 0), row.u64(0, 1)};
    if (shard.pending && shard.pending->to == now) committed(shard, std::move(*shard.pending));
    shard.pending.reset();
    shard.at = now;
  }
  moved = false;
}

/// Once: later a lost claim means that somebody else has come.
void Flusher::Impl::claim() {
  PgTransaction change(postgres);
  for (Shard& shard : shards) {
    const std::string number = std::to_string(shard.number);
    postgres.run(
        "insert into flush_progress (shard, incarnation, counter, owner, updated_ns) values ($1, 0, 0, '', 0) on "
        "conflict (shard) do nothing",
        {number});
    const PgRows row =
        postgres.run("select owner, incarnation, counter from flush_progress where shard = $1 for update", {number});
    if (fence_of(row.text(0, 0)) > fence_of(options.owner_token))
      throw Fenced("a newer flusher (" + std::string(row.text(0, 0)) + ") is at work");
    shard.at = {row.u64(0, 1), row.u64(0, 2)};
    if (PARLEY_BROKEN("flush_from_end")) start_at_end(shard);
    postgres.run("update flush_progress set owner = $1, incarnation = $2, counter = $3 where shard = $4",
                 {options.owner_token, std::to_string(shard.at.incarnation), std::to_string(shard.at.counter), number});
    // What an earlier run flushed is kept as long as if it had been flushed now.
    shard.flushed.assign(1, {Clock::now(), shard.at});
  }
  change.commit();
  claimed = true;
}

/// The mistake that tests must notice: beginning where the log ends.
void Flusher::Impl::start_at_end(Shard& shard) {
  const redis::Reply newest = ask({"XREVRANGE", shard.keys.log, "+", "-", "COUNT", "1"});
  if (newest.items.empty()) return;
  redis::LogEntry entry;
  redis::Reply element = newest.items[0];
  if (redis::decode_log_entry(std::move(element), entry)) shard.at = {entry.incarnation, entry.counter};
}

bool Flusher::Impl::flush(Shard& shard) {
  std::vector<FlushEntry> entries = read(shard);
  if (entries.empty()) {
    shard.oldest_ns = 0;
    return false;
  }
  if (!entries[0].log.items.empty()) shard.oldest_ns = entries[0].log.items[0].ts_ns;
  if (PARLEY_BROKEN("trim_before_flush")) trim(shard, {entries.back().log.incarnation, entries.back().log.counter});
  make_months(entries);
  archive(shard, entries);
  if (shard.found_all) shard.oldest_ns = 0;
  return !shard.found_all;
}

std::vector<FlushEntry> Flusher::Impl::read(Shard& shard) {
  std::vector<FlushEntry> entries;
  std::size_t count = 0, bytes = 0, ask_for = 1;
  Position after = shard.at;
  shard.found_all = false;
  while (count < options.batch_items && bytes < options.batch_bytes && !shard.found_all) {
    redis::Reply reply = ask(redis::read_log_command(shard.keys, after.incarnation, after.counter, ask_for));
    shard.found_all = reply.items.size() < ask_for;
    for (redis::Reply& element : reply.items) {
      redis::LogEntry log;
      const Result<> decoded = redis::decode_log_entry(std::move(element), log);
      if (!decoded) {
        if (!entries.empty()) return entries;  // what is before it goes first
        throw ShardStopped("journal entry " + std::to_string(log.incarnation) + "-" + std::to_string(log.counter) +
                           " cannot be read: " + decoded.error().detail);
      }
      after = {log.incarnation, log.counter};
      bytes += log.bytes;
      entries.push_back(prepare(std::move(log)));
      count += entries.back().items.size();
    }
    if (entries.empty()) return entries;
    // An entry may hold one item or thousands: ask for as many as are likely to fill the batch.
    const std::size_t by_items = options.batch_items * entries.size() / std::max<std::size_t>(count, 1);
    const std::size_t by_bytes = options.batch_bytes * entries.size() / std::max<std::size_t>(bytes, 1);
    const std::size_t fit = std::min(by_items, by_bytes);
    ask_for = std::clamp<std::size_t>(fit - std::min(fit, entries.size()), 1, std::min(ask_for * 2, kReadCountMax));
  }
  const double average = static_cast<double>(count) / static_cast<double>(entries.size());
  shard.items_per_entry = 0.8 * shard.items_per_entry + 0.2 * average;
  return entries;
}

/// All of `entries`, in one transaction or, if an item is refused, in several.
void Flusher::Impl::archive(Shard& shard, std::span<FlushEntry> entries) {
  std::string why;
  try {
    return commit(shard, entries);
  } catch (const PgError& error) {
    if (!error.refuses_data()) throw;
    why = error.what();
  }
  failed();
  if (entries.size() == 1) return isolate(shard, entries[0], why);
  archive(shard, entries.first(entries.size() / 2));
  archive(shard, entries.subspan(entries.size() / 2));
}

void Flusher::Impl::commit(Shard& shard, std::span<const FlushEntry> entries) {
  FlushBatch batch(postgres, shard.number, options.owner_token, shard.at);
  PgTransaction change(postgres);
  batch.write(entries);
  PARLEY_FAULT_POINT("flush.before_commit");
  shard.pending = Shard::Pending{batch.position(), batch.heads(), batch.items()};
  change.commit();
  PARLEY_FAULT_POINT("flush.after_commit");
  Shard::Pending done = std::move(*shard.pending);
  shard.pending.reset();
  committed(shard, std::move(done));
}

void Flusher::Impl::committed(Shard& shard, Shard::Pending&& done) {
  shard.at = done.to;
  shard.flushed.push_back({Clock::now(), done.to});
  transactions.fetch_add(1, std::memory_order_relaxed);
  items.fetch_add(done.items, std::memory_order_relaxed);
  if (on_archived) on_archived(shard.number, done.to.counter, std::move(done.heads));
}

/// The entry holds an item that PostgreSQL does not take: finds it, and goes on with a placeholder.
void Flusher::Impl::isolate(Shard& shard, FlushEntry& entry, const std::string& why) {
  find_dead(entry.items);
  std::size_t dead = 0;
  for (const FlushItem& item : entry.items) dead += item.dead.empty() ? 0 : 1;
  if (dead == 0) throw ShardStopped("PostgreSQL refuses journal entry " + entry.id() + ": " + why);
  try {
    commit(shard, {&entry, 1});
  } catch (const PgError& error) {
    if (!error.refuses_data()) throw;
    throw ShardStopped("PostgreSQL refuses journal entry " + entry.id() + ": " + error.what());
  }
  dead_letters.fetch_add(dead, std::memory_order_relaxed);
  log::error("flush_dead_letter", "shard={} entry={} items={} reason={}", shard.number, entry.id(), dead,
             log::quote(why));
}

void Flusher::Impl::find_dead(std::span<FlushItem> suspects) {
  try {
    return FlushBatch::probe(postgres, suspects);
  } catch (const PgError& error) {
    if (!error.refuses_data()) throw;
    if (suspects.size() == 1) {
      suspects[0].dead = error.what();
      return;
    }
  }
  find_dead(suspects.first(suspects.size() / 2));
  find_dead(suspects.subspan(suspects.size() / 2));
}

void Flusher::Impl::make_months(std::span<const FlushEntry> entries) {
  for (const FlushEntry& entry : entries) {
    for (const FlushItem& item : entry.items) {
      if (item.result.seq != 0) make_month(item.pack.ts_ns);
    }
  }
}

void Flusher::Impl::make_month(std::int64_t ts_ns) {
  const std::int64_t month = month_of(ts_ns);
  if (months.contains(month)) return;
  postgres.run("select ensure_month($1)", {std::to_string(ts_ns)});
  months.insert(month);
}

void Flusher::Impl::trim(Shard& shard, Position upto) {
  const std::string first_kept = std::to_string(upto.incarnation) + "-" + std::to_string(upto.counter + 1);
  ask({"XTRIM", shard.keys.log, "MINID", first_kept});
}

void Flusher::Impl::trim_old(Shard& shard) {
  const Clock::time_point before = Clock::now() - options.keep_in_log;
  std::optional<Position> upto;
  for (; !shard.flushed.empty() && shard.flushed.front().when <= before; shard.flushed.pop_front())
    upto = shard.flushed.front().upto;
  if (!upto) return;
  trim(shard, *upto);
  PARLEY_FAULT_POINT("flush.after_trim");
}

void Flusher::Impl::upkeep() {
  upkeep_due = Clock::now() + kUpkeepEvery;
  for (Shard& shard : shards) measure(shard);
  const PgRows waiting = postgres.run("select count(*) from dead_letter where state = 0");
  dead_letters = waiting.u64(0, 0);
  make_month(wall_ns() + kMonthAheadNs);
  if (Clock::now() >= sweep_due) sweep_senders();
}

void Flusher::Impl::measure(Shard& shard) {
  const Result<std::optional<redis::Shard>> state = redis::decode_shard(ask(redis::shard_command(shard.keys)));
  if (!state || !*state) return;
  const std::uint64_t given = (*state)->counter;
  const std::uint64_t entries = given > shard.at.counter ? (given - shard.at.counter) / (*state)->step : 0;
  shard.backlog_items = static_cast<std::uint64_t>(static_cast<double>(entries) * shard.items_per_entry);
  shard.backlog_bytes = 0;
  if (entries == 0) return;
  const std::uint64_t held = static_cast<std::uint64_t>(ask({"XLEN", shard.keys.log}).integer);
  const std::uint64_t bytes = static_cast<std::uint64_t>(ask({"MEMORY", "USAGE", shard.keys.log}).integer);
  if (held > 0) shard.backlog_bytes = bytes / held * std::min(entries, held);
}

/// While PostgreSQL is down: what waits, and since when.
void Flusher::Impl::watch_backlog() {
  if (Clock::now() < upkeep_due) return;
  upkeep_due = Clock::now() + kUpkeepEvery;
  try {
    for (Shard& shard : shards) {
      measure(shard);
      if (shard.oldest_ns != 0) continue;
      redis::Reply reply = ask(redis::read_log_command(shard.keys, shard.at.incarnation, shard.at.counter, 1));
      redis::LogEntry log;
      if (reply.items.empty() || !redis::decode_log_entry(std::move(reply.items[0]), log) || log.items.empty())
        continue;
      shard.oldest_ns = log.items[0].ts_ns;
    }
    set_down(redis_down, "redis", {});
  } catch (const redis::ConnectionError& error) {
    set_down(redis_down, "redis", error.what());
  } catch (const RedisRefused& error) {
    set_down(redis_down, "redis", error.what());
  }
}

/// Forgets senders of long ago, a few rows at a time, round and round.
void Flusher::Impl::sweep_senders() {
  sweep_due = Clock::now() + kSweepEvery;
  const std::string from = std::to_string(sweep_from);
  const PgRows last = postgres.run("select conv from sender_state where conv > $1 order by conv limit 1 offset $2",
                                   {from, std::to_string(kSweepRows)});
  const std::int64_t upto = last.size() == 1 ? last.i64(0, 0) : INT64_MAX;
  postgres.run("delete from sender_state where conv > $1 and conv <= $2 and last_used_ns < $3",
               {from, std::to_string(upto), std::to_string(wall_ns() - kSenderLifeNs)});
  sweep_from = upto == INT64_MAX ? 0 : upto;
}

void Flusher::Impl::publish() {
  std::uint64_t item_sum = 0, byte_sum = 0;
  std::int64_t oldest = 0;
  for (const Shard& shard : shards) {
    item_sum += shard.backlog_items;
    byte_sum += shard.backlog_bytes;
    if (shard.oldest_ns != 0 && (oldest == 0 || shard.oldest_ns < oldest)) oldest = shard.oldest_ns;
  }
  backlog_items.store(item_sum, std::memory_order_relaxed);
  backlog_bytes.store(byte_sum, std::memory_order_relaxed);
  oldest_ns.store(oldest, std::memory_order_relaxed);
}

Flusher::Flusher(FlusherOptions options, OnArchived on_archived)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(on_archived))) {}
Flusher::~Flusher() { stop(); }

void Flusher::start() {
  impl_->thread = std::thread([impl = impl_.get()] {
    ::pthread_setname_np(::pthread_self(), "store-flush");
    impl->loop();
  });
}

void Flusher::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->stop_deadline = Clock::now() + impl_->options.drain;
  impl_->watchdog->end_by(impl_->stop_deadline);
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

Flusher::Stats Flusher::stats() const {
  Stats stats;
  stats.flushed_items = impl_->items.load(std::memory_order_relaxed);
  stats.transactions = impl_->transactions.load(std::memory_order_relaxed);
  stats.failures = impl_->failures.load(std::memory_order_relaxed);
  stats.backlog_items = impl_->backlog_items.load(std::memory_order_relaxed);
  stats.backlog_bytes = impl_->backlog_bytes.load(std::memory_order_relaxed);
  stats.dead_letters = impl_->dead_letters.load(std::memory_order_relaxed);
  stats.stopped_shards = impl_->stopped.load(std::memory_order_relaxed);
  const std::int64_t oldest = impl_->oldest_ns.load(std::memory_order_relaxed);
  if (oldest != 0) stats.lag_seconds = std::max(0.0, static_cast<double>(wall_ns() - oldest) * 1e-9);
  return stats;
}

std::string Flusher::trouble() const {
  std::lock_guard lock(impl_->mutex);
  for (const std::string* why : {&impl_->fenced_why, &impl_->stopped_why}) {
    if (!why->empty()) return *why;
  }
  if (!impl_->postgres_down.empty()) return impl_->postgres_down;
  if (!impl_->redis_down.empty()) return "Redis: " + impl_->redis_down;
  return {};
}

bool Flusher::request_sync(std::chrono::milliseconds patience) {
  std::unique_lock lock(impl_->mutex);
  const std::uint64_t mine = ++impl_->sync_wanted;
  impl_->wake.notify_all();
  return impl_->synced.wait_for(lock, patience, [&] { return impl_->sync_done >= mine || impl_->ended; }) &&
         impl_->sync_done >= mine && impl_->stopped == 0;
}

}  // namespace parley::store::standard
