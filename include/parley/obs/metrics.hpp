#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Metrics that cost one relaxed add on a cache line of the thread's own; the threads' values are merged at the scrape.
namespace parley::obs {

using Labels = std::vector<std::pair<std::string, std::string>>;
inline constexpr std::size_t kShards = 16;  ///< threads share a shard beyond that
std::size_t shard_of_this_thread() noexcept;

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    cells_[shard_of_this_thread()].value.fetch_add(n, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept;

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> value{0};
  };
  Cell cells_[kShards];
};

class Gauge {
 public:
  void set(double v) noexcept { value_.store(v, std::memory_order_relaxed); }
  void add(double v) noexcept { value_.fetch_add(v, std::memory_order_relaxed); }
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// Histogram of seconds with fixed bounds.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double seconds) noexcept;
  void observe(std::chrono::nanoseconds d) noexcept { observe(std::chrono::duration<double>(d).count()); }
  struct Value {
    std::vector<std::uint64_t> buckets;
    std::uint64_t count = 0;
    double sum = 0;
  };
  Value value() const;
  const std::vector<double>& bounds() const noexcept { return bounds_; }

 private:
  struct Shard;
  std::vector<double> bounds_;
  std::shared_ptr<Shard[]> shards_;
};
/// 10 µs to 10 s, three per decade.
std::vector<double> latency_bounds();

/// Every metric of the process. A family is declared once with name, help and label names; the same name and labels
/// give the same object. References stay valid as long as the registry. Threads: any; creation takes a lock, so hot
/// code keeps the reference.
class Registry {
 public:
  Registry();
  ~Registry();
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       std::vector<double> bounds = latency_bounds());
  /// Values asked for at each scrape, on the scraping thread.
  void gauge_callback(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> read);
  /// Many series of one gauge family computed at each scrape (e.g. per tenant, capped by the caller).
  void gauge_family(std::string_view name, std::string_view help,
                    std::function<std::vector<std::pair<Labels, double>>()> read);
  /// Prometheus text format 0.0.4.
  std::string scrape() const;
  /// name → (type, help), for docs/metrics.md.
  std::map<std::string, std::pair<std::string, std::string>> families() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::obs
