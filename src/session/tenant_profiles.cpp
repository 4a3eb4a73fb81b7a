#include "tenant_profiles.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "parley/obs/log.hpp"
#include "parley/pipeline/word_filter.hpp"
#include "parley/store/repositories.hpp"

namespace parley::session {
namespace {

struct Rows {
  store::Tenant tenant;
  std::vector<store::Agent> agents;
  std::vector<store::Channel> channels;
  std::vector<store::WordList> words;
};

constexpr std::chrono::seconds kRenewAgain{5};
constexpr std::chrono::milliseconds kRetryMin{1000}, kRetryMax{10'000};

pipeline::WordAction action_of(std::string_view name) {
  if (name == "block") return pipeline::WordAction::kBlock;
  if (name == "flag") return pipeline::WordAction::kFlag;
  return pipeline::WordAction::kMask;
}

}  // namespace

std::string_view TenantProfile::agent_name(AgentId id) const {
  auto it = agents.find(id);
  return it == agents.end() ? std::string_view() : std::string_view(it->second.name);
}

ProfilePtr SharedProfiles::find(TenantId tenant) const {
  std::lock_guard lock(mutex_);
  auto it = profiles_.find(tenant);
  return it == profiles_.end() ? nullptr : it->second;
}

void SharedProfiles::keep(ProfilePtr profile) {
  std::lock_guard lock(mutex_);
  profiles_[profile->tenant.id].swap(profile);  // what was there is destroyed after the lock
}

TenantProfiles::TenantProfiles(Reactor& home, store::Database& database, Worker& cpu, const Placement& placement,
                               const config::Settings& settings, SharedProfiles& shared,
                               std::function<void(const TenantProfile&)> on_renewed)
    : ReactorBound(home),
      database_(database),
      cpu_(cpu),
      placement_(placement),
      settings_(settings),
      shared_(shared),
      on_renewed_(std::move(on_renewed)) {}

ProfilePtr TenantProfiles::find(TenantId tenant) const {
  auto it = slots_.find(tenant);
  return it == slots_.end() ? nullptr : it->second.profile;
}

void TenantProfiles::with(TenantId tenant, std::function<void(Result<ProfilePtr>)> then) {
  check_home();
  Slot& slot = slots_[tenant];
  if (!slot.profile) {
    slot.profile = shared_.find(tenant);
    if (slot.profile) slot.due = true;  // we were not told of changes until now
    if (!slot.loading) start(tenant);
  }
  if (!slot.profile) return slot.waiting.push_back(std::move(then));
  then(slot.profile);
}

void TenantProfiles::with(TenantId tenant, std::function<bool(const TenantProfile&)> know,
                          std::function<void(Result<ProfilePtr>)> then) {
  with(tenant, [this, tenant, know = std::move(know), then = std::move(then)](Result<ProfilePtr> profile) mutable {
    if (!profile || know(**profile)) return then(std::move(profile));
    Slot& slot = slots_[tenant];
    if (!slot.loading) {
      if (home().now() - slot.renewed < kRenewAgain) return then(std::move(profile));
      slot.renewed = home().now();
      start(tenant);
    }
    slot.waiting.push_back(std::move(then));
  });
}

void TenantProfiles::reload(TenantId tenant) {
  check_home();
  auto it = slots_.find(tenant);
  if (it == slots_.end()) return;
  Slot& slot = it->second;
  slot.due = true;
  slot.delay = {};
  if (slot.loading) {
    slot.stale = true;  // what is being read may be older than the change
  } else {
    start(tenant);
  }
}

void TenantProfiles::start(TenantId tenant) {
  Slot& slot = slots_[tenant];
  slot.again.cancel();
  slot.loading = true;
  home().spawn("tenant profile", load(tenant));
}

asio::awaitable<void> TenantProfiles::load(TenantId tenant) {
  auto read = [tenant](store::Sql& sql) -> Result<std::shared_ptr<Rows>> {
    auto found = store::tenants::by_id(sql, tenant);
    if (!found) return Error(Errc::kNotFound, "no such tenant");
    auto rows = std::make_shared<Rows>();
    rows->tenant = std::move(*found);
    rows->agents = store::agents::of_tenant(sql, tenant);
    rows->channels = store::channels::of_tenant(sql, tenant);
    rows->words = store::word_lists::of_tenant(sql, tenant);
    return rows;
  };
  Result<std::shared_ptr<Rows>> rows = co_await database_.read(read);
  Result<ProfilePtr> outcome = Error(Errc::kUnavailable);
  if (rows) {
    auto profile = std::make_shared<TenantProfile>();
    profile->tenant = (*rows)->tenant;
    profile->width = placement_.width(profile->tenant.slug);
    std::int64_t hours = settings_.tenant.reopen_window_h;
    const auto settings = nlohmann::json::parse(profile->tenant.settings, nullptr, false);
    if (settings.is_object()) {
      if (auto it = settings.find("reopen_window_h"); it != settings.end() && it->is_number_integer())
        hours = it->get<std::int64_t>();
    }
    profile->reopen_window_ns = hours * 3'600'000'000'000;
    for (store::Agent& a : (*rows)->agents) profile->agents[a.id] = {a.display_name, a.role, a.disabled};
    for (store::Channel& c : (*rows)->channels) profile->channels[c.id] = c;
    outcome = ProfilePtr(profile);
    if (!(*rows)->words.empty()) {
      // Compiling 100,000 words takes a while: not on a reactor.
      auto compile = [shared = *rows]() -> Result<std::shared_ptr<const pipeline::WordFilter>> {
        std::vector<pipeline::WordListSource> sources;
        for (const store::WordList& list : shared->words)
          sources.push_back({list.name, action_of(list.action), list.words});
        return pipeline::WordFilter::compile(sources);
      };
      Result<std::shared_ptr<const pipeline::WordFilter>> filter = co_await cpu_.run(std::move(compile));
      if (filter) {
        profile->policy.filter = *filter;
      } else {
        log::error("word_lists_not_compiled", "tenant={} cause={}", tenant.value, log::quote(filter.error().detail));
        outcome = filter.error();  // never go on without the filter the tenant asked for
      }
    }
  } else {
    outcome = rows.error();
  }
  loaded(tenant, outcome);
}

void TenantProfiles::loaded(TenantId tenant, const Result<ProfilePtr>& outcome) {
  Slot& slot = slots_[tenant];
  if (slot.stale) {
    slot.stale = false;
    return start(tenant);
  }
  slot.loading = false;
  if (outcome) {
    slot.profile = *outcome;
    slot.due = false;
    slot.delay = {};
    shared_.keep(slot.profile);
  } else {
    log::warn("tenant_profile_not_loaded", "tenant={} cause={}", tenant.value, log::quote(outcome.error().detail));
  }
  const ProfilePtr have = slot.profile;
  std::vector<std::function<void(Result<ProfilePtr>)>> waiting;
  waiting.swap(slot.waiting);
  if (!have) {
    slots_.erase(tenant);
  } else if (slot.due) {
    slot.delay = std::clamp(slot.delay * 2, kRetryMin, kRetryMax);
    slot.again.profiles = this;
    slot.again.tenant = tenant;
    home().timers().arm(slot.again, slot.delay);
  }
  if (outcome) on_renewed_(*have);
  for (auto& then : waiting) {
    if (have) {
      then(have);
    } else {
      then(outcome.error());
    }
  }
}

}  // namespace parley::session
