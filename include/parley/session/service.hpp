#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/reactor.hpp"
#include "parley/base/worker.hpp"
#include "parley/config/settings.hpp"
#include "parley/obs/metrics.hpp"
#include "parley/session/identity.hpp"
#include "parley/session/peer.hpp"
#include "parley/store/database.hpp"
#include "parley/store/journal.hpp"
#include "parley/tenant/tokens.hpp"

namespace parley::session {

struct ServiceDeps {
  std::vector<Reactor*> reactors;  ///< at most 14: their numbers are part of the ids they mint
  store::Journal& journal;
  store::Database& database;
  const tenant::TokenSigner& signer;
  IdentitySource& identities;
  Worker& cpu;  ///< compiles word lists
  const config::Settings& settings;
  obs::Registry& metrics;
  std::int64_t snowflake_floor_ms = 0;
  std::function<void(std::int64_t)> reserve_snowflakes;  ///< told the newest minted millisecond, at least once a second
};

/// The chat itself: sessions, conversation homes and tenant desks, spread over the reactors. Everything belongs to one
/// reactor; the service only knows which.
class Service : public PeerAcceptor {
 public:
  virtual ~Service() = default;
  /// Any thread: profile, agents, channels or word lists of the tenant changed in the database; homes reload them.
  virtual void tenant_changed(TenantId tenant) = 0;
  /// Any thread: is an agent there for visitors of this tenant.
  virtual bool online(TenantId tenant) const = 0;
  /// Any thread: an agent may not go on (disabled, signed out everywhere): its sessions are closed with kAuth.
  virtual void revoke(AgentId agent) = 0;
  /// Any thread: says bye to every session, with slots spread over `over`. New peers are sent away at once.
  virtual void drain(std::chrono::milliseconds over) = 0;
  /// Any thread: closes what is left with kDrain.
  virtual void close_all() = 0;
  /// Any thread.
  virtual std::size_t live_sessions() const = 0;
};

/// Before the reactors start; destroyed after they were joined.
std::unique_ptr<Service> make_service(ServiceDeps deps);

}  // namespace parley::session
