#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli_commands.hpp"
#include "parley/store/schema.hpp"

namespace parley::app {
namespace {

using nlohmann::json;

json json_of(const store::SchemaCheck& check) {
  json steps = json::array();
  for (const store::SchemaStep& step : check.steps) {
    json locks = json::object();
    for (const auto& [table, mode] : step.locks) locks[table] = mode;
    steps.push_back({{"version", step.version}, {"name", step.name}, {"seconds", step.seconds}, {"locks", locks}});
  }
  return {{"present", check.present}, {"latest", check.latest}, {"rows", check.rows}, {"pending", steps}};
}

/// "ShareRowExclusiveLock" → "SHARE ROW EXCLUSIVE", as PostgreSQL's documentation writes it.
std::string readable(const std::string& mode) {
  std::string out;
  for (const char c : mode.substr(0, mode.rfind("Lock"))) {
    if (c >= 'A' && c <= 'Z' && !out.empty()) out += ' ';
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return out;
}

void print(std::ostream& out, const store::SchemaCheck& check, bool standard) {
  if (check.steps.empty()) {
    out << "schema " << check.present << ": nothing is pending\n";
    return;
  }
  out << "schema " << check.present << " -> " << check.latest << ", tried on a copy with " << check.rows << " rows\n";
  for (const store::SchemaStep& step : check.steps) {
    out << fmt::format("{}: {:.2f} s", step.name, step.seconds);
    if (!standard) {
      out << ", everything is locked (the server does not run meanwhile)\n";
    } else if (step.locks.empty()) {
      out << ", no lock on a table that was there before\n";
    } else {
      out << "\n";
      for (const auto& [table, mode] : step.locks) out << "  " << table << ": " << readable(mode) << "\n";
    }
  }
  out << "nothing was changed; run parley migrate to do it\n";
}

}  // namespace

int migrate_standard(CliHost& host, const config::Settings& settings, bool as_json) {
  const auto [before, after] = store::migrate_standard_schema(settings.postgres.url);
  if (as_json) {
    host.out << json{{"from", before}, {"to", after}}.dump() << "\n";
  } else if (before == after) {
    host.out << "schema " << after << ": nothing to do\n";
  } else {
    host.out << "schema " << before << " -> " << after << "\n";
  }
  return 0;
}

int check_migrations(CliHost& host, const config::Settings& settings, std::uint64_t rows, bool as_json) {
  const bool standard = settings.store.standard();
  const store::SchemaCheck check = standard ? store::check_standard_schema(settings.postgres.url, rows)
                                            : store::check_embedded_schema(settings.store.folder);
  if (as_json) {
    host.out << json_of(check).dump() << "\n";
  } else {
    print(host.out, check, standard);
  }
  return 0;
}

}  // namespace parley::app
