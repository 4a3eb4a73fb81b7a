#include "standard/flusher.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <deque>
#include <mutex>

#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"
#include "postgres/pg_connection.hpp"
#include "standard/flusher_batch.hpp"
#include "standard/flusher_journal.hpp"
#include "standard/flusher_upkeep.hpp"
#include "standard/turns.hpp"

namespace parley::store::standard {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kUpkeepEvery = 1s;
constexpr unsigned kHalvingsMax = 6;

std::uint64_t fence_of(std::string_view owner) {
  std::uint64_t fence = 0;
  std::from_chars(owner.data(), owner.data() + owner.size(), fence);
  return fence;
}

PgOptions connection_options(const FlusherOptions& options, std::shared_ptr<PgWatchdog> watchdog) {
  PgOptions how;
  how.conninfo = options.postgres;
  how.statement = options.statement;
  how.watchdog = std::move(watchdog);
  return how;
}

}  // namespace

struct Flusher::Impl {
  Impl(FlusherOptions o, OnArchived handler)
      : options(std::move(o)),
        on_archived(std::move(handler)),
        journal(options.endpoint),
        postgres(connection_options(options, watchdog)),
        turns({"store-flush", options.idle_wait, options.retry_min, options.retry_max}, [this] { return turn(); }) {
    for (unsigned i = 0; i < options.shards; ++i) shards.emplace_back(i, options.prefix);
  }

  Turns::Turn turn();
  bool look_at_all();
  void connect();
  void claim();
  bool flush(FlushShard& shard);
  void archive(FlushShard& shard, std::span<FlushEntry> entries);
  void commit(FlushShard& shard, std::span<const FlushEntry> entries);
  void isolate(FlushShard& shard, FlushEntry& entry, const std::string& why);
  void find_dead(std::span<FlushItem> items);
  void committed(FlushShard& shard, FlushShard::Pending&& done);
  void do_upkeep();
  void watch_backlog();

  void stop_shard(FlushShard& shard, const std::string& why);
  void set_down(std::string& what, const char* name, const std::string& why);
  void set_fenced(const std::string& why);
  void failed() { failures.fetch_add(1, std::memory_order_relaxed); }
  void publish();

  const FlusherOptions options;
  const OnArchived on_archived;
  const std::shared_ptr<PgWatchdog> watchdog = std::make_shared<PgWatchdog>();

  // The flusher's thread only.
  FlushJournal journal;
  PgConnection postgres;
  FlushUpkeep upkeep{postgres};
  std::deque<FlushShard> shards;
  bool claimed = false, moved = false;
  unsigned halvings = 0;  // of a batch, because PostgreSQL did not take a whole one in time
  Clock::time_point upkeep_due;

  std::atomic<std::uint64_t> items{0}, transactions{0}, failures{0}, dead_letters{0}, backlog_items{0},
      backlog_bytes{0}, stopped{0};
  std::atomic<std::int64_t> oldest_ns{0};

  mutable std::mutex mutex;  // leaf lock: guards all below
  std::string redis_down, postgres_down, stopped_why, fenced_why;

