#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace parley::config {

/// What a TOML file or an environment variable gave, before the option's own check. monostate: something no option
/// takes, e.g. a date or a table.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// As it would stand in TOML; cut to about 60 bytes for error lines.
std::string to_text(const Value& value);
std::string toml_quote(std::string_view text);

/// Checks of texts.
bool is_ip_address(std::string_view text);
bool is_ip_or_cidr(std::string_view text);
/// "" or http(s)://host[:port] without path.
bool is_origin_or_empty(std::string_view text);
/// "slug=2"
bool is_wide_tenant(std::string_view text);
/// Not empty, no NUL.
/// redis://[[user]:password@]host[:port][/db], or unix:/path
bool is_redis_url(std::string_view text);
/// Letters, digits, - and _: nothing that means something to Redis Cluster or to a shell.
bool is_key_prefix(std::string_view text);
/// Not empty, without NUL.
bool is_text(std::string_view text);
bool is_path(std::string_view text);
bool is_path_or_empty(std::string_view text);

/// The candidate that is most likely meant by `word`, or "" if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace parley::config
