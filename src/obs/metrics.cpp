#include "parley/obs/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <variant>

namespace parley::obs {

std::size_t shard_of_this_thread() noexcept {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kShards;
  return mine;
}

std::uint64_t Counter::value() const noexcept {
  std::uint64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
  return sum;
}

namespace {
constexpr std::size_t kBoundsMax = 31;
}

struct alignas(64) Histogram::Shard {
  std::atomic<std::uint64_t> buckets[kBoundsMax + 1] = {};  // the last one used is +Inf
  std::atomic<double> sum{0};
};

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), shards_(new Shard[kShards]) {
  if (bounds_.empty() || bounds_.size() > kBoundsMax ||
      !std::is_sorted(bounds_.begin(), bounds_.end(), std::less_equal<>())) {
    throw std::logic_error("a histogram needs 1 to 31 growing bounds");
  }
}

void Histogram::observe(double seconds) noexcept {
  if (std::isnan(seconds)) return;
  auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), seconds) - bounds_.begin();
  Shard& shard = shards_[shard_of_this_thread()];
  shard.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  shard.sum.fetch_add(seconds, std::memory_order_relaxed);
}

Histogram::Value Histogram::value() const {
  Value value;
  value.buckets.resize(bounds_.size() + 1);
  for (std::size_t s = 0; s < kShards; ++s) {
    for (std::size_t i = 0; i <= bounds_.size(); ++i)
      value.buckets[i] += shards_[s].buckets[i].load(std::memory_order_relaxed);
    value.sum += shards_[s].sum.load(std::memory_order_relaxed);
  }
  // The count is taken from the buckets, so that a scrape in the middle of observe() still adds up.
  for (std::uint64_t n : value.buckets) value.count += n;
  return value;
}

std::vector<double> latency_bounds() {
  return {1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10};
}

namespace {

using prometheus::MetricType;

using Read = std::function<double()>;
using ReadFamily = std::function<std::vector<std::pair<Labels, double>>()>;
using Instrument = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>, Read>;

struct Family {
  MetricType type = MetricType::Untyped;
  std::string help;
  std::vector<std::string> label_names;  // sorted; empty and unfixed for a computed family
  bool computed = false;
  std::map<Labels, Instrument> series;
  ReadFamily read;
};

bool is_name(std::string_view text, bool colon) {
  auto first = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
  };
  return !text.empty() && first(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return first(c) || (c >= '0' && c <= '9'); });
}

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    default:
      return "untyped";
  }
}

prometheus::ClientMetric labelled(const Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

prometheus::ClientMetric histogram_metric(const Labels& labels, const Histogram& histogram) {
  prometheus::ClientMetric metric = labelled(labels);
  Histogram::Value value = histogram.value();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < value.buckets.size(); ++i) {
    below += value.buckets[i];
    double bound = i < histogram.bounds().size() ? histogram.bounds()[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({below, bound});
  }
  metric.histogram.sample_count = value.count;
  metric.histogram.sample_sum = value.sum;
  return metric;
}

}  // namespace

struct Registry::Impl {
  mutable std::mutex mutex;  // leaf lock: callbacks run without it
  std::map<std::string, Family> families;

  Family& declare(std::string_view name, std::string_view help, MetricType type, bool computed) {
    auto [at, fresh] = families.try_emplace(std::string(name));
    Family& family = at->second;
    if (fresh) {
      bool plain_help =
          !help.empty() && help.find_first_of("\\\n") == std::string_view::npos;  // the serializer does not escape it
      bool fits = is_name(name, true) && plain_help && (type == MetricType::Counter) == name.ends_with("_total");
      if (!fits) {
        families.erase(at);
        throw std::logic_error("metric " + std::string(name) +
                               ": needs a valid name, one plain line of help, and _total exactly for counters");
      }
      family.type = type;
      family.help = help;
      family.computed = computed;
    } else if (family.type != type || family.help != help || family.computed != computed) {
      throw std::logic_error("metric " + std::string(name) + " was declared differently before");
    }
    return family;
  }

