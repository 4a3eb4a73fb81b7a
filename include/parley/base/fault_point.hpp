#pragma once
/// Named places where tests kill, slow down or break the program. In builds without PARLEY_FAULT_POINTS (every release)
/// all of this is nothing.
///   PARLEY_FAULT=<name>:kill[:<hits before it>] , <name>:sleep_ms=<n>     several are separated by commas
///   PARLEY_BREAK=<behaviour>[,…]                                          deliberately wrong behaviours, to prove that
///   a test would notice them
/// Points: journal.before_commit, journal.after_commit, session.after_decode, session.before_ack,
/// session.before_fanout; of the standard store flush.after_copy, flush.before_commit, flush.after_commit,
/// flush.after_trim; of parley migrate-store move.before_commit, move.between_tables, move.after_round,
/// move.after_comparison, move.frozen, move.copied, move.before_switch, move.after_switch.
/// Behaviours: skip_dedup, dedup_after_stages, ack_before_fsync, flush_from_end, trim_before_flush, flush_swallows,
/// move_loses, move_forgets_changes.
#ifdef PARLEY_FAULT_POINTS
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace parley::fault {

/// Calls `visit` for each part of the comma separated list in the environment variable `name`.
template <class Visit>
void each_of(const char* name, Visit visit) {
  const char* value = std::getenv(name);
  std::string_view rest = value ? value : "";
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    visit(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
}

class Point {
 public:
  explicit Point(std::string_view name) {
    each_of("PARLEY_FAULT", [&](std::string_view part) {
      if (!part.starts_with(name) || part.size() <= name.size() || part[name.size()] != ':') return;
      const std::string_view action = part.substr(name.size() + 1);
      if (action.starts_with("kill")) {
        kills_ = true;
        if (action.size() > 5) hits_left_ = number(action.substr(5));
      } else if (action.starts_with("sleep_ms=")) {
        sleep_ms_ = number(action.substr(9));
      }
    });
  }
  void hit() {
    if (sleep_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(sleep_ms_));
    if (kills_ && hits_left_.fetch_sub(1) <= 0) std::raise(SIGKILL);
  }

 private:
  static long number(std::string_view text) {
    long value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  bool kills_ = false;
  std::atomic<long> hits_left_{0};
  long sleep_ms_ = 0;
};

inline bool is_broken(std::string_view behaviour) {
  bool found = false;
  each_of("PARLEY_BREAK", [&](std::string_view part) { found = found || part == behaviour; });
  return found;
}

}  // namespace parley::fault

#define PARLEY_FAULT_POINT(name)               \
  do {                                         \
    static ::parley::fault::Point point{name}; \
    point.hit();                               \
  } while (false)
#define PARLEY_BROKEN(behaviour)                                      \
  ([] {                                                               \
    static const bool broken = ::parley::fault::is_broken(behaviour); \
    return broken;                                                    \
  }())
#else
#define PARLEY_FAULT_POINT(name) static_cast<void>(0)
#define PARLEY_BROKEN(behaviour) false
#endif
