#include "founding.hpp"

#include "parley/store/repositories.hpp"
#include "parley/tenant/secrets.hpp"
#include "views.hpp"

namespace parley::net::api {

store::Tenant plan_tenant(Context& c, std::string name, std::string slug, std::string locale, std::string time_zone) {
  store::Tenant tenant;
  tenant.id = TenantId{c.deps.mint()};
  tenant.slug = std::move(slug);
  tenant.name = std::move(name);
  tenant.locale = std::move(locale);
  tenant.time_zone = std::move(time_zone);
  tenant.created_ns = c.now_ns();
  return tenant;
}

store::Channel plan_site(Context& c, TenantId tenant, std::string name) {
  store::Channel site;
  site.id = ChannelId{c.deps.mint()};
  site.tenant = tenant;
  site.name = std::move(name);
  site.public_key = tenant::make_public_key();
  site.created_ns = c.now_ns();
  return site;
}

Founding plan_founding(Context& c, std::string organisation, std::string slug, std::string email,
                       std::string display_name, std::string password_hash, const std::string& locale,
                       const std::string& time_zone) {
  Founding founding;
  founding.tenant = plan_tenant(c, std::move(organisation), std::move(slug), locale, time_zone);
  founding.account.id = AccountId{c.deps.mint()};
  founding.account.email = std::move(email);
  founding.account.password_hash = std::move(password_hash);
  founding.account.locale = locale;
  founding.account.time_zone = time_zone;
  founding.account.created_ns = c.now_ns();
  founding.owner.id = AgentId{c.deps.mint()};
  founding.owner.tenant = founding.tenant.id;
  founding.owner.account = founding.account.id;
  founding.owner.role = store::Role::kOwner;
  founding.owner.display_name = std::move(display_name);
  founding.owner.created_ns = c.now_ns();
  founding.owner.email = founding.account.email;
  founding.site = plan_site(c, founding.tenant.id, founding.tenant.name);
  return founding;
}

void insert(store::Sql& sql, const Founding& founding) {
  store::tenants::insert(sql, founding.tenant);
  store::accounts::insert(sql, founding.account);
  store::agents::insert(sql, founding.owner);
  store::channels::insert(sql, founding.site);
}

NewSession plan_session(Context& c, AccountId account, AgentId agent, bool remember) {
  NewSession session;
  session.secret = tenant::make_secret();
  session.row.token_hash = stored_hash(session.secret);
  session.row.account = account;
  session.row.agent = agent;
  session.row.created_ns = session.row.last_used_ns = c.now_ns();
  session.row.remember = remember;
  return session;
}

std::vector<Place> places_of(store::Sql& sql, AccountId account) {
  std::vector<Place> places;
  for (store::Agent& agent : store::agents::of_account(sql, account)) {
    auto tenant = store::tenants::by_id(sql, agent.tenant);
    if (tenant) places.push_back(Place{std::move(agent), std::move(*tenant)});
  }
  return places;
}

}  // namespace parley::net::api
