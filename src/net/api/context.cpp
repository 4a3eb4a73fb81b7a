#include "context.hpp"

#include "parley/obs/log.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/passwords.hpp"
#include "site_lookup.hpp"

namespace parley::net::api {
namespace {

std::string pair_of(std::string_view what, std::string_view ip) {
  return std::string(what) + '\n' + tenant::network_of(ip);
}

asio::awaitable<Outcome<Caller>> identify(Context& c, const HttpRequest& request) {
  const std::int64_t now = c.now_ns();
  // An Authorization header is only ever sent on purpose, so it decides alone, whatever cookies came along.
  const bool by_token = !request.header("Authorization").empty();
  const std::string secret(by_token ? bearer(request) : session_cookie(request));
  auto look = [secret, by_token, now](store::Sql& sql) -> Outcome<Caller> {
    return by_token ? caller_by_bearer(sql, secret, now) : caller_by_cookie(sql, secret, now);
  };
  Outcome<Caller> found = co_await c.deps.database.read(std::move(look));
  if (found && found->touch_due) {
    auto note = [caller = *found, now](store::Sql& sql) -> Outcome<Done> {
      touch(sql, caller, now);
      return Done{};
    };
    const Outcome<Done> noted = co_await c.deps.database.write(std::move(note));
    // A full disk must not end sessions: the time of use is then older than it should be, nothing more.
    if (!noted) log::debug("session_touch_failed", "agent={}", found->agent.id.value);
  }
  co_return found;
}

asio::awaitable<HttpResponse> guarded(Context& c, HttpRequest& request, tenant::Right right, Routes::SignedIn handler) {
  Outcome<Caller> caller = co_await identify(c, request);
  if (!caller) co_return caller.problem();
  const bool by_cookie = !caller->session_hash.empty();
  if (by_cookie && request.method != "GET" && request.method != "HEAD" && !csrf_safe(request)) {
    co_return HttpResponse::problem(403, "csrf", "This request does not come from the console's own page.");
  }
  if (!tenant::may(caller->agent.role, right)) {
    co_return HttpResponse::problem(403, "forbidden", "Your role does not allow this.");
  }
  co_return co_await handler(c, request, *caller);
}

asio::awaitable<HttpResponse> from_own_page(Context& c, HttpRequest& request, Routes::Open handler) {
  if (!csrf_safe(request)) {
    co_return HttpResponse::problem(403, "csrf", "This request does not come from the console's own page.");
  }
  co_return co_await handler(c, request);
}

asio::awaitable<HttpResponse> over_admin_socket(Context& c, HttpRequest& request, Routes::Open handler) {
  if (!request.admin_socket) co_return HttpResponse::problem(404, "not_found", "There is no such thing here.");
  co_return co_await handler(c, request);
}

}  // namespace

Guard::Ms Guard::begin(std::string_view what, std::string_view ip, Time now) {
  std::lock_guard lock(mutex_);
  const std::string pair = pair_of(what, ip);
  const Ms wait = std::max(pairs_.wait(pair, now), networks_.wait(tenant::network_of(ip), now));
  if (wait == Ms(0)) pairs_.failed(pair, now);
  return wait;
}
void Guard::failed(std::string_view ip, Time now) {
  std::lock_guard lock(mutex_);
  networks_.failed(tenant::network_of(ip), now);
}
void Guard::succeeded(std::string_view what, std::string_view ip) {
  std::lock_guard lock(mutex_);
  pairs_.succeeded(pair_of(what, ip));
}
void Guard::taken_back(std::string_view what, std::string_view ip) {
  std::lock_guard lock(mutex_);
  pairs_.take_back(pair_of(what, ip));
}

FilterCache::Filter FilterCache::find(TenantId tenant, std::string_view version) {
  std::lock_guard lock(mutex_);
  for (const Item& item : items_) {
    if (item.tenant == tenant && item.version == version) return item.filter;
  }
  return nullptr;
}
void FilterCache::keep(TenantId tenant, std::string version, Filter filter) {
  constexpr std::size_t kItemsMax = 8;
  std::lock_guard lock(mutex_);
  std::erase_if(items_, [tenant](const Item& item) { return item.tenant == tenant; });
  items_.push_front(Item{tenant, std::move(version), std::move(filter)});
  if (items_.size() > kItemsMax) items_.pop_back();
}

Context::Context(ApiDeps d)
    : deps(std::move(d)),
      signed_in(deps.metrics.counter("parley_net_sign_ins_total", "Tries to sign in to the console, by outcome.",
                                     {{"outcome", "ok"}})),
      sign_in_refused(deps.metrics.counter("parley_net_sign_ins_total", "Tries to sign in to the console, by outcome.",
                                           {{"outcome", "refused"}})),
      locked(deps.metrics.counter("parley_net_sign_ins_total", "Tries to sign in to the console, by outcome.",
                                  {{"outcome", "locked"}})) {}

void Context::changed(TenantId tenant) {
  renew_sites(*this, sites.forget(tenant));
  if (deps.on_tenant_changed) deps.on_tenant_changed(tenant);
}
void Context::revoke(AgentId agent) const {
  if (deps.revoke) deps.revoke(agent);
}

void Routes::add(std::string_view method, std::string_view path, Router::Handler handler) {
  names_.push_back(std::string(method) + ' ' + std::string(path));
  router_.add(method, path, std::move(handler));
}
void Routes::open(std::string_view method, std::string_view path, Open handler) {
  add(method, path, [&c = context_, handler](HttpRequest& request) { return handler(c, request); });
}
void Routes::own_page(std::string_view method, std::string_view path, Open handler) {
  add(method, path, [&c = context_, handler](HttpRequest& request) { return from_own_page(c, request, handler); });
}
void Routes::signed_in(std::string_view method, std::string_view path, tenant::Right right, SignedIn handler) {
  add(method, path,
      [&c = context_, right, handler](HttpRequest& request) { return guarded(c, request, right, handler); });
}
void Routes::admin(std::string_view method, std::string_view path, Open handler) {
  add(method, path, [&c = context_, handler](HttpRequest& request) { return over_admin_socket(c, request, handler); });
}

asio::awaitable<Outcome<std::string>> hashed(Context& c, const std::string& password) {
  auto work = [password]() -> Outcome<std::string> {
    Result<std::string> hash = tenant::hash_password(password);
    if (!hash) return std::move(hash).error();
    return std::move(*hash);
  };
  return c.deps.cpu.run(std::move(work));
}

HttpResponse bad_field(const Form& form) { return HttpResponse::of(*form.error()); }

HttpResponse locked_out(std::chrono::milliseconds wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return HttpResponse::problem(429, "locked", "Too many tries. Please wait " + std::to_string(seconds) + " s.", {},
                               wait.count());
}

HttpResponse no_content() {
  HttpResponse response;
  response.status = 204;
  return response;
}

}  // namespace parley::net::api
