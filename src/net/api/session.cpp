#include "founding.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/names.hpp"
#include "parley/tenant/passwords.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

using tenant::Right;

HttpResponse bad_credentials() {
  return HttpResponse::problem(401, "bad_credentials", "E-mail address or password is wrong.");
}

asio::awaitable<HttpResponse> answer(Context& c, Caller& caller) {
  auto work = [account = caller.account.id](store::Sql& sql) -> Outcome<std::vector<Place>> {
    return places_of(sql, account);
  };
  Outcome<std::vector<Place>> places = co_await c.deps.database.read(std::move(work));
  if (!places) co_return places.problem();
  co_return HttpResponse::json(200, session_view(caller, *places).text());
}

/// True if the password is that of `account`. Without an account as much time is spent as with one.
asio::awaitable<Outcome<bool>> proven(Context& c, const store::Account* account, const std::string& password) {
  auto work = [hash = account ? account->password_hash : tenant::hash_of_nobody(), password]() -> Outcome<bool> {
    return tenant::verify_password(hash, password);
  };
  return c.deps.cpu.run(std::move(work));
}

asio::awaitable<HttpResponse> sign_in(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::string typed = form.raw("email", 1000);
  const std::string password = form.raw("password", 1024);
  const bool remember = form.flag("remember", false);
  if (form.error()) co_return bad_field(form);
  // An address that cannot exist is treated like one that does not.
  const std::string email = tenant::normalise_email(typed).value_or("");
  const std::string what = "account " + email;
  if (const auto wait = c.guard.begin(what, request.ip, c.now()); wait.count() > 0) {
    c.locked.add();
    co_return locked_out(wait);
  }

  auto find = [email](store::Sql& sql) -> Outcome<std::optional<store::Account>> {
    return store::accounts::by_email(sql, email);
  };
  Outcome<std::optional<store::Account>> account = co_await c.deps.database.read(std::move(find));
  if (!account) {
    c.guard.taken_back(what, request.ip);
    co_return account.problem();
  }
  const store::Account* person = *account ? &**account : nullptr;
  Outcome<bool> right = co_await proven(c, person, password);
  if (!right) {
    c.guard.taken_back(what, request.ip);
    co_return right.problem();
  }
  if (!*account || !*right) {
    c.guard.failed(request.ip, c.now());
    c.sign_in_refused.add();
    co_return bad_credentials();
  }
  c.guard.succeeded(what, request.ip);

  NewSession session = plan_session(c, (*account)->id, AgentId{}, remember);
  const std::string before(session_cookie(request));
  auto work = [account = **account, row = session.row,
               before](store::Sql& sql) mutable -> Outcome<std::pair<Caller, std::vector<Place>>> {
    std::vector<Place> places = places_of(sql, account.id);
    if (places.empty()) return Refusal{403, "forbidden", "This account has no place in any organisation any more."};
    row.agent = places.front().agent.id;
    if (!before.empty()) store::console_sessions::erase(sql, stored_hash(before));
    store::console_sessions::erase_idle(sql, row.created_ns - kSessionLifeNs, row.created_ns - kSessionIdleNs);
    store::console_sessions::insert(sql, row);
    Caller caller;
    caller.account = std::move(account);
    caller.agent = places.front().agent;
    caller.tenant = places.front().tenant;
    return std::pair(std::move(caller), std::move(places));
  };
  Outcome<std::pair<Caller, std::vector<Place>>> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.signed_in.add();
  HttpResponse response = HttpResponse::json(200, session_view(done->first, done->second).text());
  response.headers.emplace_back("Set-Cookie", set_cookie(request.secure, session.secret, remember));
  co_return response;
}

asio::awaitable<HttpResponse> show(Context& c, HttpRequest&, Caller& caller) { return answer(c, caller); }

