#include "founding.hpp"
#include "parley/obs/log.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/names.hpp"
#include "parley/tenant/passwords.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

Refusal already() { return {409, "already_set_up", "This installation has an owner. Please sign in."}; }

Outcome<bool> is_needed(store::Sql& sql) { return !store::tenants::any(sql); }

asio::awaitable<HttpResponse> needed(Context& c, HttpRequest&) {
  Outcome<bool> answer = co_await c.deps.database.read(is_needed);
  if (!answer) co_return answer.problem();
  co_return HttpResponse::json(200, Json::object().set("needed", *answer).text());
}

asio::awaitable<HttpResponse> set_up(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::string code = form.raw("code", 100);
  const std::string email = form.email("email");
  const std::string password = form.raw("password", 1024);
  const std::string display_name = form.line("display_name", {1, 60});
  const std::string organisation = form.line("organisation", {1, 60});
  const std::string locale = form.locale("locale");
  const std::string time_zone = form.time_zone("time_zone");
  if (form.error()) co_return bad_field(form);

  Outcome<bool> needed = co_await c.deps.database.read(is_needed);
  if (!needed) co_return needed.problem();
  if (!*needed) co_return Outcome<Done>(already()).problem();
  if (const auto wait = c.guard.begin("setup", request.ip, c.now()); wait.count() > 0) co_return locked_out(wait);
  if (!c.deps.setup_code.matches(code)) {
    c.guard.failed(request.ip, c.now());
    co_return HttpResponse::problem(
        403, "bad_code", "This is not the set-up code. It stands in the server's output and in the file setup-code.",
        "code");
  }
  c.guard.succeeded("setup", request.ip);
  if (const Result<> checked = tenant::check_password(password, email); !checked)
    co_return HttpResponse::of(checked.error());

  Outcome<std::string> hash = co_await hashed(c, password);
  if (!hash) co_return hash.problem();
  const Founding founding = plan_founding(c, organisation, tenant::slug_of(organisation), email, display_name,
                                          std::move(*hash), locale, time_zone);
  NewSession session = plan_session(c, founding.account.id, founding.owner.id, false);
  auto work = [founding, row = session.row](store::Sql& sql) -> Outcome<Caller> {
    // Asked again inside the transaction: of two who type the code at once, one owns the installation.
    if (store::tenants::any(sql)) return already();
    insert(sql, founding);
    store::console_sessions::insert(sql, row);
    Caller caller;
    caller.account = founding.account;
    caller.agent = founding.owner;
    caller.tenant = founding.tenant;
    return caller;
  };
  Outcome<Caller> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.deps.setup_code.remove();
  c.changed(founding.tenant.id);
  log::info("installation_set_up", "tenant={} slug={}", founding.tenant.id.value, founding.tenant.slug);

  std::vector<Place> places;
  places.push_back(Place{founding.owner, founding.tenant});
  HttpResponse response = HttpResponse::json(201, session_view(*done, places).text());
  response.headers.emplace_back("Set-Cookie", set_cookie(request.secure, session.secret, false));
  co_return response;
}

}  // namespace

void add_setup_routes(Routes& routes) {
  routes.open("GET", "/api/v1/setup", needed);
  routes.own_page("POST", "/api/v1/setup", set_up);
}

}  // namespace parley::net::api
