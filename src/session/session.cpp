#include "session.hpp"

#include <algorithm>
#include <utility>

#include "parley/base/bytes.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"
#include "shard.hpp"

namespace parley::session {

using protocol::CloseCode;
using protocol::Code;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kOutMessageBytes = 32768;  // replies collected in a turn are cut into messages of about this size
constexpr std::size_t kWritableBytes = 4096;     // less than this left in the queue: the reader keeps up again
constexpr std::size_t kQueuedMax = 8 << 20;      // more than any catch-up: somebody asks and does not read the answers
constexpr milliseconds kLagCheck{1000};
constexpr std::chrono::minutes kFrameErrorsOver{1};
constexpr std::size_t kGrantedMax = 8;
constexpr std::size_t kWatchedMax = 200;
constexpr std::size_t kOutPooled = 512;        // strings for replies kept by a thread
constexpr std::size_t kOutPooledBytes = 4096;  // a string that grew beyond is not worth keeping
// Frames of all kinds, as a multiple of the sends allowed: enough for receipts, typing and go-back-N, too little for a
// flood.
constexpr double kFramesPerSend = 10;

/// Strings in which sessions gather what they say in a turn: the same few for all of a thread, warm, and none at an
/// idle session.
std::vector<std::unique_ptr<std::string>>& out_pool() {
  thread_local std::vector<std::unique_ptr<std::string>> strings;
  return strings;
}

std::unique_ptr<std::string> take_out() {
  auto& pool = out_pool();
  if (pool.empty()) return std::make_unique<std::string>();
  std::unique_ptr<std::string> out = std::move(pool.back());
  pool.pop_back();
  return out;
}

void give_back(std::unique_ptr<std::string> out) {
  if (out_pool().size() >= kOutPooled || out->capacity() > kOutPooledBytes) return;
  out->clear();
  out_pool().push_back(std::move(out));
}

}  // namespace

/// The frames of one message, on their way to the session.
struct Session::Frames final : protocol::FrameSink {
  explicit Frames(Session& s) : session(s) {}
  void on_frame(std::uint64_t id, const protocol::ClientFrame& frame) override { session.on_frame(id, frame); }
  void on_frame_error(std::uint64_t id, const protocol::FrameError& error) override {
    session.on_frame_error(id, error);
  }
  bool wants_more() const override { return session.stage_ == Stage::kLive || session.stage_ == Stage::kHello; }
  Session& session;
};

Session::Session(Shard& shard, Peer& peer, std::uint64_t id)
    : shard_(&shard),
      peer_(&peer),
      visible_(true),
      pinged_(false),
      counted_(false),
      flush_asked_(false),
      out_several_(false),
      heard_(shard.reactor().now()),
      connection_(peer.info().connection) {
  static_assert(sizeof(Session) <= 256, "an idle session is meant to be small");
  who_.session = {shard.index(), id};
}

Session::~Session() = default;

void Session::reply(std::string_view json, bool several) {
  if (stage_ == Stage::kClosing) return;
  if (out_ && out_->size() + json.size() > kOutMessageBytes) flush();
  out_several_ = out_several_ || several || out_;
  if (out_) {
    *out_ += ',';
  } else {
    out_ = take_out();
    *out_ = '[';  // dropped again if it stays alone
  }
  *out_ += json;
  if (!flush_asked_) {
    flush_asked_ = true;
    shard_->flush_later(key());
  }
}

void Session::flush() {
  flush_asked_ = false;
  if (!out_) return;
  if (out_several_) {
    *out_ += ']';
    peer_->send_json(*out_);
  } else {
    peer_->send_json(std::string_view(*out_).substr(1));
  }
  out_several_ = false;
  give_back(std::move(out_));
  if (peer_->queued_bytes() > kQueuedMax) close(CloseCode::kSlow);
}

void Session::Lagging::note(ConversationId conv, std::uint64_t seq) {
  auto known = std::find_if(heads.begin(), heads.end(), [&](const auto& h) { return h.first == conv; });
  if (known == heads.end()) {
    heads.emplace_back(conv, seq);
  } else {
    known->second = std::max(known->second, seq);
  }
}

void Session::push_entry(ConversationId conv, std::uint64_t seq, const FramePtr& frame) {
  if (stage_ != Stage::kLive) return;
  if (Lagging* behind = lagging()) {
    shard_->metrics().dropped_lagging.add();
    return behind->note(conv, seq);
  }
  flush();  // what was said before goes before
  if (stage_ != Stage::kLive) return;
  pushed_.push(conv, seq, static_cast<std::uint32_t>(frame->size()));
  peer_->send(frame);
  if (pushed_.bytes() > window_ || peer_->queued_bytes() > window_ / 2) begin_lagging();
}

