#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace load {

/// What a process on this machine and its living children have used, from /proc.
struct Usage {
  std::map<std::string, double> cpu_seconds_by_thread;  ///< of the process itself; threads of one name are added up
  double cpu_seconds = 0;
  std::uint64_t rss_anon_bytes = 0;
};
Usage usage_of(int pid);

/// What the machine has used.
struct Machine {
  std::map<int, double> busy_seconds_by_core;
  std::uint64_t kernel_bytes = 0;  ///< slab and page tables: sockets, files, epoll entries
};
Machine machine_usage();

/// CPU seconds of the calling process.
double own_cpu_seconds();

/// Everything that is looked at before and after a measurement.
class UsageMark {
 public:
  explicit UsageMark(const std::vector<std::pair<std::string, int>>& servers);

  std::vector<std::pair<std::string, Usage>> servers;
  Machine machine;
  double own = 0;
  std::int64_t at_ns = 0;
};

}  // namespace load
