#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace parley::config {

/// "250ms", "15s", "5min", "12h": a whole number and a unit, nothing between. nullopt for anything else and for more
/// than 100 years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept;
/// In the largest unit that divides it; "0s" for zero.
std::string format_duration(std::chrono::milliseconds value);

}  // namespace parley::config