void Session::push_ephemeral(const FramePtr& frame) {
  if (stage_ != Stage::kLive) return;
  if (lagging() || peer_->queued_bytes() > window_ / 4) {
    shard_->metrics().dropped_ephemeral.add();
    return;
  }
  flush();
  peer_->send(frame);
}

/// The reader is too slow: nothing more is queued for it until it has read what is, was told where the conversations
/// stand, and fetches what it lacks. What is queued already stays: it is less than the window, and answers stand among
/// it.
void Session::begin_lagging() {
  auto behind = std::make_unique<Lagging>();
  behind->since = shard_->reactor().now();
  for (const PushWindow::Pushed& p : pushed_) behind->note(p.conv, p.seq);
  pushed_.clear();
  rare().lagging = std::move(behind);
  log::debug("session_lagging", "conn={} tenant={} queued_bytes={}", connection_, who_.tenant.value,
             peer_->queued_bytes());
  arm_heartbeat(kLagCheck);
  if (peer_->queued_bytes() < kWritableBytes) on_drained();
}

void Session::on_drained() {
  Lagging* behind = lagging();
  if (!behind || behind->told || stage_ != Stage::kLive) return;
  behind->told = true;
  behind->since = shard_->reactor().now();
  tell_lag(std::exchange(behind->heads, {}));
}

void Session::tell_lag(const std::vector<std::pair<ConversationId, std::uint64_t>>& heads) {
  std::string json;
  protocol::append_lag(json, heads);
  reply(json);
}

/// It fetches or confirms. Entries that came since it was told are in no queue: it must hear of them, too, or the last
/// one of a conversation would stay unknown.
void Session::made_progress() {
  Lagging* behind = lagging();
  if (!behind || !behind->told) return;
  const auto heads = std::move(behind->heads);
  rare_->lagging.reset();
  if (!heads.empty()) tell_lag(heads);
}

void Session::grant(ConversationId conv) {
  if (granted(conv)) return;
  if (granted_.size() >= kGrantedMax) granted_.pop_front();
  granted_.push_back(conv);
}

void Session::slow_down(std::uint32_t pause_ms) {
  const auto now = shard_->reactor().now();
  if (stage_ != Stage::kLive || now < rare().slow_until) return;
  rare().slow_until = now + milliseconds(pause_ms);
  std::string json;
  protocol::append_slow(json, pause_ms);
  reply(json);
}

bool Session::granted(ConversationId conv) const { return granted_.contains(conv); }

Session::Rare& Session::rare() {
  if (!rare_) rare_ = std::make_unique<Rare>();
  return *rare_;
}

void Session::shrink(std::chrono::steady_clock::time_point now) {
  if (!rare_ || rare_->handshake || rare_->lagging || now < rare_->slow_until) return;
  if (rare_->frame_errors == 0 || now - rare_->frame_errors_since > kFrameErrorsOver) rare_.reset();
}

void Session::close(CloseCode code) {
  if (stage_ == Stage::kClosing) return;
  flush();
  stage_ = Stage::kClosing;
  cancel();
  peer_->set_handler(this);  // on_closed() must reach us, also out of the handshake
  log::debug("session_closing", "conn={} tenant={} principal={} code={}", connection_, who_.tenant.value,
             who_.principal.str(), static_cast<int>(code));
  peer_->close(code);
}

void Session::bye(std::uint32_t delay_ms, CloseCode code) {
  std::string json;
  protocol::append_bye(json, delay_ms, code);
  reply(json);
}

milliseconds Session::ping_interval() const {
  const auto& s = shard_->settings().session;
  return !who_.visitor() ? s.agent_ping : visible_ ? s.visitor_ping : s.hidden_ping;
}

milliseconds Session::ping_grace() const {
  const auto& s = shard_->settings().session;
  return !who_.visitor() ? s.agent_grace : visible_ ? s.visitor_grace : s.hidden_grace;
}

void Session::arm_heartbeat(milliseconds delay) { shard_->reactor().timers().arm(*this, delay); }

