#include "duration.hpp"

#include <charconv>
#include <cstdint>
#include <utility>

namespace parley::config {
namespace {
constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
    {"h", 3'600'000}, {"min", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr std::int64_t kMax = std::int64_t{100} * 365 * 24 * 3'600'000;
}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept {
  std::uint32_t number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{}) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (auto [name, factor] : kUnits) {
    if (unit != name) continue;
    std::int64_t ms = number * factor;
    if (ms > kMax) return std::nullopt;
    return std::chrono::milliseconds(ms);
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds value) {
  std::int64_t ms = value.count();
  if (ms == 0) return "0s";
  for (auto [name, factor] : kUnits) {
    if (ms % factor == 0) return std::to_string(ms / factor).append(name);
  }
  return std::to_string(ms) + "ms";
}

}  // namespace parley::config
