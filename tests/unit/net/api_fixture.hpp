#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "net/api/credentials.hpp"
#include "parley/net/api.hpp"
#include "parley/store/repositories.hpp"
#include "parley/store/sqlite_store.hpp"
#include "parley/tenant/passwords.hpp"
#include "parley/tenant/secrets.hpp"
#include "unit/store/faulty_database.hpp"
#include "unit/store/store_fixture.hpp"

namespace parley::net::test {

using nlohmann::json;
using store::Role;
inline constexpr const char* kPassword = "several unrelated words";

/// A request of the console's own page, until a test makes it something else.
struct Req {
  HttpRequest http;
  Req(std::string method, std::string path) {
    http.method = std::move(method);
    if (const auto mark = path.find('?'); mark != std::string::npos) {
      std::string rest = path.substr(mark + 1);
      path.resize(mark);
      while (!rest.empty()) {
        const std::string pair = rest.substr(0, rest.find('&'));
        rest.erase(0, pair.size() + 1);
        http.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
      }
    }
    http.path = std::move(path);
    http.ip = "192.0.2.1";
    http.host = "chat.example";
    http.own_origin = true;
    header("Content-Type", "application/json");
    header("X-Parley-CSRF", "1");
    header("Origin", "http://chat.example");
  }
  Req& header(const std::string& name, const std::string& value) {
    without(name);
    http.headers.emplace_back(name, value);
    return *this;
  }
  Req& without(const std::string& name) {
    std::erase_if(http.headers, [&](const auto& item) { return item.first == name; });
    return *this;
  }
  /// From a page elsewhere, or from no page (empty).
  Req& from(const std::string& origin) {
    http.own_origin = false;
    return origin.empty() ? without("Origin") : header("Origin", origin);
  }
  Req& cookie(const std::string& secret) {
    return header("Cookie", std::string(http.secure ? "__Host-parley=" : "parley=") + secret);
  }
  Req& bearer(const std::string& token) { return header("Authorization", "Bearer " + token); }
  Req& body(const json& value) {
    http.body = value.dump();
    return *this;
  }
  Req& ip(const std::string& address) {
    http.ip = address;
    return *this;
  }
};

struct Answer {
  int status = 0;
  json body = json::object();
  HttpResponse http;
  std::string code() const { return body.value("code", ""); }
  std::string field() const { return body.value("field", ""); }
  std::string header(const std::string& name) const {
    for (const auto& [key, value] : http.headers) {
      if (key == name) return value;
    }
    return {};
  }
  /// The secret in Set-Cookie; empty if there is none.
  std::string cookie() const {
    const std::string line = header("Set-Cookie");
    const auto begin = line.find('=');
    return begin == std::string::npos ? "" : line.substr(begin + 1, line.find(';') - begin - 1);
  }
};

/// Somebody with a console session.
struct Person {
  store::Tenant tenant;
  store::Account account;
  store::Agent agent;
  std::string cookie;
};

/// The REST interface over a real embedded store; the wall clock is the test's.
class ApiTest : public testing::Test {
 protected:
  ApiTest() : store_(store::open_sqlite_store(options())), setup_(folder_.path()), api_(deps()) {
    api_.register_routes(open_);
    api_.register_admin_routes(admin_);
  }
  /// What still answers does so to a reactor that is there.
  ~ApiTest() override { store_->stop(); }

  Answer call(Req& request) { return call_router(open_, request); }
  Answer call(Req&& request) { return call_router(open_, request); }
  Answer admin(Req request) {
    request.http.admin_socket = true;
    return call_router(admin_, request);
  }
  Answer call_router(const Router& router, Req& request) {
    HttpRequest http = request.http;
    Answer answer;
    answer.http = home_.run<HttpResponse>([&] { return router.handle(http); });
    answer.status = answer.http.status;
    if (!answer.http.body.empty()) answer.body = json::parse(answer.http.body);
    return answer;
  }
  template <class F>
  auto read(F work) -> std::invoke_result_t<F&, store::Sql&> {
    using T = std::invoke_result_t<F&, store::Sql&>;
    auto wrapped = [&work](store::Sql& sql) -> Result<T> { return work(sql); };
    return *home_.run<Result<T>>([&]() { return store_->database().read(wrapped); });
  }
  template <class F>
  void write(F work) {
    auto wrapped = [&work](store::Sql& sql) -> Result<> {
      work(sql);
      return {};
    };
    const Result<> done = home_.run<Result<>>([&]() { return store_->database().write(wrapped); });
    ASSERT_TRUE(done) << done.error().detail;
  }

