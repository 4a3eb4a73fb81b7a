#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The small grammar of HTTP header values and request targets.
namespace parley::net {

bool equal_no_case(std::string_view a, std::string_view b) noexcept;
std::string lower(std::string_view text);
std::string_view trimmed(std::string_view text) noexcept;
/// Is `token` one of a comma separated list, without case?
bool has_token(std::string_view list, std::string_view token) noexcept;

/// Percent decoding; nothing if an escape is broken or gives NUL. `plus_is_space` for query values.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);

struct Target {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
};
/// A request target (RFC 9112 section 3.2): origin form, absolute form, or "*". Nothing if it is broken or its path
/// holds "." or ".." segments, NUL or a backslash.
std::optional<Target> parse_target(std::string_view target);

/// Does this Accept-Encoding allow `coding` (RFC 9110 section 12.5.3)? No header means: no.
bool accepts_encoding(std::string_view header, std::string_view coding) noexcept;
/// Does this If-None-Match list name `etag`, compared weakly?
bool matches_etag(std::string_view header, std::string_view etag) noexcept;

}  // namespace parley::net