asio::awaitable<HttpResponse> sign_out(Context& c, HttpRequest& request, Caller& caller) {
  if (caller.session_hash.empty()) {
    co_return HttpResponse::problem(403, "forbidden", "A token has no session to end; delete the token.");
  }
  auto work = [hash = caller.session_hash](store::Sql& sql) -> Outcome<Done> {
    store::console_sessions::erase(sql, hash);
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  HttpResponse response = no_content();
  response.headers.emplace_back("Set-Cookie", clear_cookie(request.secure));
  co_return response;
}

asio::awaitable<HttpResponse> choose_tenant(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  const std::optional<TenantId> wanted = TenantId::parse(form.raw("tenant", 20));
  if (!wanted) form.refuse("tenant", "The id of a tenant is expected.");
  if (form.error()) co_return bad_field(form);
  if (caller.session_hash.empty()) {
    co_return HttpResponse::problem(403, "forbidden", "A token belongs to one tenant.");
  }
  auto work = [account = caller.account.id, hash = caller.session_hash,
               wanted = *wanted](store::Sql& sql) -> Outcome<Place> {
    for (Place& place : places_of(sql, account)) {
      if (place.tenant.id != wanted) continue;
      store::console_sessions::select_agent(sql, hash, place.agent.id);
      return std::move(place);
    }
    return not_found();
  };
  Outcome<Place> place = co_await c.deps.database.write(std::move(work));
  if (!place) co_return place.problem();
  caller.agent = place->agent;
  caller.tenant = place->tenant;
  co_return co_await answer(c, caller);
}

asio::awaitable<HttpResponse> change_account(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  const std::optional<std::string> locale = form.locale_if("locale");
  const std::optional<std::string> time_zone = form.time_zone_if("time_zone");
  const std::optional<std::string> password = form.raw_if("password", 1024);
  const std::string current = password ? form.raw("current_password", 1024) : std::string();
  if (form.error()) co_return bad_field(form);

  std::string hash;
  if (password) {
    const std::string what = "account " + caller.account.email;
    if (const auto wait = c.guard.begin(what, request.ip, c.now()); wait.count() > 0) co_return locked_out(wait);
    Outcome<bool> right = co_await proven(c, &caller.account, current);
    if (!right) {
      c.guard.taken_back(what, request.ip);
      co_return right.problem();
    }
    if (!*right) {
      co_return HttpResponse::problem(403, "bad_credentials", "The present password is another one.",
                                      "current_password");
    }
    c.guard.succeeded(what, request.ip);
    if (const Result<> checked = tenant::check_password(*password, caller.account.email); !checked) {
      co_return HttpResponse::of(checked.error());
    }
    Outcome<std::string> made = co_await hashed(c, *password);
    if (!made) co_return made.problem();
    hash = std::move(*made);
  }
  auto work = [id = caller.account.id, locale, time_zone, hash,
               keep = caller.session_hash](store::Sql& sql) -> Outcome<store::Account> {
    auto account = store::accounts::by_id(sql, id);
    if (!account) return not_found();
    if (locale) account->locale = *locale;
    if (time_zone) account->time_zone = *time_zone;
    if (!hash.empty()) {
      account->password_hash = hash;
      store::console_sessions::erase_of_account(sql, id, keep);
    }
    store::accounts::update(sql, *account);
    return std::move(*account);
  };
  Outcome<store::Account> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  caller.account = std::move(*done);
  co_return co_await answer(c, caller);
}

}  // namespace

void add_session_routes(Routes& routes) {
  routes.own_page("POST", "/api/v1/session", sign_in);
  routes.signed_in("GET", "/api/v1/session", Right::kUseConsole, show);
  routes.signed_in("DELETE", "/api/v1/session", Right::kUseConsole, sign_out);
  routes.signed_in("PUT", "/api/v1/session/tenant", Right::kUseConsole, choose_tenant);
  routes.signed_in("PATCH", "/api/v1/account", Right::kUseConsole, change_account);
}

}  // namespace parley::net::api
