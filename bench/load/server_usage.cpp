#include "server_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace load {
namespace {

const double kTick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));

double thread_cpu_seconds(const std::filesystem::path& task) {
  // schedstat counts nanoseconds on the CPU; stat only ticks of 10 ms.
  std::ifstream sched(task / "schedstat"), stat(task / "stat");
  std::uint64_t ns = 0;
  if (sched >> ns) return static_cast<double>(ns) / 1e9;
  std::string line;
  std::getline(stat, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skip;
  for (int i = 0; i < 11; ++i) fields >> skip;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) * kTick;
}

void add_process(Usage& usage, int pid, bool by_thread) {
  const std::filesystem::path process = "/proc/" + std::to_string(pid);
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(process / "task", ec)) {
    const double seconds = thread_cpu_seconds(entry.path());
    usage.cpu_seconds += seconds;
    if (!by_thread) continue;
    std::ifstream name_file(entry.path() / "comm");
    std::string name;
    std::getline(name_file, name);
    usage.cpu_seconds_by_thread[name] += seconds;
  }
  std::ifstream status(process / "status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) usage.rss_anon_bytes += std::stoull(line.substr(8)) * 1024;
  }
}

int parent_of(const std::filesystem::path& process) {
  std::ifstream stat(process / "stat");
  std::string line, state;
  int parent = 0;
  if (!std::getline(stat, line)) return 0;
  std::istringstream(line.substr(line.rfind(')') + 2)) >> state >> parent;
  return parent;
}

}  // namespace

Usage usage_of(int pid) {
  Usage usage;
  add_process(usage, pid, true);
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ec)) {
    const std::string name = entry.path().filename().string();
    int number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc()) continue;
    if (parent_of(entry.path()) == pid) add_process(usage, number, false);
  }
  return usage;
}

Machine machine_usage() {
  Machine machine;
  std::ifstream stat("/proc/stat");
  for (std::string line; std::getline(stat, line) && line.starts_with("cpu");) {
    std::istringstream fields(line.substr(3));
    int core = 0;
    if (line[3] == ' ' || !(fields >> core)) continue;
    double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0;
    fields >> user >> nice >> system >> idle >> wait >> irq >> soft;
    machine.busy_seconds_by_core[core] = (user + nice + system + irq + soft) * kTick;
  }
  std::ifstream memory("/proc/meminfo");
  for (std::string line; std::getline(memory, line);) {
    if (line.starts_with("Slab:") || line.starts_with("PageTables:"))
      machine.kernel_bytes += std::stoull(line.substr(line.find(':') + 1)) * 1024;
  }
  return machine;
}

double own_cpu_seconds() {
  rusage r{};
  getrusage(RUSAGE_SELF, &r);
  return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
         static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

UsageMark::UsageMark(const std::vector<std::pair<std::string, int>>& names) {
  for (const auto& [name, pid] : names) servers.emplace_back(name, usage_of(pid));
  machine = machine_usage();
  own = own_cpu_seconds();
  at_ns = std::chrono::steady_clock::now().time_since_epoch().count();
}

}  // namespace load
