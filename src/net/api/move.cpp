// How `parley migrate-store` freezes and retires the store of the running daemon, over data/admin.sock.
#include <charconv>

#include "context.hpp"
#include "json.hpp"
#include "parley/obs/log.hpp"

namespace parley::net::api {
namespace {

constexpr std::int64_t kFreezeSecondsMax = 60;

HttpResponse not_movable() {
  return HttpResponse::problem(409, "not_movable", "The store of this server cannot be moved.");
}

std::uint64_t token_of(Form& form, bool may_be_empty) {
  const std::string text = form.raw("token", 20);
  std::uint64_t token = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
  const bool number = error == std::errc() && end == text.data() + text.size() && token != 0;
  if (!number && !(may_be_empty && text.empty())) form.refuse("token", "The token of a freeze is expected.");
  return number ? token : 0;
}

asio::awaitable<HttpResponse> freeze(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::uint64_t token = form.has("token") ? token_of(form, true) : 0;
  const std::int64_t seconds = form.number_if("seconds", 1, kFreezeSecondsMax).value_or(kFreezeSecondsMax / 2);
  if (form.error()) co_return bad_field(form);
  if (!c.deps.movable) co_return not_movable();
  Result<std::uint64_t> frozen = co_await c.deps.movable->freeze(token, std::chrono::seconds(seconds));
  if (!frozen) co_return HttpResponse::of(frozen.error());
  if (token == 0) log::info("store_frozen", "for_s={}", seconds);
  Json body = Json::object().set("token", std::to_string(*frozen));
  co_return HttpResponse::json(200, body.text());
}

asio::awaitable<HttpResponse> thaw(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::uint64_t token = token_of(form, false);
  if (form.error()) co_return bad_field(form);
  if (!c.deps.movable) co_return not_movable();
  Result<> thawed = co_await c.deps.movable->thaw(token);
  if (!thawed) co_return HttpResponse::of(thawed.error());
  log::info("store_thawed", "by=request");
  co_return HttpResponse::json(200, "{}");
}

asio::awaitable<HttpResponse> retire(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::uint64_t token = token_of(form, false);
  std::string place = form.line("moved_to", {1, 100});
  if (form.error()) co_return bad_field(form);
  if (!c.deps.movable) co_return not_movable();
  const std::string shown = place;
  Result<> retired = co_await c.deps.movable->retire(token, std::move(place));
  if (!retired) co_return HttpResponse::of(retired.error());
  log::info("store_moved", "to={}", log::quote(shown));
  if (c.deps.stop) c.deps.stop();
  co_return HttpResponse::json(200, "{}");
}

}  // namespace

void add_move_routes(Routes& routes) {
  routes.admin("POST", "/admin/v1/store/freeze", freeze);
  routes.admin("POST", "/admin/v1/store/thaw", thaw);
  routes.admin("POST", "/admin/v1/store/retire", retire);
}

}  // namespace parley::net::api
