#include <cstdlib>
#include <iostream>

#include "cli.hpp"
#include "daemon.hpp"
#include "parley/store/sqlite_store.hpp"

extern char** environ;

namespace {

std::vector<std::string> environment_names() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

void migrate(const parley::config::Settings& settings) {
  parley::store::SqliteOptions options;
  options.folder = settings.store.folder;
  parley::store::open_sqlite_store(options)->stop();
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  parley::app::CliHost host{std::cin,
                            std::cout,
                            std::cerr,
                            [](const char* name) { return std::getenv(name); },
                            environment_names(),
                            parley::app::run_daemon,
                            migrate,
                            parley::app::call_admin};
  int code = parley::app::run_cli(std::vector<std::string>(argv + 1, argv + argc), host);
  std::cout.flush();
  return std::cout ? code : 1;
}
