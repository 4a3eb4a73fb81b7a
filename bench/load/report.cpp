#include "report.hpp"

#include <nlohmann/json.hpp>

namespace load {
namespace {

using nlohmann::json;

json share(double cpu_seconds, double seconds, double units) {
  return {{"busy", cpu_seconds / seconds}, {"us_per_unit", units > 0 ? cpu_seconds / units * 1e6 : 0}};
}

double value_or_zero(const std::map<std::string, double>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? 0 : found->second;
}

}  // namespace

json quantiles(const Latency& l) {
  return {{"p50", l.quantile_us(0.5)},
          {"p90", l.quantile_us(0.9)},
          {"p99", l.quantile_us(0.99)},
          {"p999", l.quantile_us(0.999)},
          {"count", l.count()}};
}

json usage_between(const UsageMark& before, const UsageMark& after, double units) {
  const double seconds = static_cast<double>(after.at_ns - before.at_ns) / 1e9;
  json servers = json::object(), threads = json::object(), cores = json::object();
  for (std::size_t i = 0; i < after.servers.size(); ++i) {
    const auto& [name, now] = after.servers[i];
    const Usage& then = before.servers[i].second;
    servers[name] = share(now.cpu_seconds - then.cpu_seconds, seconds, units);
    servers[name]["rss_mb"] = static_cast<double>(now.rss_anon_bytes) / 1e6;
    if (i > 0) continue;
    for (const auto& [thread, cpu] : now.cpu_seconds_by_thread) {
      const double used = cpu - value_or_zero(then.cpu_seconds_by_thread, thread);
      if (used > 0) threads[thread] = share(used, seconds, units);
    }
  }
  for (const auto& [core, busy] : after.machine.busy_seconds_by_core)
    cores[std::to_string(core)] = (busy - before.machine.busy_seconds_by_core.at(core)) / seconds;
  return {{"servers", servers},
          {"threads", threads},
          {"cores_busy", cores},
          {"generator_busy", (after.own - before.own) / seconds},
          {"generator_us_per_unit", units > 0 ? (after.own - before.own) / units * 1e6 : 0}};
}

}  // namespace load
