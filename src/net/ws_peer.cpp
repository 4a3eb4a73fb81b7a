#include "ws_peer.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

#include "parley/protocol/types.hpp"
#include "prefetch.hpp"

namespace parley::net {
namespace {

namespace ws = protocol::ws;

constexpr std::chrono::milliseconds kCloseWait{3000};
constexpr std::size_t kPongQueueMax = 64 * 1024;  // a peer that pings and does not read gets no more pongs beyond this

constexpr std::size_t kHandlerBytes = 256;  // a session

const session::PeerInfo kForgotten;

}  // namespace

/// Complete messages in the order of their coming, each with the padding a parser needs behind it. What is buffered is
/// at most one read of the socket and one message, because nothing is read while there is a backlog.
struct WsPeer::Backlog {
  struct Item {
    ws::Event::Kind kind;
    ws::Opcode opcode;
    std::uint16_t code;
    std::string bytes;
  };
  std::deque<Item> items;
};

struct WsPeer::Move {
  Reactor& target;
  std::function<void(session::Peer&)> then;
};

struct WsPeer::CloseTimer final : WheelTimer {
  explicit CloseTimer(WsPeer& p) : peer(p) {}
  void on_timer() override { peer.lost(); }
  WsPeer& peer;
};

struct WsPeer::Rare {
  std::optional<session::PeerInfo> info;
  std::unique_ptr<Backlog> backlog;
  std::unique_ptr<Move> move;
  std::unique_ptr<CloseTimer> close_timer;
};

WsPeer::WsPeer(ReactorNet& net, const NetOf& net_of, const WsOptions& options, session::PeerInfo info,
               std::string handshake)
    : Connection(net, -1, Kind::kWebSocket),
      decoder_(options.message_bytes_max),
      net_of_(net_of),
      allow_binary_(options.allow_binary),
      above_(false),
      blocked_(false),
      lost_(false),
      reported_(false) {
  static_assert(sizeof(WsPeer) <= 128, "an idle connection is meant to be small");
  rare().info = std::move(info);
  out_.push(session::Frame::copy(handshake));
}

WsPeer::~WsPeer() = default;

void WsPeer::begin(session::PeerAcceptor& acceptor, std::string_view unread) {
  net().mark_dirty(*this);
  acceptor.on_peer(*this);
  if (!unread.empty()) {
    std::string bytes(unread);
    bytes.resize(unread.size() + ws::kPadding);
    decode({bytes.data(), unread.size()});
  }
  if (net().shutting_down()) on_shutdown(false);
  set_interest();
}

const session::PeerInfo& WsPeer::info() const { return rare_ && rare_->info ? *rare_->info : kForgotten; }

void WsPeer::forget_request() {
  if (!rare_) return;
  rare_->info.reset();
  shrink();
}

void WsPeer::shrink() noexcept {
  if (!rare_->info && !rare_->backlog && !rare_->move && !rare_->close_timer) rare_.reset();
}

WsPeer::Rare& WsPeer::rare() {
  if (!rare_) rare_ = std::make_unique<Rare>();
  return *rare_;
}

bool WsPeer::moving() const noexcept { return rare_ && rare_->move; }

bool WsPeer::behind() const noexcept { return rare_ && rare_->backlog; }

// --- what the session calls
// -----------------------------------------------------------------------------------------------------------------------------------------------

void WsPeer::set_handler(session::PeerHandler* handler) {
  handler_ = handler;
  if (!buried())
    net().mark_dirty(*this);  // what waited is delivered, and reading begins or stops, at the end of the turn
}

void WsPeer::send(session::FramePtr frame) {
  if (state_ != State::kOpen || lost_ || buried()) return;
  out_.push(std::move(frame));
  if (out_.bytes() > kLowWater) above_ = true;
  if (!blocked_) net().mark_dirty(*this);
}

void WsPeer::close(protocol::CloseCode code) {
  if (state_ != State::kOpen || lost_ || buried()) return;
  queue_close(static_cast<std::uint16_t>(code),
              std::string("{\"code\":\"").append(protocol::reason_of(code)).append("\"}"));
  state_ = State::kClosing;
}

void WsPeer::move_to(Reactor& target, std::function<void(Peer&)> then) {
  assert(!moving());
  rare().move = std::unique_ptr<Move>(new Move{target, std::move(then)});
  net().mark_dirty(*this);
}

// --- reading
// --------------------------------------------------------------------------------------------------------------------------------------------------------------

/// The session behind it is what on_events() goes on with.
void WsPeer::expect_events() const noexcept { prefetch(handler_, kHandlerBytes); }

void WsPeer::on_events(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    blocked_ = false;
    net().mark_dirty(*this);  // written together with what this turn still queues
  }
  if ((events & EPOLLIN) != 0) {
    if (reads()) return read();
    want(blocked_ ? EPOLLOUT : 0U);
  }
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) lost();
}

