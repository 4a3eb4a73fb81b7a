#pragma once
#include <nlohmann/json_fwd.hpp>

#include "latency.hpp"
#include "server_usage.hpp"

namespace load {

nlohmann::json quantiles(const Latency& latency);

/// What servers, cores and the generator used between two marks; CPU is divided by `units` (messages, handshakes).
nlohmann::json usage_between(const UsageMark& before, const UsageMark& after, double units);

}  // namespace load