void Session::on_timer() {
  const auto now = std::chrono::steady_clock::now();
  switch (stage_) {
    case Stage::kHello:
      return close(CloseCode::kNoHello);
    case Stage::kAuthenticating:
      return close(CloseCode::kInternal);  // the store or a worker did not answer in time
    case Stage::kClosing:
      return;
    case Stage::kLive:
      break;
  }
  if (Lagging* behind = lagging()) {
    if (peer_->queued_bytes() < kWritableBytes) on_drained();
    if (now - behind->since >= shard_->settings().session.no_progress) return close(CloseCode::kSlow);
  }
  if (who_.visitor() && now > expires_) return close(CloseCode::kTokenExpired);
  const auto silent = std::chrono::duration_cast<milliseconds>(now - heard_);
  if (pinged_ && silent >= ping_interval() + ping_grace()) return close(CloseCode::kHeartbeat);
  milliseconds next = ping_interval() - silent;
  if (silent >= ping_interval()) {
    if (!pinged_) {
      pinged_ = true;
      std::string json;
      protocol::append_ping(json, to_ms(wall_ns()));
      reply(json);
    }
    next = std::max(milliseconds(50), ping_interval() + ping_grace() - silent);
  }
  shrink(now);
  arm_heartbeat(lagging() ? std::min(next, kLagCheck) : next);
}

void Session::on_message(std::span<char> text) {
  if (stage_ == Stage::kClosing) return;
  refill_frames(shard_->reactor().now());
  pinged_ = false;
  Frames frames(*this);
  shard_->decoder().decode(text, frames);
}

/// Who it is decides how much it may say.
double Session::frame_burst() const {
  const auto& s = shard_->settings().session;
  return (who_.visitor() ? s.visitor_send_burst : s.agent_send_burst) * kFramesPerSend;
}

void Session::refill_frames(std::chrono::steady_clock::time_point now) {
  const auto& s = shard_->settings().session;
  const double rate = (who_.visitor() ? s.visitor_sends_per_second : s.agent_sends_per_second) * kFramesPerSend;
  // Another reactor's turn, from which it came, may have begun later.
  const double since = std::max(0.0, std::chrono::duration<double>(now - heard_).count());
  frames_left_ = std::min(frame_burst(), frames_left_ + since * rate);
  heard_ = now;
}

/// Every frame counts, not every message: an array holds many. False: too many, the session is closing.
bool Session::within_rate() {
  if (stage_ != Stage::kLive) return true;
  if (frames_left_ >= 1) {
    frames_left_ -= 1;
    return true;
  }
  log::warn("session_flood", "conn={} tenant={} principal={}", connection_, who_.tenant.value, who_.principal.str());
  close(CloseCode::kRate);
  return false;
}

void Session::on_closed(std::uint16_t code) {
  log::debug("session_closed", "conn={} tenant={} principal={} code={}", connection_, who_.tenant.value,
             who_.principal.str(), code);
  cancel();
  shard_->ended(*this);  // destroys this
}

void Session::reply_error(std::uint64_t re, Code code, std::string_view field, std::string_view message) {
  protocol::ErrorView view;
  view.re = re;
  view.code = code;
  view.field = field;
  view.message = message;
  const std::string ref = log::make_ref();
  view.ref = ref;
  log::debug("frame_refused", "conn={} tenant={} code={} field={} ref={}", connection_, who_.tenant.value,
             protocol::info(code).name, field, ref);
  std::string json;
  protocol::append_error(json, view);
  reply(json);
}

bool Session::agents_only(std::uint64_t id) {
  if (!who_.visitor()) return true;
  reply_error(id, Code::kForbidden);
  return false;
}

void Session::on_frame_error(std::uint64_t id, const protocol::FrameError& error) {
  PARLEY_FAULT_POINT("session.after_decode");
  if (stage_ == Stage::kClosing || !within_rate()) return;
  if (error.consumes_n && stage_ == Stage::kLive && error.conv && error.n) {
    // A send whose content is unacceptable: its refusal must be remembered under its n, in order.
    SendRequest request;
    request.who = who_;
    request.re = id;
    request.conv = error.conv;
    request.n = *error.n;
    request.adopted = error.dev && *error.dev != dev_;
    request.dev = error.dev.value_or(dev_);
    request.hash = 0;
    request.may_open = who_.visitor() && granted(error.conv);
    request.bad = SendRequest::Bad{error.code, error.field, error.message};
    request.arrived = heard_;
    return shard_->send(std::move(request));
  }
  shard_->metrics().frame_errors.add();
  reply_error(id, error.code, error.field, error.message);
  Rare& errors = rare();
  if (heard_ - errors.frame_errors_since > kFrameErrorsOver) {
    errors.frame_errors_since = heard_;
    errors.frame_errors = 0;
  }
  if (++errors.frame_errors > shard_->settings().session.frame_errors_per_minute) close(CloseCode::kProtocol);
}

