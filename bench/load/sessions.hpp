#pragma once
#include <nlohmann/json_fwd.hpp>

#include "options.hpp"

namespace load {

/// Opens sessions, several at a time, each until it is signed in, and leaves them idle: handshakes per second, CPU per
/// handshake, memory per session.
nlohmann::json open_sessions(const Options& options);

}  // namespace load
