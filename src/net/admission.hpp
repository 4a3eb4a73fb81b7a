#pragma once
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "parley/tenant/token_bucket.hpp"

namespace parley::net {

/// How many WebSocket handshakes a reactor takes: after a restart everybody comes back at once, and those who are let
/// in must be served well. Threads: home reactor only; the time is an argument.
class Admission {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Verdict {
    kAdmitted,
    kComeBack,  ///< above the rate, up to three times as many more: a session may be made only to say when to come back
    kRefused,   ///< above that: 503
    kAddress    ///< this address alone asks too often: 429
  };
  Admission(double handshakes_per_second, Time now);
  /// `exempt`: an address that stands for many clients (loopback, a trusted proxy); only the common rate counts.
  Verdict judge(const boost::asio::ip::address& client, bool exempt, Time now);

 private:
  static constexpr double kAddressPerSecond =
      20;  // per IPv4 address or IPv6 /64: an office behind one address, not a flood
  static constexpr double kAddressBurst = 200;
  static constexpr std::size_t kAddressesMax = 8192;

  tenant::TokenBucket admitted_;
  tenant::TokenBucket told_;
  std::unordered_map<std::uint64_t, tenant::TokenBucket> addresses_;
};

}  // namespace parley::net
