#include "listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

#include "parley/config/settings.hpp"
#include "parley/obs/log.hpp"

namespace parley::net {
namespace {

namespace ip = boost::asio::ip;

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kShortPause{1000};
constexpr int kUserTimeoutMs = 30'000;       // a peer that acknowledges nothing for so long is gone
constexpr int kNotSentLowWater = 16 * 1024;  // what waits beyond it waits in our queue, where it can still be dropped

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

UniqueFd tcp_socket(const ip::tcp::endpoint& endpoint) {
  UniqueFd fd(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (endpoint.address().is_v6()) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // Inherited by accepted connections, which saves three system calls for each.
  set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  set(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, kNotSentLowWater);
  return fd;
}

[[noreturn]] void cannot_listen(std::string_view section, const ip::tcp::endpoint& endpoint, int error) {
  const std::string where =
      fmt::format("{}.port: cannot listen on {} port {}: ", section, endpoint.address().to_string(), endpoint.port());
  switch (error) {
    case EADDRINUSE:
      throw config::ConfigError(where + "another program uses it; stop that one or choose another port");
    case EACCES:
      throw config::ConfigError(where + "not allowed; choose a port from 1024 up or grant CAP_NET_BIND_SERVICE");
    case EADDRNOTAVAIL:
      throw config::ConfigError(where +
                                fmt::format("this machine has no such address; set {}.listen to one it has", section));
    default:
      throw config::ConfigError(where + std::strerror(error));
  }
}

ip::address address_of(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    return ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return unmapped(ip::address_v6(bytes));
  }
  return {};  // a Unix socket
}

UniqueFd open_reserve() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

std::vector<UniqueFd> listen_tcp(std::string_view section, const std::string& address, std::uint16_t port,
                                 std::size_t count) {
  boost::system::error_code ec;
  const ip::address parsed = ip::make_address(address, ec);
  if (ec) throw config::ConfigError(fmt::format("{}.listen: \"{}\" is not an IPv4 or IPv6 address", section, address));
  ip::tcp::endpoint endpoint(parsed, port);
  std::vector<UniqueFd> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    UniqueFd fd = tcp_socket(endpoint);
    if (!fd) cannot_listen(section, endpoint, errno);
    // The first one binds and listens alone, so that a port in use is an error whatever its user allows; sharing it
    // with our other reactors begins after that.
    if (i > 0) set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
    if (::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
        ::listen(fd.get(), kBacklog) != 0) {
      cannot_listen(section, endpoint, errno);
    }
    if (i == 0) {
      if (count > 1) set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
      endpoint.port(port_of(fd.get()));
    }
    sockets.push_back(std::move(fd));
  }
  return sockets;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                           : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

UniqueFd listen_unix(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) {
    throw config::ConfigError(fmt::format(
        "store.folder: the path of its admin socket has {} bytes, at most {} are possible; use a shorter folder",
        name.size(), sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);

  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe && ::connect(probe.get(), plain, sizeof address) == 0) {
    throw config::ConfigError(
        fmt::format("store.folder: another daemon answers on {}; stop it or use another folder", name));
  }
  ::unlink(name.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // The file takes its mode from the socket, so it is never open to others, not even for a moment.
  if (!fd || ::fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 || ::bind(fd.get(), plain, sizeof address) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    throw config::ConfigError(fmt::format("store.folder: cannot make {}: {}", name, std::strerror(errno)));
  }
  return fd;
}

Listener::Listener(ReactorNet& net, UniqueFd socket, const HttpService& service, Admission* admission)
    : net_(net), socket_(std::move(socket)), reserve_(open_reserve()), service_(service), admission_(admission) {}

Listener::~Listener() = default;

void Listener::start() {
  if (socket_ && !net_.poller().add(socket_.get(), EPOLLIN, *this))
    log::error("listener_not_watched", "cause={}", log::quote(std::strerror(errno)));
}

void Listener::stop() {
  if (!socket_) return;
  cancel();
  net_.poller().remove(socket_.get(), *this);
  socket_.reset();
}

void Listener::on_events(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && socket_ && accept_one(); ++i) {
  }
}

bool Listener::accept_one() {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const int fd = ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      out_of_descriptors();
      return false;
    }
    return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
  }
  net_.metrics().accepts.add();
  Connection* added =
      net_.add(std::make_unique<HttpConnection>(net_, fd, address_of(from), service_, admission_), EPOLLIN);
  if (added == nullptr) {
    net_.metrics().refused(Refused::kDescriptors).add();
    return true;
  }
  static_cast<HttpConnection*>(added)->begin();
  if (short_) {
    short_ = false;
    log::info("descriptors_available", "port={}", port_of(socket_.get()));
  }
  return true;
}

void Listener::out_of_descriptors() {
  if (!short_)
    log::error("out_of_descriptors", "cause={} remedy=\"raise the limit of open files (LimitNOFILE, ulimit -n)\"",
               log::quote(std::strerror(errno)));
  short_ = true;
  // What is waiting is told at once by closing it; otherwise it would hang until a time-out.
  reserve_.reset();
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd turned_away(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!turned_away) break;
    net_.metrics().refused(Refused::kDescriptors).add();
  }
  reserve_ = open_reserve();
  net_.poller().change(socket_.get(), 0, *this);
  net_.home().timers().arm(*this, kShortPause);
}

void Listener::on_timer() {
  if (!reserve_) reserve_ = open_reserve();
  net_.poller().change(socket_.get(), EPOLLIN, *this);
}

}  // namespace parley::net
