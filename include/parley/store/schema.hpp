#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

/// Migrations of a store's schema, tried on a copy before they are run. All functions throw std::runtime_error with one
/// line and its remedy, and leave the store as it is but for migrate_standard_schema().
namespace parley::store {

struct SchemaStep {
  int version = 0;
  std::string name;
  double seconds = 0;
  /// Table and the strongest lock that it held on it until its end, as PostgreSQL calls them. Only tables that were
  /// there before. The embedded store knows only one lock, on everything.
  std::vector<std::pair<std::string, std::string>> locks;
};
struct SchemaCheck {
  std::int64_t present = 0, latest = 0;  ///< versions; 0: there are no tables yet
  std::vector<SchemaStep> steps;         ///< what is pending, in order
  std::uint64_t rows = 0;                ///< in the copy
};

/// Copies the file within its folder, beside a daemon or without one. The copy is removed in the end.
SchemaCheck check_embedded_schema(const std::filesystem::path& folder);
/// Makes a database beside that of `conninfo`, whose role must be allowed to, copies the tables with up to `rows_max`
/// rows each (those that refer to each other whole), and drops it in the end.
SchemaCheck check_standard_schema(const std::string& conninfo, std::uint64_t rows_max);

/// Runs what is pending. Versions before and after.
std::pair<std::int64_t, std::int64_t> migrate_standard_schema(const std::string& conninfo);

}  // namespace parley::store
