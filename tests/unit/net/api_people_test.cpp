#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

class ApiPeople : public ApiTest {
 protected:
  store::Tenant shop_ = make_tenant("shop");
  Person owner_ = make_person(shop_, Role::kOwner, "owner@shop.example");
  Person admin_person_ = make_person(shop_, Role::kAdmin, "admin@shop.example");
  Person supervisor_ = make_person(shop_, Role::kSupervisor, "supervisor@shop.example");
  Person agent_ = make_person(shop_, Role::kAgent, "agent@shop.example");
  std::vector<const Person*> all_{&agent_, &supervisor_, &admin_person_, &owner_};

  Answer patch(const Person& by, AgentId target, const json& body) {
    return call(Req("PATCH", "/api/v1/agents/" + target.str()).cookie(by.cookie).body(body));
  }
  Answer create(const Person& by, const std::string& email, const std::string& role) {
    return call(Req("POST", "/api/v1/agents")
                    .cookie(by.cookie)
                    .body({{"email", email}, {"display_name", "New"}, {"role", role}, {"password", kPassword}}));
  }
};

TEST_F(ApiPeople, TheServerHoldsEveryRouteToItsRole) {
  // Which of agent, supervisor, admin, owner get past the check of their role.
  const std::vector<std::pair<std::string, std::string>> table{{"GET /api/v1/session", "xxxx"},
                                                               {"PATCH /api/v1/account", "xxxx"},
                                                               {"GET /api/v1/agents", "xxxx"},
                                                               {"POST /api/v1/agents", "..xx"},
                                                               {"PATCH /api/v1/agents/{id}", "..xx"},
                                                               {"GET /api/v1/channels", "xxxx"},
                                                               {"POST /api/v1/channels", "..xx"},
                                                               {"PATCH /api/v1/channels/{id}", "..xx"},
                                                               {"GET /api/v1/word-lists", ".xxx"},
                                                               {"POST /api/v1/word-lists", "..xx"},
                                                               {"PUT /api/v1/word-lists/{id}", "..xx"},
                                                               {"DELETE /api/v1/word-lists/{id}", "..xx"},
                                                               {"POST /api/v1/word-lists/test", ".xxx"},
                                                               {"GET /api/v1/tokens", "xxxx"},
                                                               {"POST /api/v1/tokens", "xxxx"},
                                                               {"DELETE /api/v1/tokens/{id}", "xxxx"},
                                                               {"GET /api/v1/conversations", "xxxx"},
                                                               {"GET /api/v1/conversations/{id}", "xxxx"},
                                                               {"GET /api/v1/conversations/{id}/messages", "xxxx"},
                                                               {"GET /api/v1/search", "xxxx"},
                                                               {"GET /api/v1/tenant", "xxxx"},
                                                               {"PATCH /api/v1/tenant", "..xx"},
                                                               {"PUT /api/v1/session/tenant", "xxxx"},
                                                               {"DELETE /api/v1/session", "xxxx"}};
  for (const auto& [route, who] : table) {
    const std::string method = route.substr(0, route.find(' '));
    std::string path = route.substr(method.size() + 1);
    if (const auto id = path.find("{id}"); id != path.npos) path.replace(id, 4, "1");
    std::string passed;
    for (const Person* person : all_) {
      passed += call(Req(method, path).cookie(person->cookie).body(json::object())).code() == "forbidden" ? '.' : 'x';
    }
    EXPECT_EQ(passed, who) << route;
  }
  std::size_t open = 0;
  for (const std::string& route : api_.routes()) {
    open += route.find("/widget/") != route.npos || route.ends_with("/setup") || route == "POST /api/v1/session";
  }
  EXPECT_EQ(table.size() + open, api_.routes().size()) << "every route stands in the table or is open on purpose";
}

TEST_F(ApiPeople, AdminsAddPeopleWhoCanThenSignIn) {
  const Answer made = create(admin_person_, "New.One@shop.example", "agent");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.body["email"], "new.one@shop.example");
  EXPECT_EQ(made.body["disabled"], false);
  EXPECT_FALSE(made.body.contains("password"));
  EXPECT_NE(sign_in("new.one@shop.example", kPassword), "");
  const Answer list = call(Req("GET", "/api/v1/agents").cookie(agent_.cookie));
  EXPECT_EQ(list.body["items"].size(), 5u);
  EXPECT_EQ(list.body["items"].back(), made.body);
  EXPECT_EQ(changed_, (std::vector<TenantId>{shop_.id}));
}

