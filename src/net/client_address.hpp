#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parley::net {

/// Which proxies are believed, and who the client is behind them. An IPv4 address mapped into IPv6 counts as the IPv4
/// address.
class ProxyTrust {
 public:
  /// Addresses or CIDR. Throws config::ConfigError naming the entry that is neither.
  explicit ProxyTrust(const std::vector<std::string>& trusted);
  bool trusts(const boost::asio::ip::address& address) const;
  /// Walks X-Forwarded-For (all its lines joined by commas) from the right, as long as the address at hand is a trusted
  /// proxy. Stops at what is not an address.
  boost::asio::ip::address client(const boost::asio::ip::address& remote, std::string_view forwarded_for) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

boost::asio::ip::address unmapped(const boost::asio::ip::address& address);
/// The network a client probably has for itself: /32 of IPv4, /64 of IPv6; as a key for rate limits.
std::uint64_t prefix_of(const boost::asio::ip::address& address);

/// Host and port of an origin or URL ("https://a.example:8443/x" → "a.example:8443"), lower case, without the scheme's
/// default port; empty if it is no http(s) URL.
std::string authority_of_url(std::string_view url);
/// The same form of a Host header, for the given scheme.
std::string authority_of_host(std::string_view host, bool secure);

}  // namespace parley::net
