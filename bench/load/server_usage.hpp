#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace load {

/// What a process on this machine uses, from /proc.
struct Usage {
  std::map<std::string, double> cpu_seconds_by_thread;  ///< threads of one name are added up
  double cpu_seconds = 0;
  std::uint64_t rss_anon_bytes = 0;
};
Usage usage_of(int pid);
/// CPU seconds of a process and of its children that live, e.g. of PostgreSQL and its backends.
double family_cpu_seconds(int pid);
/// CPU seconds of the calling process.
double own_cpu_seconds();

}  // namespace load