  store::Tenant make_tenant(const std::string& slug) {
    store::Tenant tenant;
    tenant.id = TenantId{mint()};
    tenant.slug = slug;
    tenant.name = "Tenant " + slug;
    tenant.created_ns = now_ns_;
    write([&](store::Sql& sql) { store::tenants::insert(sql, tenant); });
    return tenant;
  }
  Person make_person(const store::Tenant& tenant, Role role, const std::string& email) {
    static const std::string hash = *tenant::hash_password(kPassword);
    Person person;
    person.tenant = tenant;
    person.account.id = AccountId{mint()};
    person.account.email = email;
    person.account.password_hash = hash;
    person.account.created_ns = now_ns_;
    person.agent = agent_of(person.account, tenant, role);
    write([&](store::Sql& sql) {
      store::accounts::insert(sql, person.account);
      store::agents::insert(sql, person.agent);
    });
    person.cookie = make_session(person, now_ns_, now_ns_);
    return person;
  }
  store::Agent agent_of(const store::Account& account, const store::Tenant& tenant, Role role) {
    store::Agent agent;
    agent.id = AgentId{mint()};
    agent.tenant = tenant.id;
    agent.account = account.id;
    agent.role = role;
    agent.display_name = "Name of " + account.email;
    agent.created_ns = now_ns_;
    return agent;
  }
  std::string make_session(const Person& person, std::int64_t created_ns, std::int64_t used_ns) {
    const std::string secret = tenant::make_secret();
    store::ConsoleSession session;
    session.token_hash = api::stored_hash(secret);
    session.account = person.account.id;
    session.agent = person.agent.id;
    session.created_ns = created_ns;
    session.last_used_ns = used_ns;
    write([&](store::Sql& sql) { store::console_sessions::insert(sql, session); });
    return secret;
  }
  store::Channel make_site(const store::Tenant& tenant, std::vector<std::string> origins,
                           const std::string& kind = "web") {
    store::Channel site;
    site.id = ChannelId{mint()};
    site.tenant = tenant.id;
    site.kind = kind;
    site.name = "Shop";
    site.public_key = tenant::make_public_key();
    site.allowed_origins = std::move(origins);
    site.created_ns = now_ns_;
    write([&](store::Sql& sql) { store::channels::insert(sql, site); });
    return site;
  }
  std::string sign_in(const std::string& email, const std::string& password) {
    return call(Req("POST", "/api/v1/session").body({{"email", email}, {"password", password}})).cookie();
  }
  int status_with(const std::string& cookie) { return call(Req("GET", "/api/v1/session").cookie(cookie)).status; }
  std::uint64_t mint() { return ++last_id_; }
  void pass(std::int64_t seconds) { now_ns_ += seconds * api::kSecondNs; }

  static constexpr std::int64_t kHour = 3600;
  store::test::TempFolder folder_;
  std::unique_ptr<store::Store> store_;
  store::test::FaultyDatabase database_{store_->database()};
  config::Settings settings_;
  obs::Registry metrics_;
  tenant::TokenSigner signer_{std::string(32, 'k')};
  SetupCode setup_;
  std::atomic<std::int64_t> now_ns_{1'763'715'600 * api::kSecondNs};
  std::atomic<std::uint64_t> last_id_{7'000'000'000};
  bool agent_online_ = false;
  std::vector<TenantId> changed_;
  std::vector<AgentId> revoked_;
  Router open_, admin_;
  Worker cpu_{"cpu", 2, 64};
  Api api_;
  store::test::Home home_;  // the last member: its thread ends first

 private:
  store::SqliteOptions options() const {
    store::SqliteOptions options;
    options.folder = folder_.path();
    return options;
  }
  ApiDeps deps() {
    return ApiDeps{database_,
                   store_->journal(),
                   signer_,
                   cpu_,
                   setup_,
                   settings_,
                   metrics_,
                   [this] { return mint(); },
                   [this](TenantId tenant) { changed_.push_back(tenant); },
                   [this](TenantId) { return agent_online_; },
                   [this](AgentId agent) { revoked_.push_back(agent); },
                   [this] { return now_ns_.load(); }};
  }
};

}  // namespace parley::net::test