TEST_F(ApiPeople, OnlyOwnersMakeOwners) {
  EXPECT_EQ(create(admin_person_, "x@shop.example", "owner").status, 403);
  EXPECT_EQ(create(owner_, "x@shop.example", "owner").status, 201);
  EXPECT_EQ(patch(admin_person_, agent_.agent.id, {{"role", "owner"}}).status, 403);
  EXPECT_EQ(patch(admin_person_, owner_.agent.id, {{"display_name", "Puppet"}}).status, 403);
  EXPECT_EQ(patch(admin_person_, owner_.agent.id, {{"password", "other unrelated words"}}).status, 403)
      << "else an admin would become one";
  EXPECT_EQ(patch(admin_person_, owner_.agent.id, {{"disabled", true}}).status, 403);
}

TEST_F(ApiPeople, AnAddressIsUsedOnce) {
  const Answer taken = create(admin_person_, "AGENT@shop.example", "agent");
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.code(), "email_taken");
  EXPECT_EQ(taken.field(), "email");
}

TEST_F(ApiPeople, NamesTheFieldThatIsWrong) {
  const json good{{"email", "x@shop.example"}, {"display_name", "X"}, {"role", "agent"}, {"password", kPassword}};
  const std::vector<std::pair<std::string, json>> wrong{
      {"email", "x"}, {"display_name", ""}, {"role", "boss"}, {"password", "short"}, {"role", 1}};
  for (const auto& [field, value] : wrong) {
    json body = good;
    body[field] = value;
    const Answer refused = call(Req("POST", "/api/v1/agents").cookie(owner_.cookie).body(body));
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.field(), field);
  }
  EXPECT_EQ(patch(owner_, agent_.agent.id, {{"disabled", "yes"}}).field(), "disabled");
  EXPECT_EQ(patch(owner_, agent_.agent.id, {{"password", "short"}}).field(), "password");
}

TEST_F(ApiPeople, TheLastOwnerStays) {
  for (const json& body : {json{{"role", "admin"}}, json{{"disabled", true}}}) {
    const Answer refused = patch(owner_, owner_.agent.id, body);
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.code(), "last_owner");
  }
  EXPECT_EQ(patch(owner_, owner_.agent.id, {{"display_name", "The Owner"}}).status, 200) << "other changes are fine";
  const Answer second = create(owner_, "second@shop.example", "owner");
  ASSERT_EQ(second.status, 201);
  EXPECT_EQ(patch(owner_, owner_.agent.id, {{"role", "agent"}}).status, 200) << "now another one is left";
  EXPECT_EQ(patch(admin_person_, owner_.agent.id, {{"display_name", "X"}}).status, 200)
      << "and the first is an ordinary agent";
}

TEST_F(ApiPeople, ADisabledOwnerDoesNotCountAsOne) {
  const Person second = make_person(shop_, Role::kOwner, "second@shop.example");
  EXPECT_EQ(patch(owner_, second.agent.id, {{"disabled", true}}).status, 200);
  EXPECT_EQ(patch(owner_, owner_.agent.id, {{"disabled", true}}).code(), "last_owner");
}

TEST_F(ApiPeople, DisablingEndsLiveSessionsAtOnce) {
  const Answer done = patch(admin_person_, agent_.agent.id, {{"disabled", true}});
  EXPECT_EQ(done.body["disabled"], true);
  EXPECT_EQ(revoked_, (std::vector<AgentId>{agent_.agent.id}));
  EXPECT_EQ(status_with(agent_.cookie), 401);
  EXPECT_EQ(patch(admin_person_, agent_.agent.id, {{"disabled", false}}).status, 200);
  EXPECT_EQ(status_with(agent_.cookie), 200);
}

TEST_F(ApiPeople, APasswordSetByAnAdminEndsTheSessionsOfThatPerson) {
  EXPECT_EQ(patch(admin_person_, agent_.agent.id, {{"password", "other unrelated words"}}).status, 200);
  EXPECT_EQ(status_with(agent_.cookie), 401);
  EXPECT_EQ(revoked_, (std::vector<AgentId>{agent_.agent.id}));
  EXPECT_NE(sign_in("agent@shop.example", "other unrelated words"), "");
}