void Session::on_frame(std::uint64_t id, const protocol::ClientFrame& frame) {
  PARLEY_FAULT_POINT("session.after_decode");
  if (stage_ == Stage::kHello) {
    if (const auto* first = std::get_if<protocol::Hello>(&frame)) return hello(id, *first);
    return reply_error(id, Code::kUnauthenticated, "t",
                       "the first frame is hello; wait for ready before anything else");
  }
  if (stage_ != Stage::kLive || !within_rate()) return;
  std::visit([&](const auto& f) { handle(id, f); }, frame);
}

void Session::handle(std::uint64_t id, const protocol::Hello&) {
  reply_error(id, Code::kBadFrame, "t", "hello was said already");
}

void Session::handle(std::uint64_t id, const protocol::Send& send) {
  if (send.dev == DevId{})
    return reply_error(id, Code::kBadFrame, "dev", "the all-zero dev is reserved; make one of 12 random bytes");
  SendRequest request;
  request.who = who_;
  request.re = id;
  request.conv = send.conv;
  request.adopted = send.dev && *send.dev != dev_;
  request.dev = send.dev.value_or(dev_);
  request.n = send.n;
  request.type = send.type;
  request.if_claim = send.if_claim;
  request.hash = protocol::payload_hash(send.type, send.body);
  request.text = send.body.text;
  request.note = send.body.note;
  request.reason = send.body.reason;
  request.ref = send.body.ref;
  request.to = send.body.to;
  request.target = send.body.target;
  request.may_open = who_.visitor() && granted(send.conv);
  request.arrived = heard_;
  shard_->send(std::move(request));
}

void Session::handle(std::uint64_t id, const protocol::Sync& sync) {
  made_progress();
  SyncRequest request;
  request.who = who_;
  request.re = id;
  request.conv = sync.conv;
  request.after = sync.after;
  request.before = sync.before;
  request.limit = sync.limit;
  shard_->sync(std::move(request));
}

void Session::handle(std::uint64_t id, const protocol::WatchConversation& watch) {
  if (!agents_only(id)) return;
  if (watched_.size() >= kWatchedMax && std::find(watched_.begin(), watched_.end(), watch.conv) == watched_.end()) {
    return reply_error(id, Code::kRate, "conv", "this session listens to 200 conversations already; unwatch some");
  }
  SubscribeRequest request;
  request.who = who_;
  request.re = id;
  request.conv = watch.conv;
  if (watch.cursor) request.cursor = OwnedCursor{watch.conv, std::string(watch.cursor->epoch), watch.cursor->seq};
  shard_->subscribe(*this, std::move(request));
}

void Session::handle(std::uint64_t id, const protocol::UnwatchConversation& unwatch) {
  if (agents_only(id)) shard_->unsubscribe(*this, unwatch.conv);
}

void Session::handle(std::uint64_t id, const protocol::WatchView& watch) {
  if (!agents_only(id)) return;
  if (id == 0) return reply_error(id, Code::kBadFrame, "id", "watching a list needs an id, which its deltas will name");
  shard_->at_desk(who_.tenant, [who = who_, id, watch](Desk& desk) { desk.watch(who, id, watch); });
}

void Session::handle(std::uint64_t id, const protocol::UnwatchView& unwatch) {
  if (!agents_only(id)) return;
  shard_->at_desk(who_.tenant, [key = key(), unwatch](Desk& desk) { desk.unwatch(key, unwatch.watch); });
}

void Session::handle(std::uint64_t id, const protocol::Inbox& inbox) {
  if (!agents_only(id)) return;
  shard_->at_desk(who_.tenant, [who = who_, id, inbox](Desk& desk) { desk.inbox(who, id, inbox); });
}

void Session::handle(std::uint64_t, const protocol::Receipt& receipt) {
  made_progress();
  pushed_.cover(receipt.conv, receipt.upto);
  shard_->receipt(who_, receipt.conv, receipt.upto, receipt.read);
}

void Session::handle(std::uint64_t, const protocol::Typing& typing) { shard_->typing(who_, typing.conv, typing.on); }

void Session::handle(std::uint64_t id, const protocol::SetStatus& status) {
  if (!agents_only(id)) return;
  shard_->at_desk(who_.tenant, [who = who_, value = status.status](Desk& desk) { desk.set_status(who, value); });
}

void Session::handle(std::uint64_t, const protocol::Pong&) {}

void Session::handle(std::uint64_t id, const protocol::Probe&) {
  std::string json;
  protocol::append_pong(json, id);
  reply(json);
}

void Session::handle(std::uint64_t id, const protocol::Refresh& frame) { refresh(id, frame.token); }

void Session::handle(std::uint64_t, const protocol::Visibility& visibility) {
  visible_ = visibility.on;
  if (!lagging()) arm_heartbeat(ping_interval());  // the other tier counts from now on
}

}  // namespace parley::session
