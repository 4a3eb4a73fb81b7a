#include "parley/tenant/names.hpp"

#include <unicode/ucal.h>

#include <algorithm>
#include <array>

namespace parley::tenant {
namespace {

constexpr std::size_t kSlugMax = 40;

bool alnum(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_domain(std::string_view text) {
  if (text.empty()) return false;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view label = text.substr(begin, end - begin);
    if (label.empty() || label.size() > 63 || !alnum(label.front()) || !alnum(label.back())) return false;
    if (!std::ranges::all_of(label, [](char c) { return alnum(c) || c == '-'; })) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

std::optional<std::string> normalise_email(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  std::string email(text);
  for (char& c : email) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const std::size_t at = email.find('@');
  if (at == std::string::npos || at == 0 || at > 64 || email.size() > 254) return std::nullopt;
  const std::string_view local = std::string_view(email).substr(0, at);
  constexpr std::string_view kMarks = ".!#$%&'*+/=?^_`{|}~-";
  if (!std::ranges::all_of(local, [&](char c) { return alnum(c) || kMarks.find(c) != kMarks.npos; }))
    return std::nullopt;
  if (local.front() == '.' || local.back() == '.' || local.find("..") != local.npos) return std::nullopt;
  if (!is_domain(std::string_view(email).substr(at + 1))) return std::nullopt;
  return email;
}

bool is_slug(std::string_view text) noexcept {
  if (text.empty() || text.size() > kSlugMax || text.front() == '-' || text.back() == '-') return false;
  return std::ranges::all_of(text, [](char c) { return alnum(c) || c == '-'; });
}

std::string slug_of(std::string_view name) {
  std::string slug;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (alnum(c)) {
      slug.push_back(c);
    } else if (!slug.empty() && slug.back() != '-') {
      slug.push_back('-');
    }
  }
  slug.resize(std::min(slug.size(), kSlugMax));
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug.empty() ? "chat" : slug;
}

bool is_time_zone(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  if (name.empty() || name.size() > kLongest) return false;
  std::array<UChar, kLongest> id{};
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (static_cast<unsigned char>(name[i]) >= 0x80) return false;
    id[i] = static_cast<UChar>(name[i]);
  }
  std::array<UChar, 128> canonical{};
  UBool known = false;
  UErrorCode status = U_ZERO_ERROR;
  ucal_getCanonicalTimeZoneID(id.data(), static_cast<std::int32_t>(name.size()), canonical.data(),
                              static_cast<std::int32_t>(canonical.size()), &known, &status);
  return U_SUCCESS(status) && known;
}

}  // namespace parley::tenant
