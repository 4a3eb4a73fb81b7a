#include "sites.hpp"

#include <algorithm>

#include "context.hpp"
#include "founding.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/origins.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

using tenant::Right;

bool is_color(const std::string& text) {
  return text.size() == 7 && text[0] == '#' && text.find_first_not_of("0123456789abcdefABCDEF", 1) == text.npos;
}
bool is_web_address(const std::string& text) {
  // What goes into a link of somebody else's page: never javascript: or data:.
  return (text.starts_with("https://") || text.starts_with("http://")) && text.find_first_of(" \"<>\\") == text.npos;
}

asio::awaitable<HttpResponse> list(Context& c, HttpRequest&, Caller& caller) {
  auto work = [tenant = caller.tenant.id](store::Sql& sql) -> Outcome<std::vector<store::Channel>> {
    return store::channels::of_tenant(sql, tenant);
  };
  Outcome<std::vector<store::Channel>> channels = co_await c.deps.database.read(std::move(work));
  if (!channels) co_return channels.problem();
  Json items = Json::array();
  for (const store::Channel& channel : *channels) items.push(channel_view(channel));
  co_return HttpResponse::json(200, items_text(std::move(items)));
}

asio::awaitable<HttpResponse> create(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  store::Channel site = plan_site(c, caller.tenant.id, form.line("name", {1, 60}));
  site.allowed_origins = checked_origins(form, form.list("allowed_origins", kOriginsMax));
  if (const auto settings = form.object_if("settings")) site.settings = merged_site_settings(form, "{}", *settings);
  if (form.error()) co_return bad_field(form);
  auto work = [site](store::Sql& sql) -> Outcome<Done> {
    store::channels::insert(sql, site);
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.changed(caller.tenant.id);
  co_return HttpResponse::json(201, channel_view(site).text());
}

asio::awaitable<HttpResponse> change(Context& c, HttpRequest& request, Caller& caller) {
  const std::optional<ChannelId> id = ChannelId::parse(request.params["id"]);
  if (!id) co_return Outcome<Done>(not_found()).problem();
  Form form(request.body);
  const std::optional<std::string> name = form.line_if("name", {1, 60});
  std::optional<std::vector<std::string>> origins = form.list_if("allowed_origins", kOriginsMax);
  if (origins) origins = checked_origins(form, *origins);
  const std::optional<Json> settings = form.object_if("settings");
  if (settings) merged_site_settings(form, "{}", *settings);  // only to check it, before the transaction
  if (form.error()) co_return bad_field(form);
  auto work = [tenant = caller.tenant.id, id = *id, name, origins,
               settings](store::Sql& sql) -> Outcome<store::Channel> {
    auto site = store::channels::in_tenant(sql, tenant, id);
    if (!site) return not_found();
    if (name) site->name = *name;
    if (origins) site->allowed_origins = *origins;
    if (settings) {
      Form checked("{}");
      site->settings = merged_site_settings(checked, site->settings, *settings);
    }
    store::channels::update(sql, *site);
    return std::move(*site);
  };
  Outcome<store::Channel> site = co_await c.deps.database.write(std::move(work));
  if (!site) co_return site.problem();
  c.changed(caller.tenant.id);
  co_return HttpResponse::json(200, channel_view(*site).text());
}

}  // namespace

std::vector<std::string> checked_origins(Form& form, const std::vector<std::string>& typed) {
  std::vector<std::string> origins;
  for (const std::string& text : typed) {
    Result<std::string> origin = tenant::check_origin_pattern(text);
    if (!origin) {
      form.refuse("allowed_origins", "\"" + text.substr(0, 80) + "\": " + origin.error().detail);
      return {};
    }
    if (std::ranges::find(origins, *origin) == origins.end()) origins.push_back(std::move(*origin));
  }
  return origins;
}

std::string merged_site_settings(Form& form, const std::string& stored, const Json& wanted) {
  Json settings = settings_of(stored);
  Form fields(wanted.text());
  // A null takes the choice back; everything else is checked like any field.
  auto present = [&](const char* key) {
    if (wanted.is_null(key)) settings.erase(key);
    return fields.has(key) && !wanted.is_null(key);
  };
  if (present("color")) {
    const std::string color = fields.raw("color", 20);
    if (!is_color(color)) fields.refuse("color", "A colour such as #2B55D9 is expected.");
    settings.set("color", color);
  }
  if (present("position")) {
    const std::string position = fields.raw("position", 20);
    if (position != "right" && position != "left") fields.refuse("position", "\"right\" or \"left\" is expected.");
    settings.set("position", position);
  }
  if (present("locale")) settings.set("locale", fields.locale("locale"));
  if (present("greeting")) settings.set("greeting", fields.lines("greeting", {0, 200}));
  if (present("launcher_text")) settings.set("launcher_text", fields.line("launcher_text", {0, 30}));
  if (present("privacy_url")) {
    const std::string address = fields.line("privacy_url", {0, 300});
    if (!address.empty() && !is_web_address(address))
      fields.refuse("privacy_url", "An address that begins with https:// is expected.");
    settings.set("privacy_url", address);
  }
  if (present("enabled")) settings.set("enabled", fields.flag("enabled", true));
  for (const char* key : {"greeting", "launcher_text", "privacy_url"}) {
    if (settings.text_at(key) == "") settings.erase(key);
  }
  if (fields.error()) form.refuse("settings." + fields.error()->field, fields.error()->detail);
  return settings.text();
}

void add_site_routes(Routes& routes) {
  routes.signed_in("GET", "/api/v1/channels", Right::kUseConsole, list);
  routes.signed_in("POST", "/api/v1/channels", Right::kManageSites, create);
  routes.signed_in("PATCH", "/api/v1/channels/{id}", Right::kManageSites, change);
}

}  // namespace parley::net::api
