#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "parley/base/result.hpp"

/// Web origins (RFC 6454) and the patterns that admit them.
namespace parley::tenant {

struct Origin {
  std::string scheme;  ///< http or https
  std::string host;    ///< lower case; an IPv6 address with its brackets
  unsigned port = 0;   ///< never 0: the scheme's own if none was given
  bool operator==(const Origin&) const = default;
};
/// nullopt unless it is http(s)://host[:port] and nothing else.
std::optional<Origin> parse_origin(std::string_view text);

/// The canonical form of a pattern: scheme://host[:port], where the host may begin with "*." for exactly one label
/// ("https://*.example.com" admits shop.example.com, not example.com and not a.b.example.com). kBadInput with a
/// sentence otherwise, also for "*." before a single label or an address.
Result<std::string> check_origin_pattern(std::string_view text);

/// Scheme, host and port equal, or one label in place of "*".
bool origin_matches(std::string_view pattern, std::string_view origin);
bool origin_allowed(std::span<const std::string> patterns, std::string_view origin);

}  // namespace parley::tenant