void WsPeer::read() {
  const std::span<char> buffer = net().read_buffer();
  const ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    return lost();
  }
  if (got == 0) return lost();
  net().metrics().bytes_in.add(static_cast<std::uint64_t>(got));
  if (state_ == State::kFailed || state_ == State::kFinishing) return;
  decode(buffer.first(static_cast<std::size_t>(got)));
  if (!buried()) set_interest();
}

void WsPeer::decode(std::span<char> bytes) {
  decoder_.feed(bytes);
  ws::Event event;
  // The decoder must be asked to the end even when nobody may take messages: the buffer belongs to the next socket
  // afterwards.
  while (decoder_.next(event)) handle(event);
}

void WsPeer::handle(const ws::Event& event) {
  using What = ws::Event::Kind;
  if (state_ == State::kFailed || state_ == State::kFinishing || buried()) return;
  switch (event.kind) {
    case What::kPong:
      return;
    case What::kPing:
      if (state_ == State::kOpen && out_.bytes() <= kPongQueueMax) {
        std::string pong;
        ws::append_frame(pong, ws::Opcode::kPong, {event.payload.data(), event.payload.size()});
        send(session::Frame::copy(pong));
      }
      return;
    case What::kMessage:
      if (state_ != State::kOpen) return;  // we have said goodbye
      if (may_deliver() && !behind()) return deliver(event.opcode, event.payload);
      break;
    case What::kClose:
      if (state_ == State::kClosing || (may_deliver() && !behind())) return peer_closed(event.close_code);
      break;
    case What::kError:
      if (state_ == State::kClosing || (may_deliver() && !behind())) return fail(event.close_code, event.reason);
      break;
  }
  std::unique_ptr<Backlog>& backlog = rare().backlog;
  if (!backlog) backlog = std::make_unique<Backlog>();
  Backlog::Item& item = backlog->items.emplace_back();
  item.kind = event.kind;
  item.opcode = event.opcode;
  item.code = event.close_code;
  if (event.kind == What::kMessage) {
    item.bytes.reserve(event.payload.size() + ws::kPadding);
    item.bytes.assign(event.payload.data(), event.payload.size());
    item.bytes.append(ws::kPadding, '\0');
  } else {
    item.bytes.assign(event.reason);
  }
}

void WsPeer::deliver(ws::Opcode opcode, std::span<char> payload) {
  if (opcode == ws::Opcode::kBinary && !allow_binary_)
    return fail(static_cast<std::uint16_t>(protocol::CloseCode::kProtocol), "binary message");
  opcode_ = opcode;
  handler_->on_message(payload);
}

/// False: somebody stopped it, and the rest still waits.
bool WsPeer::deliver_backlog() {
  while (behind()) {
    if (!may_deliver()) return false;
    std::unique_ptr<Backlog>& backlog = rare_->backlog;
    if (backlog->items.empty()) {
      backlog.reset();
      shrink();
      break;
    }
    Backlog::Item item = std::move(backlog->items.front());
    backlog->items.pop_front();
    if (state_ == State::kFailed || state_ == State::kFinishing) continue;
    switch (item.kind) {
      case ws::Event::Kind::kMessage:
        if (state_ == State::kOpen) deliver(item.opcode, {item.bytes.data(), item.bytes.size() - ws::kPadding});
        break;
      case ws::Event::Kind::kClose:
        peer_closed(item.code);
        break;
      default:
        fail(item.code, item.bytes);
        break;
    }
  }
  return true;
}

// --- endings
// --------------------------------------------------------------------------------------------------------------------------------------------------------------

void WsPeer::queue_close(std::uint16_t code, std::string_view reason) {
  std::string frame;
  ws::append_close(frame, code, reason);
  out_.push(session::Frame::copy(frame));
  std::unique_ptr<CloseTimer>& timer = rare().close_timer;
  if (!timer) timer = std::make_unique<CloseTimer>(*this);
  net().home().timers().arm(*timer, kCloseWait);
  if (!blocked_) net().mark_dirty(*this);
}