  /// The series of these labels, made by `make` if it is new.
  template <class Make>
  Instrument& series(std::string_view name, std::string_view help, MetricType type, Labels labels, Make make) {
    std::sort(labels.begin(), labels.end());
    std::vector<std::string> names;
    for (const auto& [label, value] : labels) {
      if (!is_name(label, false) || label.starts_with("__") || label == "le" ||
          (!names.empty() && names.back() == label)) {
        throw std::logic_error("metric " + std::string(name) + ": bad label " + label);
      }
      names.push_back(label);
    }
    std::lock_guard lock(mutex);
    Family& family = declare(name, help, type, false);
    if (family.series.empty()) family.label_names = names;
    if (family.label_names != names)
      throw std::logic_error("metric " + std::string(name) + ": other label names than before");
    auto at = family.series.find(labels);
    if (at == family.series.end()) at = family.series.emplace(std::move(labels), make()).first;
    return at->second;
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return *std::get<std::unique_ptr<Counter>>(
      impl_->series(name, help, MetricType::Counter, labels, [] { return Instrument(std::make_unique<Counter>()); }));
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  Instrument& found =
      impl_->series(name, help, MetricType::Gauge, labels, [] { return Instrument(std::make_unique<Gauge>()); });
  auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&found);
  if (gauge == nullptr) throw std::logic_error("metric " + std::string(name) + ": these labels belong to a callback");
  return **gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, const Labels& labels,
                               std::vector<double> bounds) {
  Instrument& found = impl_->series(name, help, MetricType::Histogram, labels,
                                    [&] { return Instrument(std::make_unique<Histogram>(bounds)); });
  Histogram& histogram = *std::get<std::unique_ptr<Histogram>>(found);
  if (histogram.bounds() != bounds)
    throw std::logic_error("metric " + std::string(name) + ": other bounds than before");
  return histogram;
}

void Registry::gauge_callback(std::string_view name, std::string_view help, const Labels& labels,
                              std::function<double()> read) {
  Instrument& found = impl_->series(name, help, MetricType::Gauge, labels, [] { return Instrument(Read()); });
  std::lock_guard lock(impl_->mutex);
  auto* slot = std::get_if<Read>(&found);
  if (slot == nullptr)
    throw std::logic_error("metric " + std::string(name) + ": these labels belong to a stored gauge");
  *slot = std::move(read);
}

void Registry::gauge_family(std::string_view name, std::string_view help,
                            std::function<std::vector<std::pair<Labels, double>>()> read) {
  std::lock_guard lock(impl_->mutex);
  impl_->declare(name, help, MetricType::Gauge, true).read = std::move(read);
}

std::string Registry::scrape() const {
  std::vector<prometheus::MetricFamily> out;
  struct Pending {
    std::size_t family;
    Labels labels;
    Read read;
  };
  struct PendingFamily {
    std::size_t family;
    ReadFamily read;
  };
  std::vector<Pending> callbacks;
  std::vector<PendingFamily> computed;
  {
    std::lock_guard lock(impl_->mutex);
    for (const auto& [name, family] : impl_->families) {
      auto& target = out.emplace_back();
      target.name = name;
      target.help = family.help;
      target.type = family.type;
      if (family.computed) computed.push_back({out.size() - 1, family.read});
      for (const auto& [labels, instrument] : family.series) {
        if (auto* counter = std::get_if<std::unique_ptr<Counter>>(&instrument)) {
          target.metric.push_back(labelled(labels));
          target.metric.back().counter.value = static_cast<double>((*counter)->value());
        } else if (auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&instrument)) {
          target.metric.push_back(labelled(labels));
          target.metric.back().gauge.value = (*gauge)->value();
        } else if (auto* histogram = std::get_if<std::unique_ptr<Histogram>>(&instrument)) {
          target.metric.push_back(histogram_metric(labels, **histogram));
        } else {
          callbacks.push_back({out.size() - 1, labels, std::get<Read>(instrument)});
        }
      }
    }
  }
  // Without the lock: a callback may be slow, or declare a metric itself.
  for (const Pending& pending : callbacks) {
    if (!pending.read) continue;
    auto metric = labelled(pending.labels);
    metric.gauge.value = pending.read();
    out[pending.family].metric.push_back(std::move(metric));
  }
  for (const PendingFamily& pending : computed) {
    if (!pending.read) continue;
    for (auto& [labels, value] : pending.read()) {
      auto metric = labelled(labels);
      metric.gauge.value = value;
      out[pending.family].metric.push_back(std::move(metric));
    }
  }
  std::erase_if(out, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  return prometheus::TextSerializer().Serialize(out);
}

std::map<std::string, std::pair<std::string, std::string>> Registry::families() const {
  std::lock_guard lock(impl_->mutex);
  std::map<std::string, std::pair<std::string, std::string>> all;
  for (const auto& [name, family] : impl_->families)
    all.emplace(name, std::pair(std::string(type_name(family.type)), family.help));
  return all;
}

}  // namespace parley::obs