TEST_F(ApiPeople, TheOwnPasswordNeedsTheOldOneAndSoIsNotChangedHere) {
  EXPECT_EQ(patch(owner_, owner_.agent.id, {{"password", "other unrelated words"}}).field(), "password");
}

TEST_F(ApiPeople, APasswordThatAlsoOpensAnotherTenantIsNotSetHere) {
  const store::Tenant cafe = make_tenant("cafe");
  write([&](store::Sql& sql) { store::agents::insert(sql, agent_of(agent_.account, cafe, Role::kOwner)); });
  const Answer refused = patch(owner_, agent_.agent.id, {{"password", "other unrelated words"}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.field(), "password");
  EXPECT_NE(sign_in("agent@shop.example", kPassword), "");
}

TEST_F(ApiPeople, ARoleCountsFromTheNextRequest) {
  EXPECT_EQ(patch(owner_, agent_.agent.id, {{"role", "admin"}}).body["role"], "admin");
  EXPECT_EQ(create(agent_, "y@shop.example", "agent").status, 201);
  EXPECT_EQ(patch(owner_, agent_.agent.id, {{"role", "agent"}}).status, 200);
  EXPECT_EQ(create(agent_, "z@shop.example", "agent").status, 403);
}

TEST_F(ApiPeople, PeopleOfAnotherTenantDoNotExistHere) {
  const store::Tenant cafe = make_tenant("cafe");
  const Person foreign = make_person(cafe, Role::kAgent, "agent@cafe.example");
  const Answer refused = patch(owner_, foreign.agent.id, {{"display_name", "Mine"}});
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.code(), "not_found");
  for (const char* id : {"0", "x", "-1", "99999999999999999999"}) {
    EXPECT_EQ(call(Req("PATCH", std::string("/api/v1/agents/") + id).cookie(owner_.cookie).body(json::object())).status,
              404)
        << id;
  }
  const Answer list = call(Req("GET", "/api/v1/agents").cookie(owner_.cookie));
  for (const json& item : list.body["items"]) EXPECT_NE(item["id"], foreign.agent.id.str());
}

class ApiTokens : public ApiPeople {};

TEST_F(ApiTokens, ATokenIsShownOnceAndWorksWithoutTheCsrfRule) {
  const Answer made =
      call(Req("POST", "/api/v1/tokens").cookie(admin_person_.cookie).body({{"name", "nightly export"}}));
  ASSERT_EQ(made.status, 201);
  const std::string token = made.body["token"];
  EXPECT_TRUE(token.starts_with("pat_"));
  EXPECT_EQ(made.header("Cache-Control"), "no-store");
  const Answer list = call(Req("GET", "/api/v1/tokens").cookie(admin_person_.cookie));
  ASSERT_EQ(list.body["items"].size(), 1u);
  EXPECT_EQ(list.body["items"][0]["name"], "nightly export");
  EXPECT_EQ(list.body["items"][0]["created_at"], "2025-11-21T09:00:00.000Z");
  EXPECT_TRUE(list.body["items"][0]["last_used_at"].is_null());
  EXPECT_EQ(list.http.body.find(token), std::string::npos);

  Req script = Req("PATCH", "/api/v1/tenant")
                   .bearer(token)
                   .from("")
                   .without("X-Parley-CSRF")
                   .without("Content-Type")
                   .body({{"name", "Renamed"}});
  EXPECT_EQ(call(script).status, 200);
  const Answer used = call(Req("GET", "/api/v1/tokens").cookie(admin_person_.cookie));
  EXPECT_EQ(used.body["items"][0]["last_used_at"], "2025-11-21T09:00:00.000Z");
}

