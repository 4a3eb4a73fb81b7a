#pragma once
#include <array>
#include <cstdint>

namespace load {

/// Latencies in a histogram of fixed relative error (1/64): log-linear buckets, as in HdrHistogram.
class Latency {
 public:
  void add(std::int64_t ns) noexcept;
  std::uint64_t count() const noexcept { return count_; }
  /// Upper edge of the bucket that holds the quantile, in microseconds; 0 if empty.
  double quantile_us(double q) const noexcept;

 private:
  static constexpr unsigned kSub = 6;
  std::array<std::uint64_t, (64 - kSub) << kSub> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace load
