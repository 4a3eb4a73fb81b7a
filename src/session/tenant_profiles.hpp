#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
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

/// The profiles that any reactor loaded last: a reactor that never served a tenant begins with what its colleagues
/// know, also while the database is away. Threads: any.
class SharedProfiles {
 public:
  ProfilePtr find(TenantId tenant) const;  ///< null if nobody has it
  void keep(ProfilePtr profile);

 private:
  mutable std::mutex mutex_;  // leaf lock
  std::unordered_map<TenantId, ProfilePtr> profiles_;
};

/// The profiles of one reactor: loaded when first needed, at most one load per tenant at a time.
class TenantProfiles : private ReactorBound {
 public:
  /// `on_renewed` is told of every profile that was loaded, when it is in force.
  TenantProfiles(Reactor& home, store::Database& database, Worker& cpu, const Placement& placement,
                 const config::Settings& settings, SharedProfiles& shared,
                 std::function<void(const TenantProfile&)> on_renewed);

  ProfilePtr find(TenantId tenant) const;  ///< null if not loaded
  /// Calls `then` now or later with the profile, or with why there is none (kNotFound).
  void with(TenantId tenant, std::function<void(Result<ProfilePtr>)> then);
  /// The same; a profile that does not `know` somebody who has just been let in may be older than they are, and is
  /// loaded anew first, at most every five seconds.
  void with(TenantId tenant, std::function<bool(const TenantProfile&)> know,
            std::function<void(Result<ProfilePtr>)> then);
  /// Something of the tenant was changed: loads it anew if it was loaded. The old profile stays in force until that
  /// succeeds; a load that fails is tried again after 1 s, 2 s … 10 s.
  void reload(TenantId tenant);

 private:
  struct Again : WheelTimer {
    void on_timer() override { profiles->start(tenant); }
    TenantProfiles* profiles = nullptr;
    TenantId tenant;
  };
  struct Slot {
    ProfilePtr profile;
    bool loading = false, stale = false;
    bool due = false;  ///< what is in force may be older than a change: a load has to succeed
    std::chrono::milliseconds delay{0};
    Again again;
    std::vector<std::function<void(Result<ProfilePtr>)>> waiting;
    std::chrono::steady_clock::time_point renewed{};  ///< because it did not know somebody
  };
  void start(TenantId tenant);
  asio::awaitable<void> load(TenantId tenant);
  void loaded(TenantId tenant, const Result<ProfilePtr>& outcome);

  store::Database& database_;
  Worker& cpu_;
  const Placement& placement_;
  const config::Settings& settings_;
  SharedProfiles& shared_;
  std::function<void(const TenantProfile&)> on_renewed_;
  std::unordered_map<TenantId, Slot> slots_;
};

}  // namespace parley::session
