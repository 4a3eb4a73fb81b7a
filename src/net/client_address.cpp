#include "client_address.hpp"

#include <algorithm>

#include "http_text.hpp"
#include "parley/config/settings.hpp"

namespace parley::net {
namespace {

namespace ip = boost::asio::ip;

/// An entry of X-Forwarded-For: an address, perhaps with a port ("1.2.3.4:80", "[::1]:80").
ip::address parse_entry(std::string_view text, boost::system::error_code& ec) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    text = text.substr(1, end == std::string_view::npos ? text.size() : end - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  return unmapped(ip::make_address(std::string(text), ec));
}

}  // namespace

ip::address unmapped(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

ProxyTrust::ProxyTrust(const std::vector<std::string>& trusted) {
  for (const std::string& entry : trusted) {
    boost::system::error_code ec;
    if (entry.find('/') == std::string::npos) {
      const ip::address address = unmapped(ip::make_address(entry, ec));
      if (!ec && address.is_v4()) v4_.emplace_back(address.to_v4(), static_cast<unsigned short>(32));
      if (!ec && address.is_v6()) v6_.emplace_back(address.to_v6(), static_cast<unsigned short>(128));
    } else if (entry.find(':') == std::string::npos) {
      const ip::network_v4 network = ip::make_network_v4(entry, ec);
      if (!ec) v4_.push_back(network.canonical());
    } else {
      const ip::network_v6 network = ip::make_network_v6(entry, ec);
      if (!ec) v6_.push_back(network.canonical());
    }
    if (ec)
      throw config::ConfigError("server.trusted_proxies: \"" + entry +
                                "\" is neither an address nor a network such as 10.0.0.0/8");
  }
}

bool ProxyTrust::trusts(const ip::address& address) const {
  const ip::address plain = unmapped(address);
  if (plain.is_v4()) {
    return std::any_of(v4_.begin(), v4_.end(), [&](const ip::network_v4& network) {
      return ip::network_v4(plain.to_v4(), network.prefix_length()).canonical() == network;
    });
  }
  return std::any_of(v6_.begin(), v6_.end(), [&](const ip::network_v6& network) {
    return ip::network_v6(plain.to_v6(), network.prefix_length()).canonical() == network;
  });
}

ip::address ProxyTrust::client(const ip::address& remote, std::string_view forwarded_for) const {
  ip::address client = unmapped(remote);
  while (!forwarded_for.empty() && trusts(client)) {
    const std::size_t comma = forwarded_for.rfind(',');
    const std::string_view entry =
        trimmed(comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
    forwarded_for = comma == std::string_view::npos ? std::string_view() : forwarded_for.substr(0, comma);
    boost::system::error_code ec;
    const ip::address next = parse_entry(entry, ec);
    if (ec) break;
    client = next;
  }
  return client;
}

std::uint64_t prefix_of(const ip::address& address) {
  const ip::address plain = unmapped(address);
  if (plain.is_v4()) return plain.to_v4().to_uint();
  std::uint64_t prefix = 0;
  const auto bytes = plain.to_v6().to_bytes();
  for (std::size_t i = 0; i < 8; ++i) prefix = prefix << 8 | bytes[i];
  return prefix;
}

std::string authority_of_host(std::string_view host, bool secure) {
  std::string authority = lower(host);
  const std::string_view port = secure ? ":443" : ":80";
  if (authority.ends_with(port)) authority.resize(authority.size() - port.size());
  return authority;
}

std::string authority_of_url(std::string_view url) {
  const std::string plain = lower(url);
  const bool secure = plain.starts_with("https://");
  if (!secure && !plain.starts_with("http://")) return {};
  std::string_view rest = std::string_view(plain).substr(secure ? 8 : 7);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  return authority_of_host(rest, secure);
}

}  // namespace parley::net
