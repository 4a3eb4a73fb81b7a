#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "parley/base/reactor.hpp"
#include "parley/protocol/types.hpp"
#include "parley/session/frame.hpp"

namespace parley::session {

/// What is known of a connection from its upgrade request.
struct PeerInfo {
  std::uint64_t connection = 0;  ///< for logs
  std::string ip;                ///< the client's, after trusted proxies
  std::string origin;            ///< empty: none was sent
  bool own_origin =
      false;             ///< origin is the daemon's own (same host as the Host header, or a configured public address)
  std::string cookie;    ///< value of the console cookie, empty if none
  bool admitted = true;  ///< false: over the admission limit; say bye with a delay and close with kOverload
};

class PeerHandler {
 public:
  /// One text message; kPadding bytes behind it are readable. Valid during the call only.
  virtual void on_message(std::span<char> text) = 0;
  /// The queue had been above `low_water` and is below it again.
  virtual void on_drained() = 0;
  /// Last call; the peer is gone after it. `code` is what the other side sent, or 1006.
  virtual void on_closed(std::uint16_t code) = 0;

 protected:
  ~PeerHandler() = default;
};

/// One live WebSocket connection as a session sees it; implemented by net, owned by net's table of the reactor it lives
/// on. Threads: its present home reactor.
class Peer {
 public:
  virtual const PeerInfo& info() const = 0;
  /// Frees what info() holds; afterwards it is empty. For a session that has copied what it needs: an idle connection
  /// then costs less.
  virtual void forget_request() {}
  virtual Reactor& home() const = 0;
  virtual void set_handler(PeerHandler* handler) = 0;  ///< null: messages are not read until there is one
  /// Queues; everything queued in one turn goes out with one system call at its end. Never blocks, never fails: a dead
  /// connection reports by on_closed.
  virtual void send(FramePtr frame) = 0;
  void send_json(std::string_view json) { send(make_text_frame(json)); }
  virtual std::size_t queued_bytes() const = 0;  ///< not yet taken by the kernel
  /// Sends what is queued, then a close frame with {"code":"…"}; waits at most 3 s for the other side. on_closed
  /// follows.
  virtual void close(protocol::CloseCode code) = 0;
  /// Moves the connection with all unread bytes to `target`; `then` runs there with the same peer. Nothing may be
  /// queued. Until then no handler is called. If the connection dies on the way, `then` still runs and on_closed
  /// follows.
  virtual void move_to(Reactor& target, std::function<void(Peer&)> then) = 0;

 protected:
  ~Peer() = default;
};

/// Where net hands over new connections; one object for all reactors, called at the reactor that accepted.
class PeerAcceptor {
 public:
  virtual void on_peer(Peer& peer) = 0;

 protected:
  ~PeerAcceptor() = default;
};

}  // namespace parley::session
