#include "cli_config_edit.hpp"

#include <vector>

namespace parley::app {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// "[store] # comment" → "store"; empty if the line begins no table.
std::string_view table_of(std::string_view line) {
  line = trimmed(line);
  if (!line.starts_with('[') || line.starts_with("[[")) return {};
  const std::size_t end = line.find(']');
  return end == std::string_view::npos ? std::string_view() : trimmed(line.substr(1, end - 1));
}

bool sets(std::string_view line, std::string_view key) {
  line = trimmed(line);
  return line.starts_with(key) && trimmed(line.substr(key.size())).starts_with('=');
}

/// What stands behind the value: a comment, with the blanks before it.
std::string_view comment_of(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#') {
      std::size_t begin = i;
      while (begin > 0 && (line[begin - 1] == ' ' || line[begin - 1] == '\t')) --begin;
      return line.substr(begin);
    }
  }
  return {};
}

}  // namespace

std::string with_setting(std::string_view toml, std::string_view section, std::string_view key,
                         std::string_view value) {
  const std::string setting = std::string(key) + " = \"" + std::string(value) + "\"";
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < toml.size();) {
    const std::size_t end = std::min(toml.find('\n', at), toml.size());
    lines.emplace_back(toml.substr(at, end - at));
    at = end + 1;
  }
  std::size_t head = lines.size(), found = lines.size();
  std::string_view table;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (const std::string_view name = table_of(lines[i]); !name.empty()) {
      table = name;
      if (name == section) head = i;
    } else if (table == section && sets(lines[i], key)) {
      found = i;
    }
  }
  if (found < lines.size()) {
    lines[found] = setting + std::string(comment_of(lines[found]));
  } else if (head < lines.size()) {
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(head) + 1, setting);
  } else {
    lines.insert(lines.end(), {"", "[" + std::string(section) + "]", setting});
  }
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace parley::app
