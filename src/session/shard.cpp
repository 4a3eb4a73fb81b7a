#include "shard.hpp"

#include <algorithm>

#include "parley/base/bytes.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"

namespace parley::session {

using protocol::CloseCode;
using protocol::Code;

namespace {

constexpr std::chrono::milliseconds kTick{250};
constexpr unsigned kTicksPerSecond = 4;
constexpr unsigned kMarksEveryTicks = 8;
constexpr std::size_t kTailBudget = 64u << 20;  // of the whole process
constexpr std::uint32_t kByeMs = 2000;
constexpr std::uint32_t kBusyRetryMs = 500;

}  // namespace

Shared::Shared(ServiceDeps d)
    : deps(std::move(d)), placement(deps.reactors.size(), deps.settings.tenant), metrics(deps.metrics) {}

void Shared::set_online(TenantId tenant, bool online) {
  std::lock_guard lock(mutex_);
  online_[tenant] = online;
}

bool Shared::online(TenantId tenant) const {
  std::lock_guard lock(mutex_);
  auto it = online_.find(tenant);
  return it != online_.end() && it->second;
}

obs::Gauge& Shared::visitors_gauge(TenantId tenant) {
  std::lock_guard lock(mutex_);
  obs::Gauge*& gauge = visitor_gauges_[tenant];
  if (!gauge) {
    const bool own = visitor_gauges_.size() <= deps.settings.ops.tenant_series_max;
    gauge = &deps.metrics.gauge("chat_online_visitors", "Live visitor sessions, by tenant.",
                                {{"tenant_id", own ? tenant.str() : "other"}});
  }
  return *gauge;
}

Shard::Shard(Shared& shared, std::uint32_t index, Reactor& reactor)
    : ReactorBound(reactor),
      shared_(shared),
      index_(index),
      flakes_(0, index, shared.deps.snowflake_floor_ms),
      profiles_(reactor, shared.deps.database, shared.deps.cpu, shared.placement, shared.deps.settings, shared.profiles,
                [this](const TenantProfile& profile) { renewed(profile); }),
      home_(reactor, shared.deps.journal, profiles_, *this, shared.deps.settings, shared.metrics, flakes_,
            kTailBudget / shared.deps.reactors.size()),
      ticker_(*this) {}

Shard::~Shard() = default;

void Shard::start_ticking() { reactor().timers().arm(ticker_, kTick); }

void Shard::tick() {
  reactor().timers().arm(ticker_, kTick);
  const auto now = std::chrono::steady_clock::now();
  for (auto& [tenant, desk] : desks_) desk->tick(now);
  home_.trim();
  home_.look_at_journal();
  tell_missed();
  if (++ticks_ % kMarksEveryTicks == 0) home_.save_marks();
  if (ticks_ % kTicksPerSecond == 0 && shared_.deps.reserve_snowflakes)
    shared_.deps.reserve_snowflakes(flakes_.last_ms());
}

void Shard::accept(Peer& peer) {
  check_home();
  const std::uint64_t id = sessions_.claim();
  Session& session = sessions_.put(id, std::make_unique<Session>(*this, peer, id));
  peer.set_handler(&session);
  if (!peer.info().admitted || shared_.draining.load(std::memory_order_relaxed)) {
    const auto code = peer.info().admitted ? CloseCode::kDrain : CloseCode::kOverload;
    session.bye(static_cast<std::uint32_t>(kByeMs / 2 + random_u64() % kByeMs), code);
    return session.close(code);
  }
  session.arm_heartbeat(settings().session.hello);
}

Session* Shard::find(SessionKey key) {
  check_home();
  if (key.shard != index_) return nullptr;
  return sessions_.find(key.id);
}

/// The session leaves this shard with its socket and gets a new key there; nobody else knows it yet, so nothing points
/// to the old one.
void Shard::move(Session& session, std::uint32_t target) {
  auto owned = std::make_shared<std::unique_ptr<Session>>(sessions_.take(session.key().id));
  Shard& there = other(target);
  session.peer().move_to(there.reactor(), [&there, owned](Peer& peer) {
    Session& arrived = **owned;
    const std::uint64_t id = there.sessions_.claim();
    arrived.shard_ = &there;
    arrived.peer_ = &peer;
    arrived.who_.session = {there.index(), id};
    there.sessions_.put(id, std::move(*owned));
    arrived.arrived();
  });
}

void Shard::supersede(Session& session) {
  auto [it, fresh] = by_sid_.try_emplace(session.sid(), session.key());
  if (fresh) return;
  Session* old = find(it->second);
  it->second = session.key();
  if (old && old != &session) old->close(CloseCode::kSuperseded);
}

void Shard::went_live(Session& session, const ProfilePtr& profile) {
  const Who& who = session.who();
  if (who.visitor()) {
    visitors_live_.fetch_add(1, std::memory_order_relaxed);
    shared_.visitors_gauge(who.tenant).add(1);
  } else {
    agents_live_.fetch_add(1, std::memory_order_relaxed);
  }
  session.counted_ = true;
  log::debug("session_live", "conn={} tenant={} principal={} sid={}", session.connection_, profile->tenant.id.value,
             who.principal.str(), session.sid());
}

void Shard::ended(Session& session) {
  check_home();
  const SessionKey key = session.key();
  const Who who = session.who();
  const std::vector<ConversationId> watched = std::move(session.watched_);
  if (auto it = by_sid_.find(session.sid()); it != by_sid_.end() && it->second == key) by_sid_.erase(it);
  const bool counted = session.counted_;
  sessions_.take(key.id);
  for (ConversationId conv : watched) {
    at_home(who.tenant, conv, [conv, key](Home& home) { home.unsubscribe(conv, key); });
  }
  if (who.visitor()) home_.leave(who);
  if (who.tenant && !who.visitor()) {
    at_desk(who.tenant, [who](Desk& desk) { desk.agent_left(who); });
  }
  if (!counted) return;
  if (who.visitor()) {
    visitors_live_.fetch_sub(1, std::memory_order_relaxed);
    shared_.visitors_gauge(who.tenant).add(-1);
  } else {
    agents_live_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Shard::flush_later(SessionKey key) {
  if (to_flush_.empty()) {
    reactor().at_turn_end([this] {
      std::vector<SessionKey> keys;
      keys.swap(to_flush_);
      for (SessionKey k : keys) {
        if (Session* session = find(k)) session->flush();
      }
    });
  }
  to_flush_.push_back(key);
}

void Shard::drain(std::chrono::milliseconds over) {
  check_home();
  const std::size_t n = sessions_.size();
  std::size_t i = 0;
  sessions_.each([&](Session& session) {
    const auto slot =
        static_cast<std::uint32_t>(static_cast<std::size_t>(over.count()) * i++ / std::max<std::size_t>(n, 1));
    if (session.live()) session.bye(slot, CloseCode::kDrain);
  });
}

template <class Which>
void Shard::close_those(Which which, CloseCode code) {
  std::vector<SessionKey> keys;  // first, since closing may end one
  sessions_.each([&](const Session& session) {
    if (which(session)) keys.push_back(session.key());
  });
  for (SessionKey key : keys) {
    if (Session* session = find(key)) session->close(code);
  }
}

void Shard::close_all(CloseCode code) {
  check_home();
  home_.save_marks();
  close_those([](const Session&) { return true; }, code);
}

void Shard::revoke(AgentId agent) {
  check_home();
  close_those([agent](const Session& session) { return session.who().principal == Principal::agent(agent); },
              CloseCode::kAuth);
}

std::size_t Shard::home_of(TenantId tenant, ConversationId conv) const {
  const auto profile = profiles_.find(tenant);
  return shared_.placement.home(tenant, profile ? profile->width : 1, conv);
}

void Shard::at_home(TenantId tenant, ConversationId conv, std::function<void(Home&)> work) {
  const std::size_t target = home_of(tenant, conv);
  if (target == index_) return work(home_);
  Shard& there = other(target);
  there.reactor().post([&there, tenant, work = std::move(work)]() mutable {
    there.with_profile(tenant, [&there, work = std::move(work)] { work(there.home_); });
  });
}

/// A wide tenant's home may be asked before anybody of that tenant lives on its reactor. Without the profile names are
/// missing, and sends are refused; but order is kept in any case.
void Shard::with_profile(TenantId tenant, std::function<void()> work) {
  if (profiles_.find(tenant)) return work();
  profiles_.with(tenant, [work = std::move(work)](Result<ProfilePtr>) { work(); });
}

void Shard::send(SendRequest&& request) {
  const std::size_t target = home_of(request.who.tenant, request.conv);
  if (target == index_) return home_.send(std::move(request));
  Shard& there = other(target);
  const Who who = request.who;
  protocol::ErrorView busy;
  busy.re = request.re;
  busy.code = Code::kBusy;
  busy.conv = request.conv;
  busy.n = request.n;
  busy.after_ms = kBusyRetryMs;
  if (request.adopted) busy.dev = request.dev;
  auto owned = std::make_unique<SendRequest>(std::move(request));
  const bool taken = there.reactor().try_post([&there, r = std::move(owned)]() mutable {
    const TenantId tenant = r->who.tenant;
    if (there.profiles_.find(tenant)) return there.home_.send(std::move(*r));
    there.with_profile(tenant,
                       [&there, r = std::shared_ptr<SendRequest>(std::move(r))] { there.home_.send(std::move(*r)); });
  });
  if (taken) return;
  std::string json;
  protocol::append_error(json, busy);
  reply(who.session, json);
}

void Shard::sync(SyncRequest request) {
  const TenantId tenant = request.who.tenant;
  const ConversationId conv = request.conv;
  at_home(tenant, conv, [request = std::move(request)](Home& home) { home.sync(request); });
}

void Shard::subscribe(Session& session, SubscribeRequest request) {
  if (std::find(session.watched_.begin(), session.watched_.end(), request.conv) == session.watched_.end())
    session.watched_.push_back(request.conv);
  const TenantId tenant = request.who.tenant;
  const ConversationId conv = request.conv;
  at_home(tenant, conv, [request = std::move(request)](Home& home) { home.subscribe(request); });
}

void Shard::unsubscribe(Session& session, ConversationId conv) {
  std::erase(session.watched_, conv);
  at_home(session.who().tenant, conv, [conv, key = session.key()](Home& home) { home.unsubscribe(conv, key); });
}

void Shard::receipt(const Who& who, ConversationId conv, std::uint64_t upto, bool read) {
  at_home(who.tenant, conv, [who, conv, upto, read](Home& home) { home.receipt(who, conv, upto, read); });
}

void Shard::typing(const Who& who, ConversationId conv, bool on) {
  at_home(who.tenant, conv, [who, conv, on](Home& home) { home.typing(who, conv, on); });
}

Desk& Shard::desk(TenantId tenant) {
  auto& desk = desks_[tenant];
  if (!desk)
    desk = std::make_unique<Desk>(reactor(), tenant, shared_.deps.journal, profiles_, *this,
                                  settings().session.agent_presence);
  return *desk;
}

void Shard::at_desk(TenantId tenant, std::function<void(Desk&)> work) {
  Shard& there = other(shared_.placement.desk(tenant));
  auto at_target = [&there, tenant, work = std::move(work)]() mutable {
    // The desk speaks in names, so its profile comes first.
    if (there.profiles_.find(tenant)) return work(there.desk(tenant));
    there.profiles_.with(tenant, [&there, tenant, work = std::move(work)](Result<ProfilePtr> profile) {
      if (profile) work(there.desk(tenant));
    });
  };
  if (&there == this) return at_target();
  there.reactor().post(std::move(at_target));
}

void Shard::post_session(SessionKey key, std::function<void(Session&)> work) {
  Shard& there = other(key.shard);
  if (there.reactor().is_home()) {  // also called from other reactors, e.g. by a desk that answers
    if (Session* session = there.find(key)) work(*session);
    return;
  }
  there.reactor().post([&there, key, work = std::move(work)] {
    if (Session* session = there.find(key)) work(*session);
  });
}

void Shard::tenant_changed(TenantId tenant) { profiles_.reload(tenant); }

void Shard::renewed(const TenantProfile& profile) {
  if (!profile.tenant.disabled) return;
  close_those([&](const Session& session) { return session.who().tenant == profile.tenant.id; },
              CloseCode::kTenantDisabled);
}

void Shard::reply(SessionKey to, std::string_view json, bool several) {
  if (to.id == 0) return;
  if (to.shard == index_) {
    if (Session* session = find(to)) session->reply(json, several);
    return;
  }
  Shard& there = other(to.shard);
  there.reactor().post([&there, to, json = std::string(json), several] {
    if (Session* session = there.find(to)) session->reply(json, several);
  });
}

void Shard::push_entry(SessionKey to, ConversationId conv, std::uint64_t seq, const FramePtr& frame) {
  if (to.shard == index_) {
    if (Session* session = find(to)) session->push_entry(conv, seq, frame);
    return;
  }
  Shard& there = other(to.shard);
  const bool taken = there.reactor().try_post([&there, to, conv, seq, frame = FramePtr(frame)] {
    if (Session* session = there.find(to)) session->push_entry(conv, seq, frame);
  });
  if (taken) return;
  // The way is full: drop the copy, keep a number; the client is told of it soon, and fetches what it lacks.
  shared_.metrics.dropped_hop.add();
  std::uint64_t& missed = missed_[{to, conv}];
  missed = std::max(missed, seq);
}

void Shard::tell_missed() {
  for (auto it = missed_.begin(); it != missed_.end();) {
    const SessionKey to = it->first.session;
    Shard& there = other(to.shard);
    const bool taken = there.reactor().try_post([&there, to, head = std::pair(it->first.conv, it->second)] {
      Session* session = there.find(to);
      if (!session) return;
      std::string json;
      protocol::append_lag(json, std::span(&head, 1));
      session->reply(json);
    });
    if (!taken) return;  // with the next tick
    it = missed_.erase(it);
  }
}

void Shard::push_ephemeral(SessionKey to, const FramePtr& frame) {
  if (to.shard == index_) {
    if (Session* session = find(to)) session->push_ephemeral(frame);
    return;
  }
  Shard& there = other(to.shard);
  const bool taken = there.reactor().try_post([&there, to, frame = FramePtr(frame)] {
    if (Session* session = there.find(to)) session->push_ephemeral(frame);
  });
  if (!taken) shared_.metrics.dropped_ephemeral.add();
}

void Shard::grant(SessionKey to, ConversationId conv) {
  // A visitor's sessions live where its conversations have their home.
  Session* session = find(to);
  if (!session) return;
  session->grant(conv);
  if (std::find(session->watched_.begin(), session->watched_.end(), conv) == session->watched_.end())
    session->watched_.push_back(conv);
}

void Shard::send_away(SessionKey session) {
  post_session(session, [](Session& self) { self.close(CloseCode::kOverload); });
}

void Shard::slow_down(SessionKey session, std::uint32_t pause_ms) {
  if (session.id == 0) return;
  post_session(session, [pause_ms](Session& self) { self.slow_down(pause_ms); });
}

void Shard::on_committed(const domain::ConversationMeta& meta, const store::StoredEntry& entry) {
  const bool visitor_text = entry.type == protocol::EntryType::kText && entry.from.kind == PrincipalKind::kVisitor;
  const std::size_t target = shared_.placement.desk(meta.tenant);
  if (target == index_) {
    desk(meta.tenant).committed(meta, visitor_text);
  } else {
    at_desk(meta.tenant, [meta, visitor_text](Desk& desk) { desk.committed(meta, visitor_text); });
  }
}

void Shard::on_read(TenantId tenant, ConversationId conv, Principal who, std::uint64_t upto) {
  at_desk(tenant, [conv, who, upto](Desk& desk) { desk.read(conv, who, upto); });
}

void Shard::queue_position(TenantId tenant, ConversationId conv, std::uint32_t position, bool online) {
  at_home(tenant, conv, [conv, position, online](Home& home) { home.queue_position(conv, position, online); });
}

void Shard::agent_assigned(TenantId tenant, ConversationId conv, AgentId agent, protocol::AgentStatus status) {
  at_home(tenant, conv, [conv, agent, status](Home& home) { home.agent_assigned(conv, agent, status); });
}

void Shard::agent_presence(TenantId tenant, AgentId agent, protocol::AgentStatus status) {
  const auto profile = profiles_.find(tenant);
  const std::size_t width = profile ? profile->width : 1;
  for (std::size_t i = 0; i < width; ++i) {
    Shard& there = other((shared_.placement.desk(tenant) + i) % shared_.shards.size());
    there.reactor().post([&there, tenant, agent, status] { there.home_.agent_presence(tenant, agent, status); });
  }
}

void Shard::online_changed(TenantId tenant, bool online) {
  shared_.set_online(tenant, online);
  std::string json;
  protocol::append_presence_online(json, online);
  const FramePtr frame = make_text_frame(json);
  for (auto& shard : shared_.shards) {
    Shard& there = *shard;
    there.reactor().post([&there, tenant, frame = FramePtr(frame)] {
      there.sessions_.each([&](Session& session) {
        if (session.who().tenant == tenant && session.who().visitor()) session.push_ephemeral(frame);
      });
    });
  }
}

}  // namespace parley::session
