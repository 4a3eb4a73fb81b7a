#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "credentials.hpp"
#include "form.hpp"
#include "outcome.hpp"
#include "parley/net/api.hpp"
#include "parley/pipeline/word_filter.hpp"
#include "parley/tenant/lockout.hpp"
#include "parley/tenant/roles.hpp"
#include "site_cache.hpp"

namespace parley::net::api {

namespace asio = boost::asio;

/// Who tried to prove something too often. One object for all reactors.
class Guard {
 public:
  using Ms = tenant::Lockout::Ms;
  using Time = tenant::Lockout::Time;
  /// May this try begin? 0: yes, and it counts as failed until succeeded() or taken_back(), so that tries in parallel
  /// count too. Otherwise how long to wait.
  Ms begin(std::string_view what, std::string_view ip, Time now);
  void failed(std::string_view ip, Time now);
  void succeeded(std::string_view what, std::string_view ip);
  void taken_back(std::string_view what, std::string_view ip);

 private:
  std::mutex mutex_;  // leaf lock
  tenant::Lockout pairs_;
  /// One network trying many accounts; roomy, because a whole office may share an address.
  tenant::Lockout networks_{tenant::Lockout::Policy{.free = 50}};
};

/// Compiled word lists for trying them out, by their content's version.
class FilterCache {
 public:
  using Filter = std::shared_ptr<const pipeline::WordFilter>;
  Filter find(TenantId tenant, std::string_view version);
  void keep(TenantId tenant, std::string version, Filter filter);

 private:
  struct Item {
    TenantId tenant;
    std::string version;
    Filter filter;
  };
  std::mutex mutex_;        // leaf lock
  std::deque<Item> items_;  // newest first, at most 8
};

/// What all handlers share.
struct Context {
  explicit Context(ApiDeps d);
  ApiDeps deps;
  Guard guard;
  FilterCache filters;
  SiteCache sites;
  obs::Counter& signed_in;
  obs::Counter& sign_in_refused;
  obs::Counter& locked;

  std::int64_t now_ns() const { return deps.now_ns(); }
  /// The clock of lock-outs; follows now_ns, so that a test can move it.
  tenant::Lockout::Time now() const { return tenant::Lockout::Time(std::chrono::nanoseconds(deps.now_ns())); }
  /// Something of the tenant was changed and is stored: nobody is answered from memory with what was before.
  void changed(TenantId tenant);
  void revoke(AgentId agent) const;
};

/// Adds routes and remembers their names.
class Routes {
 public:
  using Open = asio::awaitable<HttpResponse> (*)(Context&, HttpRequest&);
  using SignedIn = asio::awaitable<HttpResponse> (*)(Context&, HttpRequest&, Caller&);
  Routes(Router& router, Context& context, std::vector<std::string>& names)
      : router_(router), context_(context), names_(names) {}

  /// For everybody.
  void open(std::string_view method, std::string_view path, Open handler);
  /// For everybody, from the daemon's own pages only (the CSRF rule).
  void own_page(std::string_view method, std::string_view path, Open handler);
  /// For agents with this right, by cookie (then the CSRF rule holds for everything but GET) or by bearer token.
  void signed_in(std::string_view method, std::string_view path, tenant::Right right, SignedIn handler);
  /// Only over data/admin.sock.
  void admin(std::string_view method, std::string_view path, Open handler);

 private:
  void add(std::string_view method, std::string_view path, Router::Handler handler);
  Router& router_;
  Context& context_;
  std::vector<std::string>& names_;
};

/// A hash of the password, made on the worker.
asio::awaitable<Outcome<std::string>> hashed(Context& c, const std::string& password);

HttpResponse bad_field(const Form& form);
HttpResponse locked_out(std::chrono::milliseconds wait);
HttpResponse no_content();

void add_widget_routes(Routes& routes);
void add_setup_routes(Routes& routes);
void add_session_routes(Routes& routes);
void add_people_routes(Routes& routes);
void add_site_routes(Routes& routes);
void add_word_routes(Routes& routes);
void add_token_routes(Routes& routes);
void add_conversation_routes(Routes& routes);
void add_search_routes(Routes& routes);
void add_tenant_routes(Routes& routes);
void add_admin_routes(Routes& routes);
void add_move_routes(Routes& routes);

}  // namespace parley::net::api
