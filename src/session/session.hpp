#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conversation_ids.hpp"
#include "parley/base/timer_wheel.hpp"
#include "parley/protocol/client_frame.hpp"
#include "parley/protocol/server_frame.hpp"
#include "parley/session/identity.hpp"
#include "parley/session/peer.hpp"
#include "parley/tenant/tokens.hpp"
#include "push_window.hpp"
#include "requests.hpp"
#include "tenant_profiles.hpp"

namespace parley::session {

class Shard;

/// One live connection with somebody behind it: handshake, heartbeat, flow control, and the frames in both directions.
/// What it is asked it passes on to homes and desks.
///
/// Life: waiting for hello → authenticating (nothing is read meanwhile) → moved once to the reactor its tenant lives on
/// → live → closing. Owned by the shard it is on; whoever comes back later (a coroutine, another reactor) asks the
/// shard for it by its key. Threads: the reactor of its shard.
///
/// A server holds many, and most are idle visitors: four cache lines, and what few need for a while lives elsewhere.
class Session final : public PeerHandler, private WheelTimer {
 public:
  Session(Shard& shard, Peer& peer, std::uint64_t id);
  ~Session();

  const Who& who() const noexcept { return who_; }
  SessionKey key() const noexcept { return who_.session; }
  std::uint64_t sid() const noexcept { return sid_; }
  bool live() const noexcept { return stage_ == Stage::kLive; }
  Peer& peer() noexcept { return *peer_; }

  /// Queues a frame (or several, with commas between) for the end of the turn; what comes together goes out as one
  /// message.
  void reply(std::string_view json, bool several = false);
  /// A shared frame with an entry: counts against the window; dropped while the reader is too slow.
  void push_entry(ConversationId conv, std::uint64_t seq, const FramePtr& frame);
  void push_ephemeral(const FramePtr& frame);
  /// Sends what reply() collected.
  void flush();
  void grant(ConversationId conv);
  /// Asks the client to send nothing for so long, unless it is pausing already.
  void slow_down(std::uint32_t pause_ms);
  void close(protocol::CloseCode code);
  void bye(std::uint32_t delay_ms, protocol::CloseCode code);

  // PeerHandler
  void on_message(std::span<char> text) override;
  void on_drained() override;
  void on_closed(std::uint16_t code) override;

 private:
  friend class Shard;
  enum class Stage : std::uint8_t { kHello, kAuthenticating, kLive, kClosing };
  /// What the handshake still needs after the frame is gone.
  struct Handshake {
    std::uint64_t re = 0;
    std::string token, resume;
    std::vector<OwnedCursor> cursors;
    std::string name;  // agents
    store::Role role = store::Role::kAgent;
    std::optional<tenant::ResumeClaims> resumed;
  };
  /// The reader is behind; nothing is pushed until it makes progress.
  struct Lagging {
    std::chrono::steady_clock::time_point since;  // it began, or was told
    std::vector<std::pair<ConversationId, std::uint64_t>>
        heads;  // of what was not pushed, or not confirmed, and what it was not told of yet
    bool told = false;
    void note(ConversationId conv, std::uint64_t seq);
  };
  /// What few sessions have, and only for a while.
  struct Rare {
    std::unique_ptr<Handshake> handshake;
    std::unique_ptr<Lagging> lagging;
    std::chrono::steady_clock::time_point slow_until{};  // it was asked to send nothing until then
    std::chrono::steady_clock::time_point frame_errors_since{};
    std::uint32_t frame_errors = 0;
  };
  struct Frames;  // what a message of the client holds

  void on_timer() override;
  void arm_heartbeat(std::chrono::milliseconds delay);
  std::chrono::milliseconds ping_interval() const;
  std::chrono::milliseconds ping_grace() const;

  // session_handshake.cpp
  void hello(std::uint64_t id, const protocol::Hello& hello);
  static asio::awaitable<void> authenticate_agent(Shard& shard, SessionKey key, std::string cookie, std::string token);
  void identified();
  void place(const ProfilePtr& profile);
  void arrived();
  void settle(const ProfilePtr& profile);
  void begin_visitor(const ProfilePtr& profile);
  void begin_agent(const ProfilePtr& profile);
  void send_ready(const ProfilePtr& profile, const protocol::ConversationView* conv,
                  std::span<const protocol::AgentView> agents);
  void resume_cursors(ConversationId except);
  std::string resume_blob(ConversationId conv) const;
  void refresh(std::uint64_t id, std::string_view token);

  // session.cpp: frames of a live session
  void on_frame(std::uint64_t id, const protocol::ClientFrame& frame);
  void on_frame_error(std::uint64_t id, const protocol::FrameError& error);
  void handle(std::uint64_t id, const protocol::Hello&);
  void handle(std::uint64_t id, const protocol::Send&);
  void handle(std::uint64_t id, const protocol::Sync&);
  void handle(std::uint64_t id, const protocol::WatchConversation&);
  void handle(std::uint64_t id, const protocol::WatchView&);
  void handle(std::uint64_t id, const protocol::UnwatchConversation&);
  void handle(std::uint64_t id, const protocol::UnwatchView&);
  void handle(std::uint64_t id, const protocol::Inbox&);
  void handle(std::uint64_t id, const protocol::Receipt&);
  void handle(std::uint64_t id, const protocol::Typing&);
  void handle(std::uint64_t id, const protocol::SetStatus&);
  void handle(std::uint64_t id, const protocol::Pong&);
  void handle(std::uint64_t id, const protocol::Probe&);
  void handle(std::uint64_t id, const protocol::Refresh&);
  void handle(std::uint64_t id, const protocol::Visibility&);
  void reply_error(std::uint64_t re, protocol::Code code, std::string_view field = {}, std::string_view message = {});
  bool agents_only(std::uint64_t id);
  bool within_rate();
  void refill_frames(std::chrono::steady_clock::time_point now);
  double frame_burst() const;
  Rare& rare();
  void shrink(std::chrono::steady_clock::time_point now);
  Lagging* lagging() const noexcept { return rare_ ? rare_->lagging.get() : nullptr; }
  Handshake& handshake() const noexcept { return *rare_->handshake; }
  bool granted(ConversationId conv) const;
  void made_progress();
  void begin_lagging();
  void tell_lag(const std::vector<std::pair<ConversationId, std::uint64_t>>& heads);

  // In the order of use: what a message touches comes first.
  Shard* shard_;
  Peer* peer_;
  std::unique_ptr<Rare> rare_;
  Who who_;
  Stage stage_ = Stage::kHello;
  bool visible_ : 1;
  bool pinged_ : 1;
  bool counted_ : 1;  // among the live ones
  bool flush_asked_ : 1;
  bool out_several_ : 1;
  std::uint32_t window_ = 0;
  std::unique_ptr<std::string> out_;  // what was said in this turn; borrowed from the thread
  PushWindow pushed_;
  std::chrono::steady_clock::time_point heard_{};
  double frames_left_ = 0;   // tokens of a bucket that was filled up at heard_
  ConversationIds granted_;  // visitors: ids this session may open; newest last
  DevId dev_;
  std::uint32_t gen_ = 0;
  std::vector<ConversationId> watched_;  // conversations it listens to
  std::uint64_t sid_ = 0;
  std::uint64_t connection_ = 0;                     // for logs
  std::chrono::steady_clock::time_point expires_{};  // visitors: end of the access token
};

}  // namespace parley::session
