#include "parley/tenant/lockout.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>

namespace parley::tenant {

Lockout::Ms Lockout::wait(std::string_view key, Time now) const {
  const auto found = tries_.find(std::string(key));
  if (found == tries_.end() || found->second.until <= now) return Ms(0);
  return std::chrono::ceil<Ms>(found->second.until - now);
}

Lockout::Ms Lockout::failed(std::string_view key, Time now) {
  auto found = tries_.find(std::string(key));
  if (found == tries_.end()) {
    if (tries_.size() >= policy_.keys_max) make_room(now);
    found = tries_.emplace(std::string(key), Try{}).first;
  } else if (now - found->second.last >= policy_.forget) {
    found->second = Try{};
  }
  Try& entry = found->second;
  ++entry.failures;
  entry.last = now;
  if (entry.failures <= policy_.free) return Ms(0);
  const unsigned doublings = std::min(entry.failures - policy_.free - 1, 30u);
  const Ms pause = std::min(policy_.longest, policy_.first * (std::int64_t{1} << doublings));
  entry.until = now + pause;
  return pause;
}

void Lockout::succeeded(std::string_view key) { tries_.erase(std::string(key)); }

void Lockout::take_back(std::string_view key) {
  const auto found = tries_.find(std::string(key));
  if (found == tries_.end()) return;
  found->second.until = Time{};
  if (--found->second.failures == 0) tries_.erase(found);
}

void Lockout::make_room(Time now) {
  std::erase_if(tries_, [&](const auto& item) { return now - item.second.last >= policy_.forget; });
  if (tries_.size() < policy_.keys_max) return;
  tries_.erase(std::ranges::min_element(tries_, {}, [](const auto& item) { return item.second.last; }));
}

std::string network_of(std::string_view ip) {
  in6_addr address{};
  if (inet_pton(AF_INET6, std::string(ip).c_str(), &address) != 1) return std::string(ip);
  // An IPv4 client on a dual-stack socket: the last four bytes are its address.
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    char text[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof text);
  }
  std::fill(address.s6_addr + 8, address.s6_addr + 16, std::uint8_t{0});
  char text[INET6_ADDRSTRLEN];
  return std::string(inet_ntop(AF_INET6, &address, text, sizeof text)) + "/64";
}

}  // namespace parley::tenant
