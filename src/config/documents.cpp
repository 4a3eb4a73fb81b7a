#include <fmt/format.h>

#include "option_table.hpp"
#include "parley/config/settings.hpp"

namespace parley::config {
namespace {

bool in_section(const Row& row, const Section& section) { return row.info.key.starts_with(section.name + "."); }
std::string short_key(const Row& row) { return row.info.key.substr(row.info.key.find('.') + 1); }

/// `|` would end a table cell.
std::string cell(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string example_toml() {
  std::string out =
      "# Every option of Parley with its default. Remove the # before a key to change it.\n"
      "# Written by `parley config example`; docs/configuration.md explains more.\n";
  for (const Section& section : sections()) {
    out += fmt::format("\n# {}\n[{}]\n", section.doc, section.name);
    for (const Row& row : rows()) {
      if (!in_section(row, section)) continue;
      out += fmt::format("\n# {}\n# {}: {}\n#{} = {}\n", row.info.doc, row.info.type, row.info.accepted, short_key(row),
                         row.info.default_text);
    }
  }
  return out;
}

std::string reference_markdown() {
  std::string out =
      "# Configuration\n\n"
      "<!-- Written by `parley config reference`; change src/config/option_table.cpp instead. -->\n\n"
      "`parley serve --config FILE` reads a TOML file; without one every option has its default. Then the environment "
      "counts, then the command line.\n"
      "[config/parley.toml](../config/parley.toml) lists every option. `parley check-config --config FILE` checks a "
      "file without starting anything.\n\n"
      "* Durations are a whole number and a unit in quotes: `\"250ms\"`, `\"15s\"`, `\"5min\"`, `\"12h\"`.\n"
      "* `PARLEY_SECTION__KEY` in the environment sets `section.key`; lists are separated by commas: "
      "`PARLEY_SERVER__TRUSTED_PROXIES=10.0.0.1,10.1.0.0/16`.\n"
      "* An unknown key, or a value out of its range, stops the start with exit code 2 and one line that names file, "
      "line, key and what is accepted.\n"
      "* A change of the file counts at the next start.\n";
  for (const Section& section : sections()) {
    out += fmt::format("\n## [{}]\n{}\n\n| Key | Default | Accepted | Meaning |\n|---|---|---|---|\n", section.name,
                       section.doc);
    for (const Row& row : rows()) {
      if (!in_section(row, section)) continue;
      out += fmt::format("| `{}` | `{}` | {}: {} | {} |\n", row.info.key, row.info.default_text, row.info.type,
                         cell(row.info.accepted), cell(row.info.doc));
    }
  }
  return out;
}

}  // namespace parley::config
