#pragma once
#include <string>

#include "context.hpp"
#include "parley/store/sql.hpp"

/// Making a tenant with its owner and its first site: first-run set-up, the command line and the demo all begin this
/// way.
namespace parley::net::api {

struct Founding {
  store::Tenant tenant;
  store::Account account;
  store::Agent owner;
  store::Channel site;
};
/// Ids, keys and times are filled in; call it on the reactor.
Founding plan_founding(Context& c, std::string organisation, std::string slug, std::string email,
                       std::string display_name, std::string password_hash, const std::string& locale,
                       const std::string& time_zone);
/// Throws SqlError.
void insert(store::Sql& sql, const Founding& founding);

store::Tenant plan_tenant(Context& c, std::string name, std::string slug, std::string locale, std::string time_zone);
/// A web site that only the daemon's own pages may show until origins are added.
store::Channel plan_site(Context& c, TenantId tenant, std::string name);

/// A session of `agent`; the cookie's value comes with it, and is stored nowhere.
struct NewSession {
  store::ConsoleSession row;
  std::string secret;
};
NewSession plan_session(Context& c, AccountId account, AgentId agent, bool remember);
/// Every tenant the person may work for, oldest first.
std::vector<struct Place> places_of(store::Sql& sql, AccountId account);

}  // namespace parley::net::api
