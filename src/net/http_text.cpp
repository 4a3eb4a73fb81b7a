#include "http_text.hpp"

#include <algorithm>
#include <cstdlib>

namespace parley::net {
namespace {

char lower_of(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

int hex_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower_of(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Calls `use` for each element of a comma separated list until it says true.
template <class Use>
bool any_element(std::string_view list, Use&& use) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (use(trimmed(list.substr(0, comma)))) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

}  // namespace

bool equal_no_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower_of(x) == lower_of(y); });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower_of);
  return out;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  return any_element(list, [&](std::string_view element) { return equal_no_case(element, token); });
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_of(text[i + 1]);
      const int low = hex_of(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::optional<Target> parse_target(std::string_view target) {
  Target parsed;
  if (target == "*") {
    parsed.path = "*";
    return parsed;
  }
  const std::string_view scheme = target.substr(0, 8);
  if (equal_no_case(scheme, "https://") || equal_no_case(scheme.substr(0, 7), "http://")) {
    const std::size_t slash = target.find('/', 8);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  std::optional<std::string> path = percent_decoded(target.substr(0, mark));
  if (!path || !path->starts_with('/') || path->find('\\') != std::string::npos || has_dot_segment(*path))
    return std::nullopt;
  parsed.path = std::move(*path);
  std::string_view query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    std::optional<std::string> name = percent_decoded(pair.substr(0, equals), true);
    std::optional<std::string> value =
        percent_decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    parsed.query.emplace_back(std::move(*name), std::move(*value));
  }
  return parsed;
}

bool accepts_encoding(std::string_view header, std::string_view coding) noexcept {
  return any_element(header, [&](std::string_view element) {
    const std::size_t semicolon = element.find(';');
    if (!equal_no_case(trimmed(element.substr(0, semicolon)), coding)) return false;
    if (semicolon == std::string_view::npos) return true;
    // "q=0", "q=0.0" … refuse; any other weight accepts. We prefer the smaller file whatever the weights say.
    const std::string_view weight = trimmed(element.substr(semicolon + 1));
    return weight.find_first_of("123456789") != std::string_view::npos || !lower(weight).starts_with("q=");
  });
}

bool matches_etag(std::string_view header, std::string_view etag) noexcept {
  return any_element(header, [&](std::string_view element) {
    if (element == "*") return true;
    if (element.starts_with("W/")) element.remove_prefix(2);
    return element == etag;
  });
}

}  // namespace parley::net
