#pragma once
#include <string>
#include <string_view>

namespace parley::app {

/// The text of a TOML file with `section`.`key` set to the text `value`: its line is replaced, or one is added at the
/// beginning of the section, or the section at the end. Everything else stays as it was, comments too. Knows tables
/// written as [section] and keys on lines of their own, as in config/parley.toml.
std::string with_setting(std::string_view toml, std::string_view section, std::string_view key, std::string_view value);

}  // namespace parley::app
