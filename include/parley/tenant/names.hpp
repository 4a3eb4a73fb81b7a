#pragma once
#include <optional>
#include <string>
#include <string_view>

/// The rules of e-mail addresses, slugs and names of time zones.
namespace parley::tenant {

/// Trimmed and lower case: what accounts are found by. nullopt unless it is ASCII, at most 254 characters, local part
/// (at most 64) "@" domain of letters, digits, hyphens and dots. Quoted local parts are not accepted.
std::optional<std::string> normalise_email(std::string_view text);

/// A tenant's short name in addresses: 1 to 40 of a-z, 0-9 and "-", no hyphen at either end.
bool is_slug(std::string_view text) noexcept;
/// A slug made from an organisation's name; "chat" if nothing of it can stand in a slug.
std::string slug_of(std::string_view name);

/// A name of the IANA database, such as "Asia/Shanghai" or "UTC", as ICU knows it.
bool is_time_zone(std::string_view name);

}  // namespace parley::tenant
