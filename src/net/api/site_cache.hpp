#pragma once
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "parley/store/entities.hpp"
#include "parley/tenant/lockout.hpp"

namespace parley::net::api {

/// A site with its tenant, as the pages of visitors need it.
struct Site {
  store::Channel channel;
  store::Tenant tenant;
};
using SitePtr = std::shared_ptr<const Site>;

/// How a page names the site it belongs to.
struct SiteName {
  enum class Kind : std::uint8_t {
    kKey,   ///< by the public key
    kSlug,  ///< by its tenant: the oldest web site there, as /chat/<slug> shows it
  };
  Kind kind = Kind::kKey;
  std::string text;
  auto operator<=>(const SiteName&) const = default;
};

/// The sites that were asked for, so that a storm of new visitors does not reach the database, and so that visitors
/// still come in while it cannot be read.
/// Truth:   what changes a site or its tenant calls forget() after it is stored; an answer of a read that began before
///          that is not kept. What is changed behind the daemon's back is seen kFresh later.
/// Unknown: names without a site are not remembered: there is no end of them, and a site may be made at any time.
/// Bound:   kSitesMax sites; then the one that was asked for least recently goes.
/// Threads: any.
class SiteCache {
 public:
  using Time = tenant::Lockout::Time;
  static constexpr std::chrono::seconds kFresh{5};
  static constexpr std::size_t kSitesMax = 4096;

  struct Found {
    SitePtr site;      ///< null: not here
    bool due = false;  ///< the database is to be asked again; said to one of those who ask, every kFresh
  };
  Found find(const SiteName& name, Time now);

  /// To be taken before the database is asked, and given to keep().
  using Ticket = std::uint64_t;
  Ticket begin() const;
  /// What the database said; null: there is no such site.
  void keep(const SiteName& name, SitePtr site, Ticket ticket, Time now);

  /// The tenant or something of it was changed. Returns what was here of it.
  std::vector<SiteName> forget(TenantId tenant);

  std::size_t size() const;

 private:
  struct Item {
    SitePtr site;
    Time asked;
    std::uint64_t used = 0;
  };
  mutable std::mutex mutex_;  // leaf lock
  std::map<SiteName, Item> items_;
  Ticket changes_ = 0;  // counts calls of forget()
  std::uint64_t uses_ = 0;
};

}  // namespace parley::net::api
