#include "parley/tenant/origins.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace parley::tenant {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_ipv6(std::string_view host) {
  if (host.size() < 4 || host.front() != '[' || host.back() != ']') return false;
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), &address) == 1;
}
bool is_ipv4(std::string_view host) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
}

/// Labels as browsers send them: punycode is ASCII; an underscore is not allowed in host names but does occur.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.back() == '.' || host.find("..") != host.npos)
    return false;
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

unsigned own_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

/// Splits scheme://host[:port] without looking at the host.
std::optional<Origin> split(std::string_view text) {
  const std::string whole = lower(text);
  const std::size_t mark = whole.find("://");
  if (mark == std::string::npos) return std::nullopt;
  Origin origin;
  origin.scheme = whole.substr(0, mark);
  if (origin.scheme != "http" && origin.scheme != "https") return std::nullopt;
  std::string_view rest = std::string_view(whole).substr(mark + 3);
  const std::size_t bracket = rest.find(']');
  const std::size_t colon = rest.find(':', bracket == rest.npos ? 0 : bracket);
  origin.host = rest.substr(0, colon);
  origin.port = own_port(origin.scheme);
  if (colon != rest.npos) {
    const std::string_view digits = rest.substr(colon + 1);
    unsigned port = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (ec != std::errc{} || end != digits.data() + digits.size() || port == 0 || port > 65535) return std::nullopt;
    origin.port = port;
  }
  return origin;
}

std::string text_of(const Origin& origin) {
  std::string text = origin.scheme + "://" + origin.host;
  if (origin.port != own_port(origin.scheme)) text += ':' + std::to_string(origin.port);
  return text;
}

}  // namespace

std::optional<Origin> parse_origin(std::string_view text) {
  std::optional<Origin> origin = split(text);
  if (!origin || !(is_ipv6(origin->host) || is_host_name(origin->host))) return std::nullopt;
  return origin;
}

Result<std::string> check_origin_pattern(std::string_view text) {
  std::optional<Origin> pattern = split(text);
  if (!pattern)
    return Error(Errc::kBadInput, "An origin is http:// or https://, a host, and a port if it is not the usual one.");
  if (pattern->host.starts_with("*.")) {
    const std::string_view parent = std::string_view(pattern->host).substr(2);
    if (!is_host_name(parent) || parent.find('.') == parent.npos || is_ipv4(parent)) {
      return Error(Errc::kBadInput, "\"*.\" stands for one label before a domain such as example.com.");
    }
  } else if (!is_ipv6(pattern->host) && !is_host_name(pattern->host)) {
    return Error(Errc::kBadInput,
                 "This is not a host: \"" + pattern->host + "\". An origin has no path and no other \"*\".");
  }
  return text_of(*pattern);
}

bool origin_matches(std::string_view pattern, std::string_view origin) {
  const std::optional<Origin> allowed = split(pattern);
  const std::optional<Origin> given = parse_origin(origin);
  if (!allowed || !given || allowed->scheme != given->scheme || allowed->port != given->port) return false;
  if (!allowed->host.starts_with("*.")) return allowed->host == given->host;
  const std::size_t dot = given->host.find('.');
  return dot != std::string::npos && dot > 0 &&
         std::string_view(given->host).substr(dot) == std::string_view(allowed->host).substr(1);
}

bool origin_allowed(std::span<const std::string> patterns, std::string_view origin) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return origin_matches(pattern, origin); });
}

}  // namespace parley::tenant
