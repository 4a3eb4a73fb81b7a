#include "standard/flusher_upkeep.hpp"

#include <ctime>

#include "parley/base/clock.hpp"

namespace parley::store::standard {
namespace {

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

}  // namespace

void FlushUpkeep::make_months(std::span<const FlushEntry> entries) {
  for (const FlushEntry& entry : entries) {
    for (const FlushItem& item : entry.items) {
      if (item.result.seq != 0) make_month(item.pack.ts_ns);
    }
  }
}

void FlushUpkeep::make_coming_month() { make_month(wall_ns() + kMonthAheadNs); }

void FlushUpkeep::make_month(std::int64_t ts_ns) {
  const std::int64_t month = month_of(ts_ns);
  if (months_.contains(month)) return;
  archive_.run("select ensure_month($1)", {std::to_string(ts_ns)});
  months_.insert(month);
}

std::uint64_t FlushUpkeep::waiting_dead_letters() {
  return archive_.run("select count(*) from dead_letter where state = 0").u64(0, 0);
}

void FlushUpkeep::sweep_senders() {
  if (Clock::now() < sweep_due_) return;
  sweep_due_ = Clock::now() + kSweepEvery;
  const std::string from = std::to_string(sweep_from_);
  const PgRows last = archive_.run("select conv from sender_state where conv > $1 order by conv limit 1 offset $2",
                                   {from, std::to_string(kSweepRows)});
  const std::int64_t upto = last.size() == 1 ? last.i64(0, 0) : INT64_MAX;
  archive_.run("delete from sender_state where conv > $1 and conv <= $2 and last_used_ns < $3",
               {from, std::to_string(upto), std::to_string(wall_ns() - kSenderLifeNs)});
  sweep_from_ = upto == INT64_MAX ? 0 : upto;
}

}  // namespace parley::store::standard
