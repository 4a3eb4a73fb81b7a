#pragma once
#include "parley/config/settings.hpp"

namespace parley::app {

/// `parley serve`: opens the store, starts the reactors and the network, and runs until SIGTERM or SIGINT, which drain
/// it; a second one ends it at once. Returns the exit code. Throws (config::ConfigError, std::runtime_error) one line
/// with a remedy if it cannot start.
int run_daemon(const config::Settings& settings);

}  // namespace parley::app
