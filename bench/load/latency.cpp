#include "latency.hpp"

#include <bit>

namespace load {

void Latency::add(std::int64_t ns) noexcept {
  const auto v = static_cast<std::uint64_t>(ns < 0 ? 0 : ns);
  const unsigned width = static_cast<unsigned>(std::bit_width(v));
  const unsigned shift = width > kSub + 1 ? width - kSub - 1 : 0;
  const std::uint64_t index = (static_cast<std::uint64_t>(shift) << kSub) + (v >> shift);
  ++buckets_[index < buckets_.size() ? index : buckets_.size() - 1];
  ++count_;
}

double Latency::quantile_us(double q) const noexcept {
  if (count_ == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1)) + 1;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen < rank) continue;
    const std::uint64_t shift = i < (2ULL << kSub) ? 0 : (i >> kSub) - 1;
    const std::uint64_t mantissa = i - (shift << kSub);
    return static_cast<double>((mantissa + 1) << shift) / 1000.0;
  }
  return 0;
}

}  // namespace load
