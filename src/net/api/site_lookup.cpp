#include "site_lookup.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "parley/obs/log.hpp"
#include "parley/store/repositories.hpp"

namespace parley::net::api {
namespace {

constexpr std::chrono::milliseconds kPatience{500};  // with the database, if there is an older answer

std::optional<store::Channel> oldest_web_site(store::Sql& sql, TenantId tenant) {
  std::vector<store::Channel> sites = store::channels::of_tenant(sql, tenant);
  std::erase_if(sites, [](const store::Channel& site) { return site.kind != "web"; });
  const auto oldest = std::ranges::min_element(sites, {}, &store::Channel::id);
  if (oldest == sites.end()) return std::nullopt;
  return std::move(*oldest);
}

Outcome<SitePtr> read_site(store::Sql& sql, const SiteName& name) {
  std::optional<store::Channel> channel;
  std::optional<store::Tenant> tenant;
  if (name.kind == SiteName::Kind::kKey) {
    channel = store::channels::by_key(sql, name.text);
    if (channel) tenant = store::tenants::by_id(sql, channel->tenant);
  } else {
    tenant = store::tenants::by_slug(sql, name.text);
    if (tenant) channel = oldest_web_site(sql, tenant->id);
  }
  if (!channel || !tenant) return Refusal{404, "unknown_key", "There is no site with this key."};
  return SitePtr(std::make_shared<const Site>(Site{std::move(*channel), std::move(*tenant)}));
}

asio::awaitable<Outcome<SitePtr>> ask(Context& c, SiteName name) {
  const SiteCache::Ticket ticket = c.sites.begin();
  auto work = [name](store::Sql& sql) { return read_site(sql, name); };
  Outcome<SitePtr> site = co_await c.deps.database.read(std::move(work));
  if (site) {
    c.sites.keep(name, *site, ticket, c.now());
  } else if (site.refusal()) {
    c.sites.keep(name, nullptr, ticket, c.now());
  } else {
    // The cause names hosts and ports, which are nothing for visitors' pages.
    log::debug("site_not_read", "name={} cause={}", log::quote(name.text), log::quote(site.error()->detail));
    site = Error(site.error()->code, "The chat cannot be opened at the moment. Please try again.");
  }
  co_return site;
}

/// The answer for somebody who may stop waiting for it.
struct Renewal {
  explicit Renewal(asio::io_context& context) : done(context) {}
  asio::steady_timer done;
  std::optional<Outcome<SitePtr>> answer;
};

asio::awaitable<void> renew(Context& c, SiteName name, std::shared_ptr<Renewal> renewal) {
  Outcome<SitePtr> site = co_await ask(c, std::move(name));
  if (!renewal) co_return;
  renewal->answer = std::move(site);
  renewal->done.cancel();
}

}  // namespace

asio::awaitable<Outcome<SitePtr>> find_site(Context& c, SiteName name) {
  const SiteCache::Found found = c.sites.find(name, c.now());
  if (found.site && !found.due) co_return found.site;
  if (!found.site) {
    Outcome<SitePtr> site = co_await ask(c, std::move(name));
    co_return site;
  }
  Reactor& here = *Reactor::current();
  auto renewal = std::make_shared<Renewal>(here.context());
  renewal->done.expires_after(kPatience);
  here.spawn("renew site", renew(c, std::move(name), renewal));
  if (!renewal->answer) co_await renewal->done.async_wait(asio::as_tuple(asio::use_awaitable));
  if (renewal->answer && !renewal->answer->error()) co_return std::move(*renewal->answer);
  co_return found.site;
}

void renew_sites(Context& c, const std::vector<SiteName>& names) {
  Reactor& here = *Reactor::current();
  for (const SiteName& name : names) here.spawn("renew site", renew(c, name, nullptr));
}

}  // namespace parley::net::api
