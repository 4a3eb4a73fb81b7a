// What the command line asks over data/admin.sock.
#include "founding.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/passwords.hpp"
#include "parley/tenant/secrets.hpp"
#include "sites.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

constexpr const char* kDemoSlug = "demo";
constexpr const char* kDemoEmail = "owner@demo.test";

Refusal unknown_tenant() { return {404, "not_found", "There is no tenant with this slug.", "tenant"}; }

Json tenant_view(const store::Tenant& tenant) {
  return Json::object()
      .set("id", tenant.id.str())
      .set("slug", tenant.slug)
      .set("name", tenant.name)
      .set("locale", tenant.locale)
      .set("time_zone", tenant.time_zone)
      .set("disabled", tenant.disabled)
      .set("created_at", rfc3339(tenant.created_ns));
}

asio::awaitable<HttpResponse> tenants(Context& c, HttpRequest&) {
  auto work = [](store::Sql& sql) -> Outcome<std::vector<store::Tenant>> { return store::tenants::all(sql); };
  Outcome<std::vector<store::Tenant>> all = co_await c.deps.database.read(std::move(work));
  if (!all) co_return all.problem();
  Json items = Json::array();
  for (const store::Tenant& tenant : *all) items.push(tenant_view(tenant));
  co_return HttpResponse::json(200, items_text(std::move(items)));
}

