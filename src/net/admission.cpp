#include "admission.hpp"

#include <algorithm>

#include "client_address.hpp"

namespace parley::net {

Admission::Admission(double handshakes_per_second, Time now)
    : admitted_(handshakes_per_second, std::max(1.0, handshakes_per_second), now),
      told_(handshakes_per_second * 3, std::max(1.0, handshakes_per_second * 3), now) {}

Admission::Verdict Admission::judge(const boost::asio::ip::address& client, bool exempt, Time now) {
  using std::chrono::milliseconds;
  if (!exempt) {
    // Full tables are emptied: the flood that filled one is stopped by the common rate, and an honest address gets its
    // burst anew.
    if (addresses_.size() >= kAddressesMax) addresses_.clear();
    auto& bucket = addresses_.try_emplace(prefix_of(client), kAddressPerSecond, kAddressBurst, now).first->second;
    if (bucket.take(now) > milliseconds(0)) return Verdict::kAddress;
  }
  if (admitted_.take(now) == milliseconds(0)) return Verdict::kAdmitted;
  if (told_.take(now) == milliseconds(0)) return Verdict::kComeBack;
  return Verdict::kRefused;
}

}  // namespace parley::net
