#include "context.hpp"
#include "parley/store/repositories.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

using tenant::Right;
constexpr std::int64_t kReopenHoursMax = 24 * 30;

std::string view(const Context& c, const store::Tenant& tenant) {
  const std::int64_t hours =
      settings_of(tenant.settings).number_at("reopen_window_h").value_or(c.deps.settings.tenant.reopen_window_h);
  return Json::object()
      .set("id", tenant.id.str())
      .set("name", tenant.name)
      .set("slug", tenant.slug)
      .set("locale", tenant.locale)
      .set("time_zone", tenant.time_zone)
      .set("settings", Json::object().set("reopen_window_h", hours))
      .text();
}

asio::awaitable<HttpResponse> show(Context& c, HttpRequest&, Caller& caller) {
  co_return HttpResponse::json(200, view(c, caller.tenant));
}

asio::awaitable<HttpResponse> change(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  const std::optional<std::string> name = form.line_if("name", {1, 60});
  const std::optional<std::string> locale = form.locale_if("locale");
  const std::optional<std::string> time_zone = form.time_zone_if("time_zone");
  std::optional<std::int64_t> hours;
  if (const std::optional<Json> settings = form.object_if("settings")) {
    Form fields(settings->text());
    hours = fields.number_if("reopen_window_h", 0, kReopenHoursMax);
    if (fields.error()) form.refuse("settings." + fields.error()->field, fields.error()->detail);
  }
  if (form.error()) co_return bad_field(form);
  auto work = [id = caller.tenant.id, name, locale, time_zone, hours](store::Sql& sql) -> Outcome<store::Tenant> {
    auto tenant = store::tenants::by_id(sql, id);
    if (!tenant) return not_found();
    if (name) tenant->name = *name;
    if (locale) tenant->locale = *locale;
    if (time_zone) tenant->time_zone = *time_zone;
    if (hours) tenant->settings = settings_of(tenant->settings).set("reopen_window_h", *hours).text();
    store::tenants::update(sql, *tenant);
    return std::move(*tenant);
  };
  Outcome<store::Tenant> tenant = co_await c.deps.database.write(std::move(work));
  if (!tenant) co_return tenant.problem();
  c.changed(tenant->id);
  co_return HttpResponse::json(200, view(c, *tenant));
}

}  // namespace

void add_tenant_routes(Routes& routes) {
  routes.signed_in("GET", "/api/v1/tenant", Right::kUseConsole, show);
  routes.signed_in("PATCH", "/api/v1/tenant", Right::kEditTenant, change);
}

}  // namespace parley::net::api
