#include "context.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/passwords.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

using tenant::Right;

Refusal role_refused() { return {403, "forbidden", "Only an owner makes owners and changes what they are."}; }

asio::awaitable<HttpResponse> list(Context& c, HttpRequest&, Caller& caller) {
  auto work = [tenant = caller.tenant.id](store::Sql& sql) -> Outcome<std::vector<store::Agent>> {
    return store::agents::of_tenant(sql, tenant);
  };
  Outcome<std::vector<store::Agent>> agents = co_await c.deps.database.read(std::move(work));
  if (!agents) co_return agents.problem();
  Json items = Json::array();
  for (const store::Agent& agent : *agents) items.push(agent_view(agent));
  co_return HttpResponse::json(200, items_text(std::move(items)));
}

asio::awaitable<HttpResponse> create(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  const std::string email = form.email("email");
  const std::string display_name = form.line("display_name", {1, 60});
  const tenant::Role role = form.role("role");
  const std::string password = form.raw("password", 1024);
  if (form.error()) co_return bad_field(form);
  if (!tenant::may_change_role(caller.agent.role, std::nullopt, role))
    co_return Outcome<Done>(role_refused()).problem();
  if (const Result<> checked = tenant::check_password(password, email); !checked)
    co_return HttpResponse::of(checked.error());

  Outcome<std::string> hash = co_await hashed(c, password);
  if (!hash) co_return hash.problem();
  store::Account account;
  account.id = AccountId{c.deps.mint()};
  account.email = email;
  account.password_hash = std::move(*hash);
  account.locale = caller.tenant.locale;
  account.time_zone = caller.tenant.time_zone;
  account.created_ns = c.now_ns();
  store::Agent agent;
  agent.id = AgentId{c.deps.mint()};
  agent.tenant = caller.tenant.id;
  agent.account = account.id;
  agent.role = role;
  agent.display_name = display_name;
  agent.created_ns = account.created_ns;
  agent.email = email;
  auto work = [account, agent](store::Sql& sql) -> Outcome<Done> {
    if (store::accounts::by_email(sql, account.email)) {
      return Refusal{409, "email_taken", "Somebody has an account with this e-mail address.", "email"};
    }
    store::accounts::insert(sql, account);
    store::agents::insert(sql, agent);
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.changed(caller.tenant.id);
  co_return HttpResponse::json(201, agent_view(agent).text());
}

struct Changes {
  std::optional<std::string> display_name;
  std::optional<tenant::Role> role;
  std::optional<bool> disabled;
  std::string password_hash;  ///< empty: stays
};

/// Does the account belong to any agent elsewhere? Then its password is not this tenant's to set: it would open the
/// other one.
bool works_elsewhere(store::Sql& sql, const store::Agent& agent) {
  const auto rows =
      sql.query("select 1 from agent where account_id = ? and tenant_id <> ? limit 1",
                {static_cast<std::int64_t>(agent.account.value), static_cast<std::int64_t>(agent.tenant.value)});
  return !rows.empty();
}

Outcome<store::Agent> apply(store::Sql& sql, TenantId tenant, AgentId actor, AgentId target, const Changes& changes) {
  // The actor is read again: a demotion that came meanwhile counts.
  const auto by = store::agents::in_tenant(sql, tenant, actor);
  auto agent = store::agents::in_tenant(sql, tenant, target);
  if (!agent) return not_found();
  const tenant::Role role = changes.role.value_or(agent->role);
  const bool disabled = changes.disabled.value_or(agent->disabled);
  if (!by || by->disabled || !tenant::may_change_role(by->role, agent->role, role)) return role_refused();
  const bool was_owner = agent->role == tenant::Role::kOwner && !agent->disabled;
  const bool stays_owner = role == tenant::Role::kOwner && !disabled;
  if (was_owner && !stays_owner && store::agents::enabled_owners(sql, tenant) <= 1) {
    return Refusal{409, "last_owner", "An organisation keeps at least one owner who can sign in."};
  }
  if (!changes.password_hash.empty()) {
    if (works_elsewhere(sql, *agent)) {
      return Refusal{403, "forbidden",
                     "This person also works for another organisation and changes the password alone.", "password"};
    }
    auto account = store::accounts::by_id(sql, agent->account);
    if (!account) return not_found();
    account->password_hash = changes.password_hash;
    store::accounts::update(sql, *account);
    store::console_sessions::erase_of_account(sql, account->id, "");
  }
  agent->display_name = changes.display_name.value_or(agent->display_name);
  agent->role = role;
  agent->disabled = disabled;
  store::agents::update(sql, *agent);
  return std::move(*agent);
}

asio::awaitable<HttpResponse> change(Context& c, HttpRequest& request, Caller& caller) {
  const std::optional<AgentId> target = AgentId::parse(request.params["id"]);
  if (!target) co_return Outcome<Done>(not_found()).problem();
  Form form(request.body);
  Changes changes;
  changes.display_name = form.line_if("display_name", {1, 60});
  changes.role = form.role_if("role");
  changes.disabled = form.flag_if("disabled");
  const std::optional<std::string> password = form.raw_if("password", 1024);
  if (password && *target == caller.agent.id)
    form.refuse("password", "Your own password is changed in your account, with the present one.");
  if (form.error()) co_return bad_field(form);
  if (password) {
    if (const Result<> checked = tenant::check_password(*password, ""); !checked)
      co_return HttpResponse::of(checked.error());
    Outcome<std::string> hash = co_await hashed(c, *password);
    if (!hash) co_return hash.problem();
    changes.password_hash = std::move(*hash);
  }
  auto work = [tenant = caller.tenant.id, actor = caller.agent.id, target = *target, changes](store::Sql& sql) {
    return apply(sql, tenant, actor, target, changes);
  };
  Outcome<store::Agent> agent = co_await c.deps.database.write(std::move(work));
  if (!agent) co_return agent.problem();
  c.changed(caller.tenant.id);
  if (agent->disabled || password) c.revoke(agent->id);
  co_return HttpResponse::json(200, agent_view(*agent).text());
}

}  // namespace

void add_people_routes(Routes& routes) {
  routes.signed_in("GET", "/api/v1/agents", Right::kUseConsole, list);
  routes.signed_in("POST", "/api/v1/agents", Right::kManagePeople, create);
  routes.signed_in("PATCH", "/api/v1/agents/{id}", Right::kManagePeople, change);
}

}  // namespace parley::net::api
