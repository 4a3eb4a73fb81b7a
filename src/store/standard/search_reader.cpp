#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "bigrams.hpp"
#include "message_facts.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"
#include "parley/protocol/types.hpp"
#include "postgres/pg_bulk.hpp"
#include "postgres/pg_connection.hpp"
#include "redis/functions.hpp"
#include "standard/dead_letters.hpp"
#include "standard/search.hpp"
#include "standard/turns.hpp"

namespace parley::store::standard {
namespace {

using protocol::EntryType;

constexpr std::size_t kRows = redis::kBatchItemsMax + 904;  // at least one whole entry of the journal
constexpr const char* kCopy =
    "copy message_search (tenant_id, conv, seq, pos, ts_ns, tokens) from stdin (format binary)";

PgOptions connection_options(const SearchReaderOptions& options, std::shared_ptr<PgWatchdog> watchdog) {
  PgOptions how;
  how.conninfo = options.postgres;
  how.watchdog = std::move(watchdog);
  return how;
}

bool has_words(EntryType kind) { return kind == EntryType::kText || kind == EntryType::kNote; }
bool changes_another(EntryType kind) { return kind == EntryType::kEdit || kind == EntryType::kRecall; }

/// Entries on their way into the index; the same one twice counts once.
class IndexRows {
 public:
  using Place = std::pair<std::uint64_t, std::uint64_t>;  // conversation and seq
  /// Columns: pos, tenant_id, conv, seq, ts_ns, kind, flags, text.
  void add(const PgRows& rows, int i) {
    const auto flags = static_cast<std::uint32_t>(rows.u64(i, 6));
    if ((flags & (kErased | kPlaceholder)) != 0 || rows.null(i, 7)) return;
    if (!has_words(static_cast<EntryType>(rows.i64(i, 5)))) return;
    if (!places_.try_emplace({rows.u64(i, 2), rows.u64(i, 3)}).second) return;
    const auto tokens = tokens_of(TenantId{rows.u64(i, 1)}, fold_text(rows.text(i, 7)).text);
    if (tokens.empty()) return;
    copy_.row(6);
    copy_.i64(rows.i64(i, 1));
    copy_.i64(rows.i64(i, 2));
    copy_.i64(rows.i64(i, 3));
    copy_.i64(rows.i64(i, 0));
    copy_.i64(rows.i64(i, 4));
    copy_.i32_array(tokens);
    ++count_;
  }
  bool contains(const Place& place) const { return places_.contains(place); }
  void write(PgConnection& session) {
    if (count_ > 0) session.copy_in(kCopy, copy_.finish());
  }

 private:
  CopyRows copy_;
  std::map<Place, char> places_;
  std::size_t count_ = 0;
};

}  // namespace

struct SearchReader::Impl {
  explicit Impl(SearchReaderOptions o)
      : options(std::move(o)),
        postgres(connection_options(options, watchdog)),
        turns({"store-search", options.idle_wait, options.retry_min, options.retry_max}, [this] { return turn(); }) {}

  Turns::Turn turn();
  bool look_at_all();
  bool index_shard(unsigned shard);
  void reindex(IndexRows& index, const std::vector<IndexRows::Place>& targets);
  void set_trouble(const std::string& why);

  const SearchReaderOptions options;
  const std::shared_ptr<PgWatchdog> watchdog = std::make_shared<PgWatchdog>();
  PgConnection postgres;
  std::atomic<std::uint64_t> indexed{0}, failures{0};
  std::atomic<std::int64_t> oldest_ns{0};
  std::int64_t oldest_of_turn = 0;

  mutable std::mutex mutex;  // leaf lock: guards all below
  std::string down;

