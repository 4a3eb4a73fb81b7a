#include "site_cache.hpp"

#include <algorithm>
#include <utility>

namespace parley::net::api {

SiteCache::Found SiteCache::find(const SiteName& name, Time now) {
  std::lock_guard lock(mutex_);
  const auto it = items_.find(name);
  if (it == items_.end()) return {};
  Item& item = it->second;
  item.used = ++uses_;
  const bool due = now - item.asked >= kFresh || now < item.asked;  // the clock may have been set back
  if (due) item.asked = now;
  return {item.site, due};
}

SiteCache::Ticket SiteCache::begin() const {
  std::lock_guard lock(mutex_);
  return changes_;
}

void SiteCache::keep(const SiteName& name, SitePtr site, Ticket ticket, Time now) {
  std::lock_guard lock(mutex_);
  if (ticket != changes_) return;  // it may have been read before the change
  if (!site) {
    items_.erase(name);
    return;
  }
  items_[name] = Item{std::move(site), now, ++uses_};
  if (items_.size() <= kSitesMax) return;
  items_.erase(std::min_element(items_.begin(), items_.end(),
                                [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
}

std::vector<SiteName> SiteCache::forget(TenantId tenant) {
  std::lock_guard lock(mutex_);
  ++changes_;
  std::vector<SiteName> gone;
  for (auto it = items_.begin(); it != items_.end();) {
    if (it->second.site->tenant.id == tenant) {
      gone.push_back(it->first);
      it = items_.erase(it);
    } else {
      ++it;
    }
  }
  return gone;
}

std::size_t SiteCache::size() const {
  std::lock_guard lock(mutex_);
  return items_.size();
}

}  // namespace parley::net::api
