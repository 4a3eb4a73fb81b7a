#pragma once
#include <boost/asio/awaitable.hpp>
#include <vector>

#include "context.hpp"
#include "outcome.hpp"
#include "site_cache.hpp"

namespace parley::net::api {

/// The site a page belongs to: from memory if the answer is fresh, else from the database. A site that is known is
/// found however old the answer is while the database is away, and half a second later while it hangs. Otherwise: 404
/// unknown_key if the database says that there is none; 503 if it cannot be asked.
asio::awaitable<Outcome<SitePtr>> find_site(Context& c, SiteName name);

/// Asks the database for sites in the background, so that they are known again after a change. On a reactor.
void renew_sites(Context& c, const std::vector<SiteName>& names);

}  // namespace parley::net::api
