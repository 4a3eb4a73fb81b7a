#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"
#include "parley/base/worker.hpp"
#include "parley/pipeline/pipeline.hpp"
#include "parley/store/database.hpp"
#include "parley/store/entities.hpp"
#include "placement.hpp"

namespace parley::session {

/// What a reactor must know of a tenant to serve it. Immutable; replaced as a whole when something changes.
struct TenantProfile {
  store::Tenant tenant;
  std::size_t width = 1;
  std::int64_t reopen_window_ns = 0;
  struct Colleague {
    std::string name;
    store::Role role;
    bool disabled;
  };
  std::unordered_map<AgentId, Colleague> agents;
  std::unordered_map<ChannelId, store::Channel> channels;
  pipeline::TenantPolicy policy;

  std::string_view agent_name(AgentId id) const;
};
using ProfilePtr = std::shared_ptr<const TenantProfile>;

/// The profiles of one reactor: loaded when first needed, at most one load per tenant at a time.
class TenantProfiles : private ReactorBound {
 public:
  TenantProfiles(Reactor& home, store::Database& database, Worker& cpu, const Placement& placement,
                 const config::Settings& settings);

  ProfilePtr find(TenantId tenant) const;  ///< null if not loaded
  /// Calls `then` now or later with the profile, or with why there is none (kNotFound).
  void with(TenantId tenant, std::function<void(Result<ProfilePtr>)> then);
  /// The same; a profile that does not `know` somebody who has just been let in may be older than they are, and is
  /// loaded anew first, at most every five seconds.
  void with(TenantId tenant, std::function<bool(const TenantProfile&)> know,
            std::function<void(Result<ProfilePtr>)> then);
  /// Loads anew if it was loaded; the old one stays in force meanwhile, and if that fails. `then` runs after it.
  void reload(TenantId tenant, std::function<void()> then);

 private:
  struct Slot {
    ProfilePtr profile;
    bool loading = false, stale = false;
    std::vector<std::function<void(Result<ProfilePtr>)>> waiting;
    std::chrono::steady_clock::time_point renewed{};  ///< because it did not know somebody
  };
  asio::awaitable<void> load(TenantId tenant);

  store::Database& database_;
  Worker& cpu_;
  const Placement& placement_;
  const config::Settings& settings_;
  std::unordered_map<TenantId, Slot> slots_;
};

}  // namespace parley::session
