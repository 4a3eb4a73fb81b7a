#pragma once
#include <chrono>
#include <cstdint>

namespace parley {

using MonoTime = std::chrono::steady_clock::time_point;  ///< for timers and deadlines
/// Wall clock, nanoseconds since 1970 UTC; for display and storage, never for order or deadlines.
inline std::int64_t wall_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}
inline std::int64_t to_ms(std::int64_t ns) noexcept { return ns / 1'000'000; }

}  // namespace parley