  Turns turns;  // last: its thread ends first
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

void Flusher::Impl::stop_shard(FlushShard& shard, const std::string& why) {
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

Turns::Turn Flusher::Impl::turn() {
  Turns::Turn outcome = Turns::Turn::kFailed;
  try {
    outcome = look_at_all() ? Turns::Turn::kMore : Turns::Turn::kIdle;
    set_down(redis_down, "redis", {});
  } catch (const redis::ConnectionError& error) {
    set_down(redis_down, "redis", error.what());
  } catch (const RedisRefused& error) {
    set_down(redis_down, "redis", error.what());
  } catch (const PgError& error) {
    if (error.too_slow()) halvings = std::min(halvings + 1, kHalvingsMax);
    set_down(postgres_down, "postgres", error.what());
    watch_backlog();
  } catch (const PositionMoved&) {
    moved = true;  // read it again
  } catch (const Fenced& error) {
    set_fenced(error.what());
    return Turns::Turn::kLast;
  }
  if (outcome == Turns::Turn::kFailed) failed();
  publish();
  return outcome;
}

/// True if there may be more to flush at once.
bool Flusher::Impl::look_at_all() {
  if (!postgres.connected() || moved) connect();
  set_down(postgres_down, "postgres", {});
  bool more = false;
  for (FlushShard& shard : shards) {
    if (!shard.stopped.empty()) continue;
    try {
      more |= flush(shard);
    } catch (const ShardStopped& stop) {
      stop_shard(shard, stop.what());
    }
    if (journal.trim_old(shard, options.keep_in_log)) {
      PARLEY_FAULT_POINT("flush.after_trim");
    }
  }
  if (Clock::now() >= upkeep_due) do_upkeep();
  return more;
}

void Flusher::Impl::connect() {
  if (!claimed) claim();
  for (FlushShard& shard : shards) {
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
  for (FlushShard& shard : shards) {
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
    // The mistake that tests must notice: beginning where the log ends.
    if (PARLEY_BROKEN("flush_from_end")) shard.at = journal.newest(shard).value_or(shard.at);
    postgres.run("update flush_progress set owner = $1, incarnation = $2, counter = $3 where shard = $4",
                 {options.owner_token, std::to_string(shard.at.incarnation), std::to_string(shard.at.counter), number});
    // What an earlier run flushed is kept as long as if it had been flushed now.
    shard.flushed.assign(1, {Clock::now(), shard.at});
  }
  change.commit();
  claimed = true;
}

bool Flusher::Impl::flush(FlushShard& shard) {
  std::vector<FlushEntry> entries = journal.read(shard, std::max<std::size_t>(options.batch_items >> halvings, 1),
                                                 std::max<std::size_t>(options.batch_bytes >> halvings, 1));
  if (entries.empty()) {
    shard.oldest_ns = 0;
    return false;
  }
  if (!entries[0].log.items.empty()) shard.oldest_ns = entries[0].log.items[0].ts_ns;
  if (PARLEY_BROKEN("trim_before_flush"))
    journal.trim(shard, {entries.back().log.incarnation, entries.back().log.counter});
  upkeep.make_months(entries);
  archive(shard, entries);
  if (shard.found_all) shard.oldest_ns = 0;
  return !shard.found_all;
}

/// All of `entries`, in one transaction or, if an item is refused, in several.
void Flusher::Impl::archive(FlushShard& shard, std::span<FlushEntry> entries) {
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

void Flusher::Impl::commit(FlushShard& shard, std::span<const FlushEntry> entries) {
  FlushBatch batch(postgres, shard.number, options.owner_token, shard.at);
  PgTransaction change(postgres);
  batch.write(entries);
  PARLEY_FAULT_POINT("flush.before_commit");
  shard.pending = FlushShard::Pending{batch.position(), batch.heads(), batch.items()};
  change.commit();
  PARLEY_FAULT_POINT("flush.after_commit");
  FlushShard::Pending done = std::move(*shard.pending);
  shard.pending.reset();
  committed(shard, std::move(done));
  if (halvings > 0) --halvings;
}

void Flusher::Impl::committed(FlushShard& shard, FlushShard::Pending&& done) {
  shard.at = done.to;
  shard.flushed.push_back({Clock::now(), done.to});
  if (on_archived) on_archived(shard.number, done.to.counter, std::move(done.heads));
  transactions.fetch_add(1, std::memory_order_relaxed);
  items.fetch_add(done.items, std::memory_order_release);  // who sees it finds on_archived called
}

/// The entry holds an item that PostgreSQL does not take: finds it, and goes on with a placeholder.
void Flusher::Impl::isolate(FlushShard& shard, FlushEntry& entry, const std::string& why) {
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

void Flusher::Impl::do_upkeep() {
  upkeep_due = Clock::now() + kUpkeepEvery;
  for (FlushShard& shard : shards) journal.measure(shard);
  dead_letters = upkeep.waiting_dead_letters();
  upkeep.make_coming_month();
  upkeep.sweep_senders();
}

/// While PostgreSQL is down: what waits, and since when.
void Flusher::Impl::watch_backlog() {
  if (Clock::now() < upkeep_due) return;
  upkeep_due = Clock::now() + kUpkeepEvery;
  try {
    for (FlushShard& shard : shards) {
      journal.measure(shard);
      if (shard.oldest_ns == 0) journal.find_oldest(shard);
    }
    set_down(redis_down, "redis", {});
  } catch (const redis::ConnectionError& error) {
    set_down(redis_down, "redis", error.what());
  } catch (const RedisRefused& error) {
    set_down(redis_down, "redis", error.what());
  }
}

void Flusher::Impl::publish() {
  std::uint64_t item_sum = 0, byte_sum = 0;
  std::int64_t oldest = 0;
  for (const FlushShard& shard : shards) {
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

void Flusher::start() { impl_->turns.start(); }

void Flusher::stop() {
  const Clock::time_point deadline = Clock::now() + impl_->options.drain;
  impl_->watchdog->end_by(deadline);
  impl_->turns.stop(deadline);
}

Flusher::Stats Flusher::stats() const {
  Stats stats;
  stats.flushed_items = impl_->items.load(std::memory_order_acquire);
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
  for (const std::string* why : {&impl_->fenced_why, &impl_->stopped_why, &impl_->postgres_down}) {
    if (!why->empty()) return *why;
  }
  return impl_->redis_down.empty() ? std::string() : "Redis: " + impl_->redis_down;
}

bool Flusher::request_sync(std::chrono::milliseconds patience) {
  return impl_->turns.request_sync(patience) && impl_->stopped == 0;
}

}  // namespace parley::store::standard