asio::awaitable<HttpResponse> create_tenant(Context& c, HttpRequest& request) {
  Form form(request.body);
  std::string name = form.line("name", {1, 60});
  std::string slug = form.slug("slug");
  std::string locale = form.locale_if("locale").value_or("en");
  std::string time_zone = form.time_zone_if("time_zone").value_or("UTC");
  if (form.error()) co_return bad_field(form);
  const store::Tenant tenant =
      plan_tenant(c, std::move(name), std::move(slug), std::move(locale), std::move(time_zone));
  auto work = [tenant](store::Sql& sql) -> Outcome<Done> {
    if (store::tenants::by_slug(sql, tenant.slug))
      return Refusal{409, "slug_taken", "There is a tenant with this slug.", "slug"};
    store::tenants::insert(sql, tenant);
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.deps.setup_code.remove();
  c.changed(tenant.id);
  co_return HttpResponse::json(201, tenant_view(tenant).text());
}

asio::awaitable<HttpResponse> create_agent(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::string slug = form.slug("tenant");
  const std::string email = form.email("email");
  const std::string display_name = form.line("display_name", {1, 60});
  const tenant::Role role = form.role("role");
  const bool generated = !form.has("password");
  const std::string password = generated ? tenant::generate_password() : form.raw("password", 1024);
  if (form.error()) co_return bad_field(form);
  if (const Result<> checked = tenant::check_password(password, email); !checked)
    co_return HttpResponse::of(checked.error());

  Outcome<std::string> hash = co_await hashed(c, password);
  if (!hash) co_return hash.problem();
  store::Account account;
  account.id = AccountId{c.deps.mint()};
  account.email = email;
  account.password_hash = std::move(*hash);
  account.created_ns = c.now_ns();
  store::Agent agent;
  agent.id = AgentId{c.deps.mint()};
  agent.role = role;
  agent.display_name = display_name;
  agent.created_ns = account.created_ns;
  agent.email = email;
  struct Made {
    store::Agent agent;
    bool new_account;
  };
  // Who has an account already keeps it, with its password, and works for one more tenant.
  auto work = [slug, account, agent, generated](store::Sql& sql) mutable -> Outcome<Made> {
    const auto tenant = store::tenants::by_slug(sql, slug);
    if (!tenant) return unknown_tenant();
    const auto known = store::accounts::by_email(sql, account.email);
    if (known && !generated) {
      return Refusal{409, "email_taken",
                     "There is an account with this e-mail address; leave the password out to add it to the tenant.",
                     "email"};
    }
    if (known) {
      account = *known;
    } else {
      account.locale = tenant->locale;
      account.time_zone = tenant->time_zone;
      store::accounts::insert(sql, account);
    }
    agent.tenant = tenant->id;
    agent.account = account.id;
    for (const store::Agent& other : store::agents::of_tenant(sql, tenant->id)) {
      if (other.account == account.id)
        return Refusal{409, "email_taken", "This person works for this tenant already.", "email"};
    }
    store::agents::insert(sql, agent);
    return Made{agent, !known};
  };
  Outcome<Made> made = co_await c.deps.database.write(std::move(work));
  if (!made) co_return made.problem();
  c.changed(made->agent.tenant);
  Json body = agent_view(made->agent);
  body.set("tenant", slug);
  if (generated && made->new_account) body.set("password", password);
  co_return HttpResponse::json(201, body.text());
}

asio::awaitable<HttpResponse> create_channel(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::string slug = form.slug("tenant");
  store::Channel site = plan_site(c, TenantId{}, form.line("name", {1, 60}));
  if (const auto origins = form.list_if("allowed_origins", kOriginsMax))
    site.allowed_origins = checked_origins(form, *origins);
  if (form.error()) co_return bad_field(form);
  auto work = [slug, site](store::Sql& sql) mutable -> Outcome<store::Channel> {
    const auto tenant = store::tenants::by_slug(sql, slug);
    if (!tenant) return unknown_tenant();
    site.tenant = tenant->id;
    store::channels::insert(sql, site);
    return site;
  };
  Outcome<store::Channel> made = co_await c.deps.database.write(std::move(work));
  if (!made) co_return made.problem();
  c.changed(made->tenant);
  co_return HttpResponse::json(201, channel_view(*made).text());
}

asio::awaitable<HttpResponse> create_token(Context& c, HttpRequest& request) {
  Form form(request.body);
  const std::string slug = form.slug("tenant");
  const std::string email = form.email("email");
  const std::string name = form.line_if("name", {1, 60}).value_or("command line");
  if (form.error()) co_return bad_field(form);
  const std::string secret = tenant::make_secret("pat_");
  store::ApiToken token;
  token.id = c.deps.mint();
  token.name = name;
  token.token_hash = stored_hash(secret);
  token.created_ns = c.now_ns();
  auto work = [slug, email, token](store::Sql& sql) mutable -> Outcome<Done> {
    const auto tenant = store::tenants::by_slug(sql, slug);
    if (!tenant) return unknown_tenant();
    for (const store::Agent& agent : store::agents::of_tenant(sql, tenant->id)) {
      if (agent.email != email || agent.disabled) continue;
      token.agent = agent.id;
      store::api_tokens::insert(sql, token);
      return Done{};
    }
    return Refusal{404, "not_found", "Nobody with this e-mail address can sign in to this tenant.", "email"};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  Json body = Json::object().set("id", std::to_string(token.id)).set("name", name).set("token", secret);
  co_return HttpResponse::json(201, body.text());
}

struct Demo {
  store::Tenant tenant;
  store::Channel site;
  bool made = false;
};

/// What there is of the demo, if its tenant exists; a site is added if it has none.
Outcome<std::optional<Demo>> existing_demo(store::Sql& sql, store::Channel spare) {
  auto tenant = store::tenants::by_slug(sql, kDemoSlug);
  if (!tenant) return std::optional<Demo>();
  std::vector<store::Channel> sites = store::channels::of_tenant(sql, tenant->id);
  if (sites.empty()) {
    spare.tenant = tenant->id;
    store::channels::insert(sql, spare);
    sites.push_back(std::move(spare));
  }
  return std::optional<Demo>(Demo{std::move(*tenant), std::move(sites.front()), false});
}

asio::awaitable<HttpResponse> demo(Context& c, HttpRequest&) {
  auto look = [spare = plan_site(c, TenantId{}, "Demo")](store::Sql& sql) { return existing_demo(sql, spare); };
  Outcome<std::optional<Demo>> there = co_await c.deps.database.write(std::move(look));
  if (!there) co_return there.problem();
  std::string password;
  Demo result;
  if (*there) {
    result = std::move(**there);
  } else {
    password = tenant::generate_password();
    Outcome<std::string> hash = co_await hashed(c, password);
    if (!hash) co_return hash.problem();
    Founding founding = plan_founding(c, "Demo", kDemoSlug, kDemoEmail, "Demo Owner", std::move(*hash), "en", "UTC");
    founding.account.locale.clear();  // nobody chose one: whoever tries the demo sees the console in their own
    auto work = [founding](store::Sql& sql) -> Outcome<Demo> {
      Outcome<std::optional<Demo>> now_there = existing_demo(sql, founding.site);
      if (!now_there) return *now_there.error();
      if (*now_there) return std::move(**now_there);
      if (store::accounts::by_email(sql, kDemoEmail)) {
        return Refusal{409, "email_taken", "There is an account owner@demo.test without the tenant demo.", "email"};
      }
      insert(sql, founding);
      return Demo{founding.tenant, founding.site, true};
    };
    Outcome<Demo> done = co_await c.deps.database.write(std::move(work));
    if (!done) co_return done.problem();
    result = std::move(*done);
    c.deps.setup_code.remove();
    c.changed(result.tenant.id);
  }
  Json body = Json::object()
                  .set("tenant", tenant_view(result.tenant))
                  .set("channel", channel_view(result.site))
                  .set("email", kDemoEmail)
                  .set("created", result.made);
  if (result.made) body.set("password", password);
  co_return HttpResponse::json(result.made ? 201 : 200, body.text());
}

}  // namespace

void add_admin_routes(Routes& routes) {
  routes.admin("GET", "/admin/v1/tenants", tenants);
  routes.admin("POST", "/admin/v1/tenants", create_tenant);
  routes.admin("POST", "/admin/v1/agents", create_agent);
  routes.admin("POST", "/admin/v1/channels", create_channel);
  routes.admin("POST", "/admin/v1/tokens", create_token);
  routes.admin("POST", "/admin/v1/demo", demo);
}

}  // namespace parley::net::api