TEST_F(ApiTokens, ADeletedTokenIsDeadAndAForeignOneIsNotFound) {
  const Answer made = call(Req("POST", "/api/v1/tokens").cookie(agent_.cookie).body({{"name", "x"}}));
  const std::string path = "/api/v1/tokens/" + made.body["id"].get<std::string>();
  EXPECT_EQ(call(Req("DELETE", path).cookie(owner_.cookie).body(json::object())).status, 404)
      << "not even the owner's to delete";
  EXPECT_EQ(call(Req("GET", "/api/v1/session").bearer(made.body["token"])).status, 200);
  EXPECT_EQ(call(Req("DELETE", path).cookie(agent_.cookie).body(json::object())).status, 204);
  EXPECT_EQ(call(Req("GET", "/api/v1/session").bearer(made.body["token"])).status, 401);
  EXPECT_EQ(call(Req("DELETE", path).cookie(agent_.cookie).body(json::object())).status, 404);
}

TEST_F(ApiTokens, AnAuthorizationHeaderDecidesAloneAndATokenHasNoSession) {
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(agent_.cookie).bearer("pat_wrong")).status, 401);
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(agent_.cookie).header("Authorization", "Basic eDp5")).status,
            401);
  const Answer made = call(Req("POST", "/api/v1/tokens").cookie(agent_.cookie).body({{"name", "x"}}));
  const std::string token = made.body["token"];
  EXPECT_EQ(call(Req("GET", "/api/v1/session").header("Authorization", "bearer " + token)).status, 200);
  EXPECT_EQ(call(Req("DELETE", "/api/v1/session").bearer(token)).status, 403);
  EXPECT_EQ(call(Req("PUT", "/api/v1/session/tenant").bearer(token).body({{"tenant", shop_.id.str()}})).status, 403);
  shop_.disabled = true;
  write([&](store::Sql& sql) { store::tenants::update(sql, shop_); });
  EXPECT_EQ(call(Req("GET", "/api/v1/session").bearer(token)).code(), "tenant_disabled");
}

TEST_F(ApiTokens, FiftyAreEnough) {
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(call(Req("POST", "/api/v1/tokens").cookie(agent_.cookie).body({{"name", "x"}})).status, 201);
  EXPECT_EQ(call(Req("POST", "/api/v1/tokens").cookie(agent_.cookie).body({{"name", "x"}})).status, 409);
  EXPECT_EQ(call(Req("POST", "/api/v1/tokens").cookie(agent_.cookie).body({{"name", ""}})).field(), "name");
}

class ApiTenant : public ApiPeople {};

TEST_F(ApiTenant, IsShownToAllAndChangedByAdmins) {
  const Answer shown = call(Req("GET", "/api/v1/tenant").cookie(agent_.cookie));
  EXPECT_EQ(shown.body["slug"], "shop");
  EXPECT_EQ(shown.body["settings"]["reopen_window_h"], 24) << "the daemon's default";
  const Answer done = call(Req("PATCH", "/api/v1/tenant")
                               .cookie(admin_person_.cookie)
                               .body({{"name", "  Tea House "},
                                      {"time_zone", "Asia/Shanghai"},
                                      {"locale", "zh-CN"},
                                      {"settings", {{"reopen_window_h", 48}}}}));
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.body["name"], "Tea House");
  EXPECT_EQ(call(Req("GET", "/api/v1/tenant").cookie(agent_.cookie)).body, done.body);
  EXPECT_EQ(done.body["settings"]["reopen_window_h"], 48);
  EXPECT_EQ(changed_, (std::vector<TenantId>{shop_.id}));
}

TEST_F(ApiTenant, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, json>> wrong{
      {"name", {{"name", ""}}},
      {"locale", {{"locale", "fr"}}},
      {"time_zone", {{"time_zone", "x"}}},
      {"settings", {{"settings", 1}}},
      {"settings.reopen_window_h", {{"settings", {{"reopen_window_h", -1}}}}},
      {"settings.reopen_window_h", {{"settings", {{"reopen_window_h", 721}}}}},
      {"settings.reopen_window_h", {{"settings", {{"reopen_window_h", 1.5}}}}},
      {"settings.reopen_window_h", {{"settings", {{"reopen_window_h", 18446744073709551615u}}}}}};
  for (const auto& [field, body] : wrong) {
    EXPECT_EQ(call(Req("PATCH", "/api/v1/tenant").cookie(admin_person_.cookie).body(body)).field(), field) << body;
  }
  EXPECT_TRUE(changed_.empty());
}

}  // namespace
}  // namespace parley::net::test
