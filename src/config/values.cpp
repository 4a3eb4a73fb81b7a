#include "values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

namespace parley::config {
namespace {

/// Whole decimal number without sign; nullopt for anything else.
std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int family_of(std::string_view text) {
  unsigned char bytes[16];
  std::string z(text);
  if (z.size() != text.size() || z.find('\0') != std::string::npos) return 0;
  if (inet_pton(AF_INET, z.c_str(), bytes) == 1) return AF_INET;
  if (inet_pton(AF_INET6, z.c_str(), bytes) == 1) return AF_INET6;
  return 0;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string toml_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string to_text(const Value& value) {
  struct Visitor {
    std::string operator()(std::monostate) const { return "a value of another kind"; }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double d) const { return fmt::format("{}", d); }
    std::string operator()(const std::string& s) const {
      return toml_quote(s.size() > 60 ? s.substr(0, 57) + "..." : s);
    }
    std::string operator()(const std::vector<std::string>& list) const {
      std::string out = "[";
      for (const auto& item : list) {
        if (out.size() > 60) return out + ", ...]";
        if (out.size() > 1) out += ", ";
        out += (*this)(item);
      }
      return out + "]";
    }
  };
  return std::visit(Visitor(), value);
}

bool is_ip_address(std::string_view text) { return family_of(text) != 0; }

bool is_ip_or_cidr(std::string_view text) {
  std::size_t slash = text.find('/');
  int family = family_of(text.substr(0, slash));
  if (slash == std::string_view::npos || family == 0) return family != 0;
  auto bits = number(text.substr(slash + 1));
  return bits && *bits <= (family == AF_INET ? 32u : 128u);
}

bool is_origin_or_empty(std::string_view text) {
  if (text.empty()) return true;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return false;
  }
  std::string_view host = rest;
  std::size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {  // an IPv6 address
    std::size_t close = rest.find(']');
    if (close == std::string_view::npos || family_of(rest.substr(1, close - 1)) != AF_INET6) return false;
    host = "v6";
    if (colon < close) colon = std::string_view::npos;
    if (colon != std::string_view::npos ? colon != close + 1 : close + 1 != rest.size()) return false;
  } else if (colon != std::string_view::npos) {
    host = rest.substr(0, colon);
  }
  if (colon != std::string_view::npos) {
    auto port = number(rest.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return false;
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

bool is_wide_tenant(std::string_view text) {
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > 40) return false;
  std::string_view slug = text.substr(0, equals);
  auto count = number(text.substr(equals + 1));
  return count && *count >= 1 && *count <= 64 && std::all_of(slug.begin(), slug.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool is_path_or_empty(std::string_view text) { return text.find('\0') == std::string_view::npos; }
bool is_redis_url(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return false;
  if (text.starts_with("unix:/")) return text.size() > 6;
  constexpr std::string_view kScheme = "redis://";
  if (!text.starts_with(kScheme)) return false;
  text.remove_prefix(kScheme.size());
  if (const auto at = text.rfind('@'); at != std::string_view::npos) text.remove_prefix(at + 1);
  return !text.empty() && text.front() != ':' && text.front() != '/';
}
bool is_key_prefix(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}
bool is_text(std::string_view text) { return !text.empty() && text.find('\0') == std::string_view::npos; }
bool is_path(std::string_view text) { return !text.empty() && is_path_or_empty(text); }

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::string_view last_word = word.substr(word.rfind('.') + 1);  // npos + 1 = 0
  for (const std::string& candidate : candidates) {
    std::size_t distance = edit_distance(word, candidate);
    // The right key in the wrong section is a near miss as well.
    if (std::string_view(candidate).substr(candidate.rfind('.') + 1) == last_word)
      distance = std::min<std::size_t>(distance, 2);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace parley::config
