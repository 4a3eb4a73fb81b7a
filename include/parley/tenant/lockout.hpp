#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

/// Slows the guessing of passwords down.
namespace parley::tenant {

/// Counts failures per key. The first `free` cost nothing; each further one doubles the time in which nothing is tried
/// for that key. A key that was quiet for `forget` starts anew. Time is an argument. Not thread-safe.
class Lockout {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Ms = std::chrono::milliseconds;
  struct Policy {
    unsigned free = 5;
    Ms first{1000};
    Ms longest{15 * 60 * 1000};
    Ms forget{60 * 60 * 1000};
    std::size_t keys_max = 20000;  ///< beyond it the key that was quiet for longest is dropped
  };
  Lockout() = default;
  explicit Lockout(const Policy& policy) : policy_(policy) {}

  /// How long to wait before the next try; 0: try now.
  Ms wait(std::string_view key, Time now) const;
  /// A try failed; returns the wait that follows from it.
  Ms failed(std::string_view key, Time now);
  void succeeded(std::string_view key);
  /// The last failure was none after all (nothing was compared).
  void take_back(std::string_view key);
  std::size_t keys() const noexcept { return tries_.size(); }

 private:
  struct Try {
    unsigned failures = 0;
    Time last;   // of the last failure
    Time until;  // nothing is tried before it
  };
  void make_room(Time now);
  Policy policy_;
  std::unordered_map<std::string, Try> tries_;
};

/// What one person can change at will counts as one: an IPv4 address is itself, of an IPv6 address the first 64 bits
/// count (RFC 6177).
std::string network_of(std::string_view ip);

}  // namespace parley::tenant
