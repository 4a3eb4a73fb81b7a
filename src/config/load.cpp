#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "option_table.hpp"
#include "parley/config/settings.hpp"

namespace parley::config {
namespace {

std::vector<std::string> all_keys() {
  std::vector<std::string> keys;
  for (const Row& row : rows()) keys.push_back(row.info.key);
  return keys;
}
std::vector<std::string> all_sections() {
  std::vector<std::string> names;
  for (const Section& section : sections()) names.push_back(section.name);
  return names;
}
bool is_section(std::string_view name) {
  return std::any_of(sections().begin(), sections().end(),
                     [&](const Section& section) { return section.name == name; });
}

/// A key from a file, safe to show in one line.
std::string shown(std::string_view key) {
  bool bare = !key.empty() && key.size() <= 60 && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
  return bare ? std::string(key) : to_text(std::string(key));
}

/// What a library says about a file, in one line: it quotes the file's own characters, line breaks and all.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

std::string hint(const std::string& near) { return near.empty() ? std::string() : "; did you mean " + near + "?"; }
std::string unknown_option(std::string_view key) {
  return "there is no option " + shown(key) + hint(nearest(key, all_keys()));
}

std::string example_of(const OptionInfo& info) {
  if (info.type == "duration") return ", such as \"15s\", \"250ms\", \"5min\" or \"12h\"";
  if (info.type == "list of texts") return ", such as [\"...\"]";
  return {};
}
std::string refused(const Row& row, const std::string& given) {
  const OptionInfo& info = row.info;
  return fmt::format("{} = {} is not accepted; expected {} {} ({}){}", info.key, given,
                     info.type == "integer" ? "an" : "a", info.type, info.accepted, example_of(info));
}

Value value_of(const toml::node& node) {
  if (auto text = node.value_exact<std::string>()) return *text;
  if (auto number = node.value_exact<std::int64_t>()) return *number;
  if (auto real = node.value_exact<double>()) return *real;
  if (auto flag = node.value_exact<bool>()) return *flag;
  const toml::array* array = node.as_array();
  if (array == nullptr) return std::monostate();
  std::vector<std::string> list;
  for (const toml::node& item : *array) {
    auto text = item.value_exact<std::string>();
    if (!text) return std::monostate();
    list.push_back(*text);
  }
  return list;
}

Value value_of(std::string_view type, std::string_view text) {
  if (type == "integer") {
    std::int64_t number = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec == std::errc{} && end == text.data() + text.size()) return number;
  } else if (type == "number") {
    double number = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec == std::errc{} && end == text.data() + text.size()) return number;
  } else if (type == "list of texts") {
    std::vector<std::string> list;
    while (!text.empty()) {
      std::size_t comma = std::min(text.find(','), text.size());
      std::string_view item = text.substr(0, comma);
      while (item.starts_with(' ')) item.remove_prefix(1);
      while (item.ends_with(' ')) item.remove_suffix(1);
      list.emplace_back(item);
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return list;
  }
  return std::string(text);
}

/// Keeps the problem that stands first in the file: tables are sorted by name, people read by line.
struct FirstProblem {
  std::size_t line = 0;
  std::string text;
  void add(std::size_t at, std::string what) {
    if (!text.empty() && at >= line) return;
    line = at;
    text = std::move(what);
  }
};

void apply_file(Settings& settings, std::string_view name, const toml::table& root) {
  FirstProblem problem;
  for (const auto& [section_key, section_node] : root) {
    const toml::table* section = section_node.as_table();
    const std::size_t line = section_key.source().begin.line;
    if (section == nullptr) {
      problem.add(line, unknown_option(section_key.str()));
      continue;
    }
    if (!is_section(section_key.str())) {
      std::string near = nearest(section_key.str(), all_sections());
      problem.add(line, fmt::format("there is no section [{}]{}", shown(section_key.str()),
                                    hint(near.empty() ? "" : "[" + near + "]")));
      continue;
    }
    for (const auto& [key, node] : *section) {
      std::string full = fmt::format("{}.{}", section_key.str(), key.str());
      const Row* row = find_row(full);
      Value value = value_of(node);
      if (row == nullptr) {
        problem.add(key.source().begin.line, unknown_option(full));
      } else if (!row->assign(settings, value)) {
        problem.add(key.source().begin.line, refused(*row, to_text(value)));
      }
    }
  }
  if (!problem.text.empty()) throw ConfigError(fmt::format("{}:{}: {}", name, problem.line, problem.text));
}

void apply_environment(Settings& settings, const Environment& environment, const std::vector<std::string>& names) {
  if (environment) {
    for (const Row& row : rows()) {
      std::string name = environment_name(row.info.key);
      if (const char* text = environment(name.c_str())) set(settings, row.info.key, text, name);
    }
  }
  std::vector<std::string> known;
  for (const Row& row : rows()) known.push_back(environment_name(row.info.key));
  for (const std::string& name : names) {
    if (!name.starts_with("PARLEY_") || std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string word = name.substr(7, name.find('_', 7) - 7);
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    bool ours = name.find("__") != std::string::npos || is_section(word);
    if (ours)
      throw ConfigError(fmt::format("environment: {} names no option{}", shown(name), hint(nearest(name, known))));
  }
}

}  // namespace

const std::vector<OptionInfo>& options() {
  static const std::vector<OptionInfo> all = [] {
    std::vector<OptionInfo> infos;
    for (const Row& row : rows()) infos.push_back(row.info);
    return infos;
  }();
  return all;
}

std::string environment_name(std::string_view key) {
  std::string name = "PARLEY_";
  for (char c : key) {
    if (c == '.') {
      name += "__";
    } else {
      name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
  }
  return name;
}

Settings load(const std::filesystem::path& file, const Environment& environment,
              const std::vector<std::string>& environment_names) {
  if (file.empty()) return load_text("", "", environment, environment_names);
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  std::error_code ec;
  if (!in || std::filesystem::is_directory(file, ec)) {
    throw ConfigError(
        fmt::format("{}: cannot be read; give a file with --config, or none for the defaults", file.string()));
  }
  return load_text(file.string(), text.str(), environment, environment_names);
}

Settings load_text(std::string_view name, std::string_view toml, const Environment& environment,
                   const std::vector<std::string>& environment_names) {
  Settings settings;
  try {
    apply_file(settings, name, toml::parse(toml, name));
  } catch (const toml::parse_error& e) {
    throw ConfigError(fmt::format("{}:{}: {}", name, e.source().begin.line, one_line(e.description())));
  }
  apply_environment(settings, environment, environment_names);
  check(settings);
  return settings;
}

void set(Settings& settings, std::string_view key, std::string_view value, std::string_view origin) {
  const Row* row = find_row(key);
  if (row == nullptr) throw ConfigError(fmt::format("{}: {}", origin, unknown_option(key)));
  if (!row->assign(settings, value_of(row->info.type, value))) {
    throw ConfigError(fmt::format("{}: {}", origin, refused(*row, to_text(std::string(value)))));
  }
}

void check(const Settings& settings) {
  if (settings.server.port != 0 && settings.server.port == settings.ops.port) {
    throw ConfigError(
        fmt::format("server.port and ops.port are both {}; give the metrics a port of their own with ops.port",
                    settings.server.port));
  }
}

}  // namespace parley::config
