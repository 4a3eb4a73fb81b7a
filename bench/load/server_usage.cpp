#include "server_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace load {

Usage usage_of(int pid) {
  Usage usage;
  const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ec)) {
    // schedstat counts nanoseconds on the CPU; stat only ticks of 10 ms.
    std::ifstream name_file(entry.path() / "comm"), sched(entry.path() / "schedstat"), stat(entry.path() / "stat");
    std::string name;
    std::getline(name_file, name);
    double seconds = 0;
    std::uint64_t ns = 0;
    if (sched >> ns) {
      seconds = static_cast<double>(ns) / 1e9;
    } else {
      std::string line;
      std::getline(stat, line);
      std::istringstream fields(line.substr(line.rfind(')') + 2));
      std::string skip;
      for (int i = 0; i < 11; ++i) fields >> skip;
      double user = 0, system = 0;
      fields >> user >> system;
      seconds = (user + system) * tick;
    }
    usage.cpu_seconds_by_thread[name] += seconds;
    usage.cpu_seconds += seconds;
  }
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) usage.rss_anon_bytes = std::stoull(line.substr(8)) * 1024;
  }
  return usage;
}

double family_cpu_seconds(int pid) {
  double seconds = usage_of(pid).cpu_seconds;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ec)) {
    std::ifstream stat(entry.path() / "stat");
    std::string line;
    const std::string name = entry.path().filename().string();
    int number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc() || !std::getline(stat, line))
      continue;
    std::istringstream fields(line.substr(line.rfind(')') + 2));
    std::string state;
    int parent = 0;
    if (fields >> state >> parent && parent == pid) seconds += usage_of(number).cpu_seconds;
  }
  return seconds;
}

double own_cpu_seconds() {
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
         static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

}  // namespace load
