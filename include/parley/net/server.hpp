#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/config/settings.hpp"
#include "parley/net/http.hpp"
#include "parley/obs/metrics.hpp"
#include "parley/session/peer.hpp"

namespace parley::net {

/// Limits of the HTTP side; the defaults are what the daemon uses, tests shorten them.
struct HttpLimits {
  std::size_t header_bytes = 16 * 1024;  ///< above: 431
  std::size_t body_bytes = 1024 * 1024;  ///< above: 413
  std::chrono::milliseconds header{
      10'000};  ///< from accept, or the first byte of a later request, to the end of the headers; after it 408
  std::chrono::milliseconds body{30'000};   ///< from there to the end of the body; after it 408
  std::chrono::milliseconds idle{60'000};   ///< between requests, and for an answer of which the client takes nothing
  std::chrono::milliseconds linger{2'000};  ///< how long a closed connection waits for the client to close too
};

/// Key of the channel a page shows: of the tenant with this slug, or of the demo tenant for an empty one. Nothing:
/// there is no such page (404). An error: nobody can tell now.
using PageKey = std::function<boost::asio::awaitable<Result<std::optional<std::string>>>(std::string slug)>;

/// The network side of the daemon: the public port on every reactor, the operators' port on the first, and
/// data/admin.sock.
///
/// Public port: GET /ws becomes a session::Peer, pages and assets come from server.web_root (read once, at start),
/// everything else goes to `pages`' Router. The other two speak HTTP with routers of their own. Requests run as
/// coroutines on the reactor their connection was accepted on.
///
/// Lifetime: everything passed in outlives the server; the server outlives the run of the reactors (stop and join them,
/// then destroy it, then them). Threads: constructed, started and destroyed by the thread that owns the reactors;
/// functions marked so by any.
class Server {
 public:
  struct Routers {
    const Router& open;   ///< the public port
    const Router& ops;    ///< metrics, health
    const Router& admin;  ///< the Unix socket
  };
  Server(std::vector<Reactor*> reactors, const config::Settings& settings, obs::Registry& metrics,
         session::PeerAcceptor& acceptor, Routers routers, const HttpLimits& limits = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Before start(). Without it chat and demo pages are 404.
  void set_page_key(PageKey key);

  /// Binds and begins to accept, before or after the reactors run. Throws config::ConfigError with a remedy in one line
  /// if an address is not one, a port is taken or not allowed, or another daemon answers on the admin socket.
  void start();
  std::uint16_t port() const noexcept;  ///< after start(); the chosen one if 0 was configured
  std::uint16_t ops_port() const noexcept;

  /// Any thread: the public port is closed; open connections live on, HTTP answers carry `Connection: close`.
  void stop_accepting();
  /// Any thread: closes everything that is left: idle HTTP connections at once, WebSockets by a close frame 1001,
  /// requests after their answer. What still lives after `deadline` is cut.
  void close_all(std::chrono::milliseconds deadline);
  /// Any thread: connections of all kinds that are open now (0 after close_all() has done its work).
  std::size_t connections() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::net