  Turns turns;  // last: its thread ends first
};

void SearchReader::Impl::set_trouble(const std::string& why) {
  std::string before;
  {
    std::lock_guard lock(mutex);
    before = std::exchange(down, why);
  }
  if (before.empty() && !why.empty()) log::warn("search_waits", "reason={}", log::quote(why));
  if (!before.empty() && why.empty()) log::info("search_goes_on", "index={}", "message_search");
}

Turns::Turn SearchReader::Impl::turn() {
  try {
    const bool more = look_at_all();
    set_trouble({});
    return more ? Turns::Turn::kMore : Turns::Turn::kIdle;
  } catch (const SqlError& error) {
    if (turns.past_deadline()) return Turns::Turn::kLast;
    failures.fetch_add(1, std::memory_order_relaxed);
    set_trouble(error.what());
    return Turns::Turn::kFailed;
  }
}

/// True if there is more to index.
bool SearchReader::Impl::look_at_all() {
  bool more = false;
  oldest_of_turn = 0;
  for (unsigned shard = 0; shard < options.shards && !turns.past_deadline(); ++shard) more |= index_shard(shard);
  oldest_ns.store(oldest_of_turn, std::memory_order_relaxed);
  return more;
}

/// Indexes what comes next of a shard; true if there is more. One flusher at a time commits a shard's entries in their
/// order, so nothing can appear below flush_progress later.
bool SearchReader::Impl::index_shard(unsigned shard) {
  const std::string number = std::to_string(shard);
  const PgRows seen = postgres.run(
      "select f.counter, f.incarnation, coalesce(s.counter, -1) from flush_progress f left join search_progress s on "
      "s.shard = f.shard where f.shard = $1",
      {number});
  if (seen.size() == 0 || seen.i64(0, 0) <= seen.i64(0, 2)) return false;
  const std::uint64_t archived = seen.u64(0, 0);
  // The journal counts from 1; what was moved here from an embedded store begins below that.
  const std::int64_t from = seen.i64(0, 2);

  PgTransaction change(postgres);
  postgres.run("set transaction isolation level repeatable read");
  const PgRows rows = postgres.run(
      "select pos, tenant_id, conv, seq, ts_ns, kind, flags, body->>'text', body->>'target' from message where pos >= "
      "$1 and pos < $2 and (pos >> 12) % $3 = $4 order by pos limit $5",
      {std::to_string(redis::position(static_cast<std::uint64_t>(from + 1), 0)),
       std::to_string(redis::position(archived + 1, 0)), std::to_string(options.shards), number,
       std::to_string(kRows)});
  const bool more = static_cast<std::size_t>(rows.size()) == kRows;
  int count = rows.size();
  std::uint64_t upto = archived;
  if (more) {  // the last entry may be cut: it comes next time
    const std::uint64_t cut = redis::counter_of(rows.u64(count - 1, 0));
    while (count > 0 && redis::counter_of(rows.u64(count - 1, 0)) == cut) --count;
    upto = redis::counter_of(rows.u64(count - 1, 0));
    const std::int64_t oldest = rows.i64(count, 4);
    if (oldest_of_turn == 0 || oldest < oldest_of_turn) oldest_of_turn = oldest;
  }

  IndexRows index;
  std::vector<IndexRows::Place> targets;
  for (int i = 0; i < count; ++i) {
    index.add(rows, i);
    if (changes_another(static_cast<EntryType>(rows.i64(i, 5))) && !rows.null(i, 8))
      targets.emplace_back(rows.u64(i, 2), rows.u64(i, 8));
  }
  reindex(index, targets);
  index.write(postgres);
  const PgRows moved = postgres.run(
      "insert into search_progress as s (shard, incarnation, counter, updated_ns) values ($1, $2, $3, $4) on conflict "
      "(shard) do update set incarnation = excluded.incarnation, counter = excluded.counter, updated_ns = "
      "excluded.updated_ns where s.counter = $5",
      {number, std::to_string(seen.u64(0, 1)), std::to_string(upto), std::to_string(wall_ns()), std::to_string(from)});
  if (moved.affected() != 1) throw SqlError(SqlError::Kind::kBusy, "another search reader is at work");
  change.commit();
  indexed.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
  return more;
}

/// What edits and recalls changed: their targets leave the index, and come back with the text that they have now.
void SearchReader::Impl::reindex(IndexRows& index, const std::vector<IndexRows::Place>& targets) {
  PgArray convs, seqs;
  std::size_t count = 0;
  for (const IndexRows::Place& target : targets) {
    if (index.contains(target)) continue;  // it is new itself
    convs.add(target.first);
    seqs.add(target.second);
    ++count;
  }
  if (count == 0) return;
  const std::vector<std::string> places = {convs.finish(), seqs.finish()};
  postgres.run(
      "delete from message_search s using unnest($1::bigint[], $2::bigint[]) as k (conv, seq) where s.conv = k.conv "
      "and "
      "s.seq = k.seq",
      places);
  const PgRows rows = postgres.run(
      "select m.pos, m.tenant_id, m.conv, m.seq, m.ts_ns, m.kind, m.flags, m.body->>'text' from message m join "
      "unnest($1::bigint[], $2::bigint[]) as k (conv, seq) on m.conv = k.conv and m.seq = k.seq",
      places);
  for (int i = 0; i < rows.size(); ++i) index.add(rows, i);
}

SearchReader::SearchReader(SearchReaderOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
SearchReader::~SearchReader() { stop(); }

void SearchReader::start() { impl_->turns.start(); }

void SearchReader::stop() {
  const Turns::Clock::time_point now = Turns::Clock::now();
  impl_->watchdog->end_by(now);
  impl_->turns.stop(now);
}

SearchReader::Stats SearchReader::stats() const {
  Stats stats;
  stats.indexed = impl_->indexed.load(std::memory_order_relaxed);
  stats.failures = impl_->failures.load(std::memory_order_relaxed);
  const std::int64_t oldest = impl_->oldest_ns.load(std::memory_order_relaxed);
  if (oldest != 0) stats.lag_seconds = std::max(0.0, static_cast<double>(wall_ns() - oldest) * 1e-9);
  return stats;
}

std::string SearchReader::trouble() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->down;
}

bool SearchReader::request_sync(std::chrono::milliseconds patience) { return impl_->turns.request_sync(patience); }

}  // namespace parley::store::standard
