#pragma once
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "cli_admin_client.hpp"
#include "parley/base/result.hpp"
#include "parley/config/settings.hpp"

namespace parley::app {

/// What the command line needs from outside; tests give their own.
struct CliHost {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  config::Environment environment;
  std::vector<std::string> environment_names;
  /// Runs the daemon until it is told to stop; returns the exit code.
  std::function<int(const config::Settings&)> serve;
  /// Opens the store (which brings its schema up to date) and closes it. Throws std::runtime_error with one line.
  std::function<void(const config::Settings&)> migrate;
  std::function<Result<AdminReply>(const std::filesystem::path& socket, const AdminRequest&)> admin = call_admin;
};

/// `arguments` without the program's name. Returns the exit code: 0; 1 it went wrong (one line on `err`); 2 wrong usage
/// or configuration (one line on `err`).
int run_cli(std::vector<std::string> arguments, CliHost& host);

}  // namespace parley::app
