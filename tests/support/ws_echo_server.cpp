// Echoes every WebSocket message over the daemon's own connection class, for running a public conformance suite against
// it: ws_echo_server [port] (default 9001), any path "/ws". No subprotocol is asked for, binary messages are welcome,
// and messages may be as large as the suite sends them.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "net/listener.hpp"
#include "parley/obs/metrics.hpp"

namespace {

using namespace parley;

class Echo final : public session::PeerHandler {
 public:
  explicit Echo(net::WsPeer& peer) : peer_(peer) {}

 private:
  void on_message(std::span<char> text) override {
    std::string frame;
    protocol::ws::append_frame(frame, peer_.message_opcode(), {text.data(), text.size()});
    peer_.send(session::Frame::copy(frame));
  }
  void on_drained() override {}
  void on_closed(std::uint16_t) override { delete this; }
  net::WsPeer& peer_;
};

class Acceptor final : public session::PeerAcceptor {
 public:
  void on_peer(session::Peer& peer) override {
    peer.forget_request();
    peer.set_handler(new Echo(static_cast<net::WsPeer&>(peer)));  // deletes itself at on_closed(), which always comes
  }
};

Reactor* stop_at_signal = nullptr;

}  // namespace

int main(int argc, char** argv) {
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 9001);
  obs::Registry registry;
  Reactor reactor("echo");
  net::NetShared shared(registry);
  net::ReactorNet side(reactor, shared);
  const net::Router router;
  const net::HttpLimits limits;
  const net::ProxyTrust trust({});
  Acceptor acceptor;
  const net::NetOf net_of = [&](Reactor&) { return &side; };
  net::HttpService service{.router = router, .limits = limits, .trust = trust, .public_url = {}};
  service.acceptor = &acceptor;
  service.net_of = &net_of;
  service.ws.require_subprotocol = false;
  service.ws.allow_binary = true;
  service.ws.message_bytes_max = 64U << 20;
  net::Admission admission(1e6, std::chrono::steady_clock::now());
  try {
    auto sockets = net::listen_tcp("echo", "127.0.0.1", port, 1);
    std::printf("ws://127.0.0.1:%u/ws\n", net::port_of(sockets.front().get()));
    std::fflush(stdout);
    net::Listener listener(side, std::move(sockets.front()), service, &admission);
    side.poller().start();
    listener.start();
    stop_at_signal = &reactor;
    std::signal(SIGTERM, [](int) { stop_at_signal->stop(); });
    reactor.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
