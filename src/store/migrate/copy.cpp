#include "migrate/copy.hpp"

#include <algorithm>
#include <stdexcept>

#include "parley/base/fault_point.hpp"

namespace parley::store::moving {
namespace {

constexpr std::size_t kBatch = 4000;
constexpr std::size_t kTogether = 1000;  // conversations compared in one query
constexpr std::int64_t kDayNs = 86'400'000'000'000;

std::size_t column_of(const Table& table, std::string_view name) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].name == name) return i;
  }
  throw std::runtime_error("store: PostgreSQL has no column " + table.name + "." + std::string(name));
}

std::uint64_t number(const Row& row, std::size_t column) {
  return static_cast<std::uint64_t>(std::get<std::int64_t>(row[column]));
}

}  // namespace

Copier::Copier(Source& source, Destination& destination, std::function<void()> keep)
    : source_(source),
      destination_(destination),
      keep_(std::move(keep)),
      message_(describe(destination.writer(), "message")),
      conv_column_(column_of(message_, "conv")),
      time_column_(column_of(message_, "ts_ns")) {
  for (const std::string& name : source.plain_tables()) tables_.push_back(describe(destination.writer(), name));
}

/// Partitions are made in transactions of their own: it locks, and readers must not wait for a copy.
void Copier::make_months(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const std::int64_t at = std::get<std::int64_t>(row[time_column_]);
    if (months_.insert(at / kDayNs).second) destination_.writer().run("select ensure_month($1)", {std::to_string(at)});
  }
}

void Copier::write(const Batch& batch) {
  PgConnection& to = destination_.writer();
  make_months(batch.messages);
  PgTransaction change(to);
  if (!batch.messages.empty()) {
    const std::string copy = "copy message (" + message_.column_list() + ") from stdin (format binary)";
    to.copy_in(copy, copy_stream(message_, batch.messages));
  }
  if (PARLEY_BROKEN("move_loses")) to.run("delete from message where pos = $1", {std::to_string(batch.upto)});
  if (!batch.changed.empty() && !PARLEY_BROKEN("move_forgets_changes")) {
    stage(to, message_, batch.changed);
    to.run(
        "update message m set rev = u.rev, flags = u.flags, erased_at = u.erased_at, key_id = u.key_id, codec = "
        "u.codec, body = u.body, sealed = u.sealed from moving_message u where m.conv = u.conv and m.seq = u.seq and "
        "m.ts_ns = u.ts_ns");
  }
  Progress progress = destination_.progress();
  progress.copied_pos = batch.upto;
  destination_.save(progress);
  PARLEY_FAULT_POINT("move.before_commit");
  change.commit();
}

std::uint64_t Copier::messages() {
  for (std::uint64_t written = 0;;) {
    const Batch batch = source_.batch(message_, destination_.progress().copied_pos, kBatch);
    if (batch.seen > 0) write(batch);
    written += batch.messages.size() + batch.changed.size();
    keep_();
    if (batch.seen < kBatch) return written;
  }
}

Copier::Changes Copier::synchronise(const Table& table) {
  PgConnection& to = destination_.writer();
  Changes changes;
  std::vector<Row> put, remove;
  auto write = [&](bool all) {
    if (put.empty() && remove.empty()) return;
    if (!all && put.size() + remove.size() < kBatch) return;
    PgTransaction change(to);
    // First what goes: its unique values may come again under another key.
    erase(to, table, remove);
    for (const Row& row : upsert(to, table, put)) changes.there.add(row);
    change.commit();
    changes.written += put.size();
    changes.removed += remove.size();
    put.clear();
    remove.clear();
    keep_();
  };
  const std::unique_ptr<RowStream> from = source_.rows(table);
  TargetRows present(destination_.reader(), table, in_key_order(table));
  Row here, there;
  bool more_here = from->next(here), more_there = present.next(there);
  for (std::uint64_t seen = 1; more_here || more_there; ++seen) {
    const int order = !more_here ? 1 : !more_there ? -1 : compare_keys(table, here, there);
    if (order > 0) {
      remove.push_back(there);
    } else {
      changes.here.add(here);
      if (order == 0 && same(here, there)) {
        changes.there.add(there);
      } else {
        put.push_back(here);
      }
    }
    if (order <= 0) more_here = from->next(here);
    if (order >= 0) more_there = present.next(there);
    write(false);
    if (seen % kBatch == 0) keep_();
  }
  write(true);
  return changes;
}

