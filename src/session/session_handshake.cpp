// From hello to ready: who is it, where does it belong, what has it got already.
#include <algorithm>

#include "parley/base/bytes.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"
#include "parley/tenant/origins.hpp"
#include "session.hpp"
#include "shard.hpp"

namespace parley::session {

using protocol::CloseCode;
using std::chrono::milliseconds;

namespace {

constexpr std::int64_t kResumeSeconds = 24 * 3600;
constexpr std::chrono::seconds kExpiryGrace{60};
constexpr milliseconds kAuthenticateMax{10000};

std::int64_t wall_s() { return wall_ns() / 1'000'000'000; }

}  // namespace

void Session::hello(std::uint64_t id, const protocol::Hello& hello) {
  stage_ = Stage::kAuthenticating;
  peer_->set_handler(nullptr);  // nothing is read until it is clear who this is
  arm_heartbeat(kAuthenticateMax);
  rare().handshake = std::make_unique<Handshake>();
  handshake().re = id;
  handshake().token = hello.token;
  handshake().resume = hello.resume;
  for (const protocol::Cursor& cursor : hello.cursors)
    handshake().cursors.push_back({cursor.conv, std::string(cursor.epoch), cursor.seq});
  dev_ = hello.dev;
  visible_ = hello.visible;
  who_.echo = hello.echo;
  if (dev_ == DevId{}) return close(CloseCode::kProtocol);  // reserved for the home itself

  if (hello.agent) {
    // A cookie is only believed from our own pages, otherwise any page could speak for an agent who is signed in.
    if (hello.token.empty() && !peer_->info().own_origin)
      return close(peer_->info().cookie.empty() ? CloseCode::kAuth : CloseCode::kOrigin);
    shard_->reactor().spawn("authenticate agent",
                            authenticate_agent(*shard_, key(), peer_->info().cookie, handshake().token));
    return;
  }
  const auto claims = shard_->signer().open_access(hello.token, wall_s());
  if (!claims) return close(claims.error().code == Errc::kTimeout ? CloseCode::kTokenExpired : CloseCode::kAuth);
  who_.tenant = claims->tenant;
  who_.principal = Principal::visitor(claims->visitor);
  who_.channel = claims->channel;
  expires_ = shard_->reactor().now() + std::chrono::seconds(claims->expires_s - wall_s()) + kExpiryGrace;
  identified();
}

/// Static: the session may be gone when the answer comes; the shard outlives it.
asio::awaitable<void> Session::authenticate_agent(Shard& shard, SessionKey key, std::string cookie, std::string token) {
  Result<AgentIdentity> identity = Error(Errc::kUnauthenticated);
  if (token.empty()) {
    identity = co_await shard.identities().by_cookie(std::move(cookie));
  } else {
    identity = co_await shard.identities().by_bearer(std::move(token));
  }
  Session* self = shard.find(key);
  if (!self || self->stage_ != Stage::kAuthenticating) co_return;
  if (!identity) {
    const Errc code = identity.error().code;
    if (code == Errc::kForbidden) {
      self->close(CloseCode::kTenantDisabled);
    } else if (code == Errc::kUnauthenticated || code == Errc::kTimeout) {
      self->close(CloseCode::kAuth);
    } else {
      self->close(CloseCode::kOverload);
    }
    co_return;
  }
  self->who_.tenant = identity->tenant;
  self->who_.principal = Principal::agent(identity->agent);
  self->who_.supervisor = identity->role >= store::Role::kSupervisor;
  self->handshake().name = identity->name;
  self->handshake().role = identity->role;
  self->identified();
}

namespace {
/// Does a profile have what this person's session needs of it?
std::function<bool(const TenantProfile&)> knows(const Who& who) {
  return [who](const TenantProfile& profile) {
    return who.visitor() ? profile.channels.contains(who.channel) : profile.agents.contains(AgentId{who.principal.id});
  };
}
}  // namespace

void Session::identified() {
  if (!handshake().resume.empty()) {
    auto claims = shard_->signer().open_resume(handshake().resume, wall_s());
    if (!claims || claims->tenant != who_.tenant || claims->principal != who_.principal)
      return close(CloseCode::kResumeInvalid);
    handshake().resumed = *claims;
  }
  shard_->profiles().with(who_.tenant, knows(who_), [shard = shard_, key = key()](Result<ProfilePtr> profile) {
    Session* self = shard->find(key);
    if (!self || self->stage_ != Stage::kAuthenticating) return;
    if (profile) return self->place(*profile);
    self->close(profile.error().code == Errc::kNotFound ? CloseCode::kAuth : CloseCode::kOverload);
  });
}

void Session::place(const ProfilePtr& profile) {
  if (profile->tenant.disabled) return close(CloseCode::kTenantDisabled);
  if (who_.visitor()) {
    auto channel = profile->channels.find(who_.channel);
    if (channel == profile->channels.end()) return close(CloseCode::kAuth);
    const PeerInfo& info = peer_->info();
    const bool origin_ok =
        info.origin.empty() ? channel->second.kind == "app"
                            : info.own_origin || tenant::origin_allowed(channel->second.allowed_origins, info.origin);
    if (!origin_ok) return close(CloseCode::kOrigin);
  }
  const Placement& placement = shard_->placement();
  const std::size_t target = who_.visitor()
                                 ? placement.visitor(who_.tenant, profile->width, VisitorId{who_.principal.id})
                                 : placement.agent(who_.tenant, profile->width, AgentId{who_.principal.id});
  cancel();
  if (target == shard_->index()) return settle(profile);
  shard_->move(*this, static_cast<std::uint32_t>(target));
}

/// On the reactor where it stays.
void Session::arrived() {
  if (flush_asked_) shard_->flush_later(key());  // what was said before hello, under the key it had there
  arm_heartbeat(kAuthenticateMax);
  shard_->profiles().with(who_.tenant, knows(who_), [shard = shard_, key = key()](Result<ProfilePtr> profile) {
    Session* self = shard->find(key);
    if (!self || self->stage_ != Stage::kAuthenticating) return;
    if (profile) return self->settle(*profile);
    self->close(CloseCode::kOverload);
  });
}

void Session::settle(const ProfilePtr& profile) {
  arm_heartbeat(kAuthenticateMax);
  const auto& s = shard_->settings().session;
  sid_ = handshake().resumed ? handshake().resumed->sid : random_u64();
  gen_ = handshake().resumed ? handshake().resumed->gen + 1 : 1;
  window_ = who_.visitor() ? s.visitor_window : s.agent_window;
  frames_left_ = frame_burst();
  shard_->supersede(*this);
  who_.visitor() ? begin_visitor(profile) : begin_agent(profile);
}

void Session::begin_visitor(const ProfilePtr& profile) {
  const ConversationId remembered = handshake().resumed ? handshake().resumed->conv : ConversationId{};
  shard_->home().enter(who_, Placement::lane(VisitorId{who_.principal.id}), remembered,
                       [shard = shard_, who = who_, profile, remembered](const Home::Entrance& entrance) {
                         Session* self = shard->find(who.session);
                         if (!self || self->stage_ != Stage::kAuthenticating) return shard->home().leave(who);
                         if (entrance.unavailable) return self->close(CloseCode::kOverload);
                         domain::ConversationMeta fresh;
                         fresh.id = entrance.reserved;
                         fresh.tenant = who.tenant;
                         fresh.channel = who.channel;
                         fresh.visitor = VisitorId{who.principal.id};
                         // Through the shard, so that the session also stops to listen there when it ends. The id in
                         // the blob was given to this visitor, too; sends to it may still be repeated.
                         if (remembered) shard->grant(who.session, remembered);
                         if (entrance.reserved) shard->grant(who.session, entrance.reserved);
                         const domain::ConversationMeta& meta = entrance.current ? entrance.current->meta : fresh;
                         protocol::ConversationView view = Home::view_of(meta, true, profile.get());
                         self->send_ready(profile, &view, {});
                         if (!entrance.current) return self->resume_cursors({});
                         shard->grant(who.session, meta.id);
                         SubscribeRequest request;
                         request.who = who;
                         request.conv = meta.id;
                         for (const OwnedCursor& cursor : self->handshake().cursors) {
                           if (cursor.conv == meta.id) request.cursor = cursor;
                         }
                         const ConversationId current = meta.id;
                         shard->subscribe(*self, std::move(request));
                         shard->at_desk(who.tenant, [who, current](Desk& desk) { desk.greet(who, current); });
                         if (entrance.reserved) {
                           protocol::ConversationView next = Home::view_of(fresh, true, profile.get());
                           std::string json;
                           protocol::append_resumed(json, 0, next, false, {}, false);
                           self->reply(json);
                         }
                         self->resume_cursors(current);
                       });
}

void Session::begin_agent(const ProfilePtr& profile) {
  shard_->at_desk(who_.tenant, [shard = shard_, who = who_, profile](Desk& desk) {
    desk.agent_came(who);
    auto agents = std::make_shared<std::vector<protocol::AgentView>>(desk.agents(*profile));
    shard->post_session(who.session, [profile, agents](Session& self) {
      if (self.stage_ != Stage::kAuthenticating) return;
      self.send_ready(profile, nullptr, *agents);
      self.resume_cursors({});
    });
  });
}

std::string Session::resume_blob(ConversationId conv) const {
  tenant::ResumeClaims claims;
  claims.tenant = who_.tenant;
  claims.principal = who_.principal;
  claims.sid = sid_;
  claims.gen = gen_;
  claims.conv = conv;
  claims.expires_s = wall_s() + kResumeSeconds;
  return shard_->signer().seal_resume(claims);
}

void Session::send_ready(const ProfilePtr& profile, const protocol::ConversationView* conv,
                         std::span<const protocol::AgentView> agents) {
  stage_ = Stage::kLive;
  peer_->set_handler(this);
  shard_->went_live(*this, profile);
  const std::string resume = resume_blob(conv ? conv->conv : ConversationId{});
  const std::string sid = std::to_string(sid_);
  protocol::ReadyView ready;
  ready.re = handshake().re;
  ready.sid = sid;
  ready.gen = gen_;
  ready.resume = resume;
  ready.hb_interval_ms = static_cast<std::uint32_t>(ping_interval().count());
  ready.hb_grace_ms = static_cast<std::uint32_t>(ping_grace().count());
  ready.window = window_;
  ready.ts_ms = to_ms(wall_ns());
  ready.me = who_.principal;
  ready.tenant = who_.tenant;
  ready.tenant_name = profile->tenant.name;
  if (who_.visitor()) {
    ready.online = shard_->online(who_.tenant);
    ready.conv = conv;
  } else {
    ready.me_name = handshake().name;
    ready.me_role = tenant::to_string(handshake().role);
    ready.agents = agents;
  }
  std::string json;
  protocol::append_ready(json, ready);
  reply(json);
  peer_->forget_request();
  // The first ping at a random phase, so that a storm of reconnects does not become a storm of pings.
  const auto interval = static_cast<std::uint64_t>(ping_interval().count());
  arm_heartbeat(milliseconds(static_cast<std::int64_t>(interval / 2 + mix64(sid_) % (interval / 2 + 1))));
}

void Session::resume_cursors(ConversationId except) {
  const auto done = std::move(rare_->handshake);
  shrink(shard_->reactor().now());
  for (OwnedCursor& cursor : done->cursors) {
    if (cursor.conv == except) continue;
    SubscribeRequest request;
    request.who = who_;
    request.conv = cursor.conv;
    request.may_open = who_.visitor() && granted(cursor.conv);
    request.cursor = std::move(cursor);
    shard_->subscribe(*this, std::move(request));
  }
}

void Session::refresh(std::uint64_t id, std::string_view token) {
  ConversationId conv = granted_.empty() ? ConversationId{} : granted_.back();
  if (who_.visitor()) {
    const auto claims = shard_->signer().open_access(token, wall_s());
    if (!claims || claims->tenant != who_.tenant || claims->visitor.value != who_.principal.id) {
      return reply_error(id, protocol::Code::kUnauthenticated, "token",
                         "not a valid access token of this visitor; the old one stays in force until it ends");
    }
    expires_ = shard_->reactor().now() + std::chrono::seconds(claims->expires_s - wall_s()) + kExpiryGrace;
  }
  const std::string resume = resume_blob(conv);
  protocol::ReadyView ready;
  ready.re = id;
  ready.refresh = true;
  ready.resume = resume;
  std::string json;
  protocol::append_ready(json, ready);
  reply(json);
}

}  // namespace parley::session
