#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace parley::tenant {

/// Classic token bucket; time is an argument. Not thread-safe.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;
  TokenBucket(double per_second, double burst, Time now)
      : rate_(per_second), burst_(burst), level_(burst), last_(now) {}
  /// Takes one token, or says how long to wait for it.
  std::chrono::milliseconds take(Time now, double amount = 1.0) {
    refill(now);
    if (level_ >= amount) {
      level_ -= amount;
      return std::chrono::milliseconds(0);
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>((amount - level_) / rate_ * 1000.0) + 1);
  }

 private:
  void refill(Time now) {
    if (now <= last_) return;
    level_ = std::min(burst_, level_ + std::chrono::duration<double>(now - last_).count() * rate_);
    last_ = now;
  }
  double rate_, burst_, level_;
  Time last_;
};

}  // namespace parley::tenant