Copier::Changes Copier::tables() {
  Changes all;
  last_.clear();
  for (const Table& table : tables_) {
    const Changes& changes = last_.emplace_back(synchronise(table));
    all.written += changes.written;
    all.removed += changes.removed;
    PARLEY_FAULT_POINT("move.between_tables");
  }
  return all;
}

void Copier::sum_up(RowStream& rows, Sums& sums) {
  Row row;
  for (std::uint64_t seen = 1; rows.next(row); ++seen) {
    sums[number(row, conv_column_)].add(row);
    if (seen % kBatch == 0) keep_();
  }
}

std::size_t Copier::compare_messages() {
  compared_pos_ = destination_.progress().copied_pos;
  here_.clear();
  open_.clear();
  sum_up(*source_.messages(message_, nullptr, compared_pos_), here_);
  Sums there;
  {
    TargetRows rows(destination_.reader(), message_, "");
    sum_up(rows, there);
  }
  for (const auto& [conv, sum] : here_) {
    if (const auto found = there.find(conv); found == there.end() || found->second != sum) open_.insert(conv);
  }
  for (const auto& [conv, sum] : there) {
    if (!here_.contains(conv)) open_.insert(conv);
  }
  return open_.size();
}

void Copier::compare_again(std::vector<std::uint64_t> conversations) {
  Sums here, there;
  std::string list;
  for (const std::uint64_t conv : conversations) {
    list += (list.empty() ? "" : ",") + std::to_string(conv);
    here_.erase(conv);
  }
  sum_up(*source_.messages(message_, &conversations, destination_.progress().copied_pos), here);
  {
    TargetRows rows(destination_.reader(), message_, "where conv = any('{" + list + "}'::bigint[])");
    sum_up(rows, there);
  }
  for (const std::uint64_t conv : conversations) {
    if (here[conv] != there[conv])
      throw std::runtime_error(
          "store: after copying, conversation " + std::to_string(conv) + " has " + std::to_string(there[conv].rows) +
          " messages in PostgreSQL and " + std::to_string(here[conv].rows) +
          " in the embedded store, or others; nothing was switched; begin again with an empty database");
  }
  here_.merge(here);
}

std::vector<MoveReport::Table> Copier::verify() {
  std::unordered_set<std::uint64_t> again = source_.conversations_after(compared_pos_);
  again.insert(open_.begin(), open_.end());
  std::vector<std::uint64_t> some;
  for (const std::uint64_t conv : again) {
    some.push_back(conv);
    if (some.size() < kTogether) continue;
    compare_again(std::move(some));
    some.clear();
  }
  if (!some.empty()) compare_again(std::move(some));
  Sum messages;
  for (const auto& [conv, sum] : here_) messages.add(sum);
  const PgRows counted = destination_.reader().run("select count(*) from message");
  if (counted.u64(0, 0) != messages.rows)
    throw std::runtime_error("store: after copying, PostgreSQL has " + std::to_string(counted.u64(0, 0)) +
                             " messages and the embedded store " + std::to_string(messages.rows) +
                             "; nothing was switched; begin again with an empty database");
  std::vector<MoveReport::Table> report;
  report.push_back({"message", messages.rows, messages.hash});
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const auto& [written, removed, here, there] = last_.at(i);
    if (here != there)
      throw std::runtime_error(
          "store: after copying, the table " + tables_[i].name + " has " + std::to_string(there.rows) +
          " rows in PostgreSQL and " + std::to_string(here.rows) +
          " in the embedded store, or others; nothing was switched; begin again with an empty database");
    report.push_back({tables_[i].name, here.rows, here.hash});
  }
  return report;
}

}  // namespace parley::store::moving
