#include "context.hpp"
#include "parley/tenant/origins.hpp"
#include "site_lookup.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

constexpr std::int64_t kAccessSeconds = 900;
constexpr std::int64_t kRefreshSeconds = 180 * 24 * 3600;

/// Lets the page that asked read the answer, problems too: they help whoever sets a site up, and tell nothing that is
/// not public.
HttpResponse readable(HttpResponse response, const HttpRequest& request) {
  const std::string_view origin = request.header("Origin");
  response.headers.emplace_back("Vary", "Origin");
  if (!origin.empty()) response.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
  return response;
}

HttpResponse origin_refused(const HttpRequest& request) {
  return readable(HttpResponse::problem(403, "origin_not_allowed",
                                        "This page's origin is not in the list of the site's allowed origins."),
                  request);
}

/// The daemon's own pages and those the site names.
bool origin_admitted(const HttpRequest& request, const Site& site) {
  if (request.own_origin) return true;
  return tenant::origin_allowed(site.channel.allowed_origins, request.header("Origin"));
}

asio::awaitable<HttpResponse> preflight(Context&, HttpRequest& request) {
  // Whether the origin is allowed depends on the key, which a preflight does not carry; the request itself is checked.
  HttpResponse response = readable(no_content(), request);
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST");
  response.headers.emplace_back("Access-Control-Allow-Headers", "Content-Type");
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  co_return response;
}

asio::awaitable<HttpResponse> config(Context& c, HttpRequest& request) {
  SiteName name{SiteName::Kind::kKey, std::string(request.query_value("key").value_or(""))};
  Outcome<SitePtr> found = co_await find_site(c, std::move(name));
  if (!found) co_return readable(found.problem(), request);
  const SitePtr site = *found;
  // Browsers send no Origin with a GET to the page's own host; any page elsewhere sends one, or cannot read the answer.
  if (!request.header("Origin").empty() && !origin_admitted(request, *site)) co_return origin_refused(request);

  Json body = Json::object().set("name", site->channel.name).set("tenant", site->tenant.name);
  const Json settings = site_settings(site->channel, &site->tenant);
  for (const char* key : {"locale", "color", "position", "launcher_text", "greeting", "privacy_url"}) {
    if (const auto text = settings.text_at(key)) body.set(key, *text);
  }
  body.set("enabled", settings.flag_at("enabled").value_or(true) && !site->tenant.disabled);
  body.set("online", c.deps.online && c.deps.online(site->tenant.id));
  HttpResponse response = HttpResponse::json(200, body.text());
  response.headers.emplace_back("Cache-Control", "max-age=60");
  co_return readable(std::move(response), request);
}

asio::awaitable<HttpResponse> session(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::string key = form.raw("key", 100);
  const std::optional<std::string> refresh = form.raw_if("refresh", 500);
  if (form.error()) co_return readable(bad_field(form), request);
  SiteName name{SiteName::Kind::kKey, key};
  Outcome<SitePtr> found = co_await find_site(c, std::move(name));
  if (!found) co_return readable(found.problem(), request);
  const SitePtr site = *found;

  const bool no_origin = request.header("Origin").empty() && request.header("Sec-Fetch-Site") != "same-origin";
  const bool admitted = no_origin
                            ? site->channel.kind == "app"
                            : request.header("Sec-Fetch-Site") == "same-origin" || origin_admitted(request, *site);
  if (!admitted) co_return origin_refused(request);
  if (site->tenant.disabled || !site_settings(site->channel, nullptr).flag_at("enabled").value_or(true)) {
    co_return readable(HttpResponse::problem(403, "tenant_disabled", "The chat of this site is switched off."),
                       request);
  }

  const std::int64_t now_s = c.now_ns() / kSecondNs;
  tenant::VisitorClaims claims;
  if (refresh) {
    const Result<tenant::VisitorClaims> old = c.deps.signer.open_refresh(*refresh, now_s);
    if (!old || old->tenant != site->tenant.id || old->channel != site->channel.id) {
      co_return readable(
          HttpResponse::problem(401, "refresh_invalid", "Ask again without it; a new person is made.", "refresh"),
          request);
    }
    claims = *old;
  } else {
    claims.tenant = site->tenant.id;
    claims.channel = site->channel.id;
    claims.visitor = VisitorId{c.deps.mint()};
  }
  Json body = Json::object().set("visitor", claims.visitor.str());
  claims.expires_s = now_s + kAccessSeconds;
  body.set("token", c.deps.signer.seal_access(claims)).set("expires_in", kAccessSeconds);
  claims.expires_s = now_s + kRefreshSeconds;
  body.set("refresh", c.deps.signer.seal_refresh(claims));
  HttpResponse response = HttpResponse::json(200, body.text());
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return readable(std::move(response), request);
}

}  // namespace

void add_widget_routes(Routes& routes) {
  routes.open("GET", "/api/v1/widget/config", config);
  routes.open("OPTIONS", "/api/v1/widget/config", preflight);
  routes.open("POST", "/api/v1/widget/session", session);
  routes.open("OPTIONS", "/api/v1/widget/session", preflight);
}

}  // namespace parley::net::api
