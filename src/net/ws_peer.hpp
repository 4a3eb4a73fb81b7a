#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "out_queue.hpp"
#include "parley/base/timer_wheel.hpp"
#include "parley/protocol/ws.hpp"
#include "parley/session/peer.hpp"
#include "reactor_net.hpp"

namespace parley::net {

struct WsOptions {
  bool require_subprotocol = true;  ///< parley.v1; if not required, none is negotiated
  bool allow_binary = false;        ///< otherwise a binary message closes with 4500
  std::size_t message_bytes_max = 65536;
};

/// Finds the network side of a reactor; the same for all connections of a server.
using NetOf = std::function<ReactorNet*(Reactor&)>;

/// One WebSocket after its handshake. While idle it is this object alone, two cache lines: the queue, the rest of a
/// message, a close in progress and what is kept of the request live elsewhere and only while there is something in
/// them. No function of a handler is called from within send(), close(), set_handler() or move_to().
class WsPeer final : public Connection, public session::Peer {
 public:
  /// `handshake` is the answer to the upgrade request and goes out first.
  WsPeer(ReactorNet& net, const NetOf& net_of, const WsOptions& options, session::PeerInfo info, std::string handshake);
  ~WsPeer() override;

  /// After it has its socket: hands it to the acceptor, then reads what came behind the upgrade request.
  void begin(session::PeerAcceptor& acceptor, std::string_view unread);
  /// During on_message(): text or binary.
  protocol::ws::Opcode message_opcode() const noexcept { return opcode_; }

  const session::PeerInfo& info() const override;
  void forget_request() override;
  Reactor& home() const override { return net().home(); }
  void set_handler(session::PeerHandler* handler) override;
  void send(session::FramePtr frame) override;
  std::size_t queued_bytes() const override { return out_.bytes(); }
  void close(protocol::CloseCode code) override;
  void move_to(Reactor& target, std::function<void(Peer&)> then) override;

  static constexpr std::size_t kLowWater = 16 * 1024;

 private:
  enum class State : std::uint8_t {
    kOpen,
    kClosing,   ///< our close frame is queued or out; theirs is awaited
    kFailed,    ///< the other side broke the protocol: our close frame goes out, what still comes is thrown away
    kFinishing  ///< both close frames are there, ours still has to go out
  };
  struct Backlog;  // messages read while nobody may take them
  struct Move;
  struct CloseTimer;
  struct Rare;  // what is there at the beginning and at the end of a connection, or in trouble

  void on_events(std::uint32_t events) override;
  void expect_events() const noexcept override;
  void on_turn_end() override;
  void on_shutdown(bool at_once) override;

  void read();
  void decode(std::span<char> bytes);
  void handle(const protocol::ws::Event& event);
  void deliver(protocol::ws::Opcode opcode, std::span<char> payload);
  bool deliver_backlog();
  bool may_deliver() const noexcept { return handler_ != nullptr && !moving(); }
  bool moving() const noexcept;
  bool behind() const noexcept;  ///< messages wait for somebody to take them
  Rare& rare();
  void shrink() noexcept;
  void queue_close(std::uint16_t code, std::string_view reason);
  void peer_closed(std::uint16_t code);
  void fail(std::uint16_t code, std::string_view reason);
  /// The connection is of no use any more; reported once somebody is there to hear it.
  void lost();
  void report_closed(std::uint16_t code);
  void end();
  void hop();
  void flush();
  bool reads() const;
  void set_interest();

  session::PeerHandler* handler_ = nullptr;
  OutQueue out_;
  protocol::ws::Decoder decoder_;
  std::unique_ptr<Rare> rare_;
  const NetOf& net_of_;
  State state_ = State::kOpen;
  protocol::ws::Opcode opcode_ = protocol::ws::Opcode::kText;
  bool allow_binary_ : 1;
  bool above_ : 1;    // the queue was above low water; on_drained() is owed
  bool blocked_ : 1;  // the kernel took no more: EPOLLOUT is awaited
  bool lost_ : 1;     // dead, but not reported yet
  bool reported_ : 1;
};

}  // namespace parley::net
