#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "desk.hpp"
#include "home.hpp"
#include "parley/base/snowflake.hpp"
#include "parley/session/service.hpp"
#include "placement.hpp"
#include "session.hpp"
#include "session_metrics.hpp"
#include "slot_table.hpp"
#include "tenant_profiles.hpp"

namespace parley::session {

class Shard;

/// What all shards share: read-only after the start, atomic, or behind a lock.
struct Shared {
  ServiceDeps deps;
  Placement placement;
  SessionMetrics metrics;
  SharedProfiles profiles;
  std::vector<std::unique_ptr<Shard>> shards;
  std::atomic<bool> draining{false};

  explicit Shared(ServiceDeps d);
  /// Any thread. Changes are rare: the first agent comes, the last one goes.
  void set_online(TenantId tenant, bool online);
  bool online(TenantId tenant) const;
  /// The gauge of a tenant's online visitors; tenants above the configured number share the series "other".
  obs::Gauge& visitors_gauge(TenantId tenant);

 private:
  mutable std::mutex mutex_;  // guards what follows; taken at handshakes and changes of presence, never per message
  std::unordered_map<TenantId, bool> online_;
  std::unordered_map<TenantId, obs::Gauge*> visitor_gauges_;
};

/// All of the chat that lives on one reactor: its sessions, its home, the desks of its tenants; and the ways to what
/// lives elsewhere. Threads: home reactor, except the functions marked *Any thread*.
class Shard final : public HomeEnvironment, public DeskEnvironment, private ReactorBound {
 public:
  Shard(Shared& shared, std::uint32_t index, Reactor& reactor);
  ~Shard();

  std::uint32_t index() const noexcept { return index_; }
  Reactor& reactor() const noexcept { return ReactorBound::home(); }
  Home& home() noexcept { return home_; }
  TenantProfiles& profiles() noexcept { return profiles_; }
  SessionMetrics& metrics() noexcept { return shared_.metrics; }
  const config::Settings& settings() const noexcept { return shared_.deps.settings; }
  const tenant::TokenSigner& signer() const noexcept { return shared_.deps.signer; }
  IdentitySource& identities() noexcept { return shared_.deps.identities; }
  const Placement& placement() const noexcept { return shared_.placement; }
  protocol::FrameDecoder& decoder() noexcept { return decoder_; }
  bool online(TenantId tenant) const { return shared_.online(tenant); }

  // Sessions
  void accept(Peer& peer);
  Session* find(SessionKey key);
  void move(Session& session, std::uint32_t target);
  void supersede(Session& session);
  void went_live(Session& session, const ProfilePtr& profile);
  void ended(Session& session);
  void flush_later(SessionKey key);
  void drain(std::chrono::milliseconds over);
  void close_all(protocol::CloseCode code);
  void revoke(AgentId agent);
  std::size_t live() const noexcept {
    return visitors_live_.load(std::memory_order_relaxed) + agents_live_.load(std::memory_order_relaxed);
  }  ///< Any thread.
  std::size_t visitors_live() const noexcept {
    return visitors_live_.load(std::memory_order_relaxed);
  }                                                                                                  ///< Any thread.
  std::size_t agents_live() const noexcept { return agents_live_.load(std::memory_order_relaxed); }  ///< Any thread.

  // Ways to homes and desks, here or on another reactor
  void send(SendRequest&& request);
  void sync(SyncRequest request);
  void subscribe(Session& session, SubscribeRequest request);
  void unsubscribe(Session& session, ConversationId conv);
  void receipt(const Who& who, ConversationId conv, std::uint64_t upto, bool read);
  void typing(const Who& who, ConversationId conv, bool on);
  void at_desk(TenantId tenant, std::function<void(Desk&)> work);
  /// Runs `work` with the session on its reactor, if it is still there.
  void post_session(SessionKey key, std::function<void(Session&)> work);

  void tenant_changed(TenantId tenant);
  void start_ticking();

  // HomeEnvironment, DeskEnvironment
  void reply(SessionKey to, std::string_view json, bool several = false) override;
  void push_entry(SessionKey to, ConversationId conv, std::uint64_t seq, const FramePtr& frame) override;
  void push_ephemeral(SessionKey to, const FramePtr& frame) override;
  void grant(SessionKey to, ConversationId conv) override;
  void send_away(SessionKey session) override;
  void slow_down(SessionKey session, std::uint32_t pause_ms) override;
  void on_committed(const domain::ConversationMeta& meta, const store::StoredEntry& entry) override;
  void on_read(TenantId tenant, ConversationId conv, Principal who, std::uint64_t upto) override;
  void queue_position(TenantId tenant, ConversationId conv, std::uint32_t position, bool online) override;
  void agent_presence(TenantId tenant, AgentId agent, protocol::AgentStatus status) override;
  void agent_assigned(TenantId tenant, ConversationId conv, AgentId agent, protocol::AgentStatus status) override;
  void online_changed(TenantId tenant, bool online) override;

 private:
  struct Ticker : WheelTimer {
    explicit Ticker(Shard& s) : shard(s) {}
    void on_timer() override { shard.tick(); }
    Shard& shard;
  };
  void tick();
  void tell_missed();
  template <class Which>
  void close_those(Which which, protocol::CloseCode code);
  void renewed(const TenantProfile& profile);
  Shard& other(std::size_t index) { return *shared_.shards[index]; }
  /// The shard of a conversation's home; profiles of tenants with live sessions are loaded.
  std::size_t home_of(TenantId tenant, ConversationId conv) const;
  void at_home(TenantId tenant, ConversationId conv, std::function<void(Home&)> work);
  void with_profile(TenantId tenant, std::function<void()> work);
  Desk& desk(TenantId tenant);

  Shared& shared_;
  const std::uint32_t index_;
  Snowflake flakes_;
  TenantProfiles profiles_;
  Home home_;
  protocol::FrameDecoder decoder_;
  SlotTable<Session> sessions_;
  std::unordered_map<std::uint64_t, SessionKey> by_sid_;
  std::unordered_map<TenantId, std::unique_ptr<Desk>> desks_;
  std::vector<SessionKey> to_flush_;
  struct Missed {
    SessionKey session;
    ConversationId conv;
    bool operator==(const Missed&) const = default;
  };
  struct MissedHash {
    std::size_t operator()(const Missed& m) const noexcept {
      return mix64(m.conv.value ^ mix64(m.session.id * 64 + m.session.shard));
    }
  };
  std::unordered_map<Missed, std::uint64_t, MissedHash>
      missed_;  // entries that found the way to another reactor full: the newest seq
  std::atomic<std::size_t> visitors_live_{0}, agents_live_{0};
  Ticker ticker_;
  unsigned ticks_ = 0;
};

}  // namespace parley::session