void WsPeer::peer_closed(std::uint16_t code) {
  if (state_ == State::kOpen) queue_close(code == 1005 ? 0 : code, {});
  state_ = State::kFinishing;
  net().mark_dirty(*this);
  report_closed(code);
}

void WsPeer::fail(std::uint16_t code, std::string_view reason) {
  if (state_ == State::kOpen) queue_close(code, reason);
  state_ = State::kFailed;
  net().mark_dirty(*this);
  report_closed(1006);
}

void WsPeer::lost() {
  if (buried()) return;
  if (moving() || (handler_ == nullptr && !reported_ && state_ == State::kOpen)) {
    // Nobody can be told now. The socket is kept until somebody is there, but not watched: a dead one would be ready in
    // every turn.
    lost_ = true;
    net().poller().remove(fd(), *this);
    return;
  }
  report_closed(1006);
  end();
}

void WsPeer::report_closed(std::uint16_t code) {
  reported_ = true;
  if (session::PeerHandler* handler = std::exchange(handler_, nullptr)) handler->on_closed(code);
}

void WsPeer::end() {
  if (rare_) rare_->close_timer.reset();
  net().bury(*this);
}

void WsPeer::on_shutdown(bool at_once) {
  if (at_once) {
    if (moving()) return lost();  // ended where it arrives
    report_closed(1006);
    return end();
  }
  close(protocol::CloseCode::kGoingAway);
}

// --- the end of a turn
// ----------------------------------------------------------------------------------------------------------------------------------------------------

void WsPeer::on_turn_end() {
  if (behind()) deliver_backlog();
  if (buried()) return;
  if (lost_ && may_deliver()) {
    report_closed(1006);
    return end();
  }
  if (!lost_ && !blocked_) flush();
  if (buried()) return;
  if (moving()) return hop();
  set_interest();
}

void WsPeer::flush() {
  const OutQueue::Flush result = out_.flush(fd(), net().metrics());
  switch (result) {
    case OutQueue::Flush::kDead:
      return lost();
    case OutQueue::Flush::kEmpty:
      break;
    case OutQueue::Flush::kBlocked:
    case OutQueue::Flush::kMore:
      blocked_ = true;
      break;  // kMore: the others first; the poller says at once that there is room
  }
  if (out_.empty()) {
    if (state_ == State::kFinishing) return end();
    if (state_ == State::kFailed)
      ::shutdown(fd(),
                 SHUT_WR);  // then what still comes is thrown away until the other side closes, or the timer fires
  }
  if (above_ && out_.bytes() <= kLowWater && may_deliver()) {
    above_ = false;
    handler_->on_drained();
  }
}

/// Nothing is read while it could not be handed on: the kernel's window then holds the other side back.
bool WsPeer::reads() const { return state_ != State::kOpen || (may_deliver() && !behind()); }

void WsPeer::set_interest() {
  if (buried() || lost_) return;
  // Who is not read is watched until something comes: mostly nothing does, and each change is a call.
  want((reads() ? EPOLLIN : wanted() & EPOLLIN) | (blocked_ ? EPOLLOUT : 0U));
}

void WsPeer::hop() {
  Move& move = *rare_->move;
  ReactorNet* there = net_of_(move.target);
  assert(there != nullptr);
  Reactor& target = move.target;
  std::function<void(Peer&)> then = std::move(move.then);
  if (rare_->close_timer) rare_->close_timer->cancel();
  blocked_ = false;
  std::unique_ptr<WsPeer> self(static_cast<WsPeer*>(net().release(*this).release()));
  // From here on this thread owns nothing of it any more but the task.
  auto arrive = [self = std::move(self), there, then = std::move(then)]() mutable {
    WsPeer& peer = *self;
    peer.rare_->move.reset();
    if (!there->adopt(std::move(self))) peer.lost_ = true;
    if (peer.lost_) there->poller().remove(peer.fd(), peer);
    if (peer.rare_->close_timer) there->home().timers().arm(*peer.rare_->close_timer, kCloseWait);
    then(peer);
    if (there->shutting_down()) peer.on_shutdown(there->cutting());
    if (!peer.buried()) there->mark_dirty(peer);
  };
  target.post(Task(std::move(arrive)));
}

}  // namespace parley::net
