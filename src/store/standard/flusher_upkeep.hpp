#pragma once
#include <chrono>
#include <cstdint>
#include <set>
#include <span>

#include "postgres/pg_connection.hpp"
#include "standard/flusher_entry.hpp"

namespace parley::store::standard {

/// What the archive needs beside its entries. Everything throws PgError.
class FlushUpkeep {
 public:
  explicit FlushUpkeep(PgConnection& archive) : archive_(archive) {}
  /// Partitions for these entries. They lock, so each has a transaction of its own.
  void make_months(std::span<const FlushEntry> entries);
  /// The month that comes next, in time.
  void make_coming_month();
  std::uint64_t waiting_dead_letters();
  /// Forgets senders of long ago, a few rows at a time, round and round, once a minute.
  void sweep_senders();

 private:
  using Clock = std::chrono::steady_clock;
  void make_month(std::int64_t ts_ns);

  PgConnection& archive_;
  std::set<std::int64_t> months_;  // that there are
  Clock::time_point sweep_due_ = Clock::now() + kSweepEvery;
  std::int64_t sweep_from_ = 0;

  static constexpr std::chrono::seconds kSweepEvery{60};
};

}  // namespace parley::store::standard
