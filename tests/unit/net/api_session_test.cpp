#include <chrono>
#include <regex>

#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

class ApiSetup : public ApiTest {
 protected:
  json form() {
    return {{"code", code_},
            {"email", "Li.Na@Shop.example"},
            {"password", kPassword},
            {"display_name", "Li Na"},
            {"organisation", "Happy Tea"},
            {"locale", "zh-CN"},
            {"time_zone", "Asia/Shanghai"}};
  }
  std::string code_ = setup_.ensure();
};

TEST_F(ApiSetup, MakesTheFirstOwnerItsTenantAndASiteAndSignsIn) {
  EXPECT_EQ(call(Req("GET", "/api/v1/setup")).body, json({{"needed", true}}));
  const Answer done = call(Req("POST", "/api/v1/setup").body(form()));
  ASSERT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(done.body["account"]["email"], "li.na@shop.example");
  EXPECT_EQ(done.body["account"]["time_zone"], "Asia/Shanghai");
  EXPECT_EQ(done.body["agent"]["role"], "owner");
  EXPECT_EQ(done.body["tenant"]["slug"], "happy-tea");
  EXPECT_TRUE(done.body["tenant"]["id"].is_string());
  EXPECT_EQ(done.body["tenants"].size(), 1u);
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(done.cookie())).body, done.body)
      << "the same view as GET /session";
  EXPECT_EQ(call(Req("GET", "/api/v1/setup")).body, json({{"needed", false}}));
  EXPECT_FALSE(std::filesystem::exists(setup_.file())) << "the code is gone after its use";
  EXPECT_EQ(changed_.size(), 1u);
  EXPECT_FALSE(sign_in("li.na@shop.example", kPassword).empty());
  const Answer sites = call(Req("GET", "/api/v1/channels").cookie(done.cookie()));
  ASSERT_EQ(sites.body["items"].size(), 1u);
  EXPECT_TRUE(sites.body["items"][0]["allowed_origins"].empty()) << "open to the daemon's own pages only";
}

TEST_F(ApiSetup, AWrongCodeOpensNothingAndIsNotTriedForever) {
  json wrong = form();
  wrong["code"] = "AAAA-BBBB-CCCC";
  for (int i = 0; i < 6; ++i) {
    const Answer refused = call(Req("POST", "/api/v1/setup").body(wrong));
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.code(), "bad_code");
  }
  const Answer locked = call(Req("POST", "/api/v1/setup").body(form()));
  EXPECT_EQ(locked.status, 429);
  EXPECT_EQ(locked.code(), "locked");
  EXPECT_GT(locked.body["after_ms"].get<int>(), 0);
  EXPECT_EQ(call(Req("GET", "/api/v1/setup")).body["needed"], true);
  pass(60);
  EXPECT_EQ(call(Req("POST", "/api/v1/setup").body(form())).status, 201);
}

TEST_F(ApiSetup, ASecondOneIsRefusedEvenWithTheCode) {
  ASSERT_EQ(call(Req("POST", "/api/v1/setup").body(form())).status, 201);
  json again = form();
  again["email"] = "somebody.else@shop.example";
  const Answer refused = call(Req("POST", "/api/v1/setup").body(again));
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "already_set_up");
}

TEST_F(ApiSetup, OfTwoAtOnceExactlyOneOwnsTheInstallation) {
  json other = form();
  other["email"] = "second@shop.example";
  HttpRequest a = Req("POST", "/api/v1/setup").body(form()).http;
  HttpRequest b = Req("POST", "/api/v1/setup").body(other).http;
  std::promise<HttpResponse> first, second;
  auto start = [&](HttpRequest& request, std::promise<HttpResponse>& done) {
    home_.reactor().post([&] {
      asio::co_spawn(home_.reactor().context(), open_.handle(request),
                     [&done](std::exception_ptr, HttpResponse response) { done.set_value(std::move(response)); });
    });
  };
  start(a, first);
  start(b, second);
  std::vector<int> statuses{first.get_future().get().status, second.get_future().get().status};
  std::sort(statuses.begin(), statuses.end());
  EXPECT_EQ(statuses, (std::vector<int>{201, 409}));
  EXPECT_EQ(read([](store::Sql& sql) { return store::tenants::all(sql); }).size(), 1u);
}

TEST_F(ApiSetup, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, json>> wrong{
      {"email", "nobody"},        {"password", "short"},    {"password", "1234567890"},
      {"display_name", "  "},     {"organisation", 7},      {"locale", "fr"},
      {"time_zone", "Mars/Base"}, {"display_name", "a\nb"}, {"organisation", std::string(61, 'x')},
      {"email", nullptr}};
  for (const auto& [field, value] : wrong) {
    json body = form();
    body[field] = value;
    const Answer refused = call(Req("POST", "/api/v1/setup").body(body));
    EXPECT_EQ(refused.status, 400) << field;
    EXPECT_EQ(refused.code(), "bad_field");
    EXPECT_EQ(refused.field(), field);
    EXPECT_FALSE(refused.body["ref"].get<std::string>().empty());
  }
  const json whole = form();
  for (const auto& item : whole.items()) {
    json body = whole;
    body.erase(item.key());
    EXPECT_EQ(call(Req("POST", "/api/v1/setup").body(body)).field(), item.key()) << "missing";
  }
}

TEST_F(ApiSetup, IsNotPossibleFromAForeignPage) {
  EXPECT_EQ(call(Req("POST", "/api/v1/setup").body(form()).from("https://evil.example")).code(), "csrf");
  EXPECT_EQ(call(Req("GET", "/api/v1/setup")).body["needed"], true);
}

class ApiSession : public ApiTest {
 protected:
  store::Tenant shop_ = make_tenant("shop");
  Person li_ = make_person(shop_, Role::kAgent, "li@shop.example");
};

TEST_F(ApiSession, SigningInGivesAnHttpOnlyCookieThatIsStoredAsAHash) {
  const Answer done =
      call(Req("POST", "/api/v1/session").body({{"email", " LI@shop.example "}, {"password", kPassword}}));
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.body["agent"]["id"], li_.agent.id.str());
  EXPECT_TRUE(std::regex_match(done.header("Set-Cookie"),
                               std::regex("parley=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax")))
      << done.header("Set-Cookie");
  const std::string secret = done.cookie();
  const auto rows = read([&](store::Sql& sql) { return store::console_sessions::by_hash(sql, secret).has_value(); });
  EXPECT_FALSE(rows) << "the secret itself is nowhere";
  EXPECT_EQ(status_with(secret), 200);
}

TEST_F(ApiSession, OnHttpsTheCookieIsBoundToTheHostAndNoOtherCounts) {
  Req request("POST", "/api/v1/session");
  request.http.secure = true;
  const Answer done = call(request.body({{"email", "li@shop.example"}, {"password", kPassword}, {"remember", true}}));
  EXPECT_TRUE(std::regex_match(
      done.header("Set-Cookie"),
      std::regex("__Host-parley=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=2592000")))
      << done.header("Set-Cookie");
  Req with_own("GET", "/api/v1/session");
  with_own.http.secure = true;
  EXPECT_EQ(call(with_own.cookie(done.cookie())).status, 200);
  Req planted("GET", "/api/v1/session");
  planted.http.secure = true;
  EXPECT_EQ(call(planted.header("Cookie", "parley=" + done.cookie())).status, 401)
      << "a subdomain could have set that one";
}

TEST_F(ApiSession, WrongPasswordsAndUnknownPeopleLookTheSame) {
  const Answer wrong =
      call(Req("POST", "/api/v1/session").body({{"email", "li@shop.example"}, {"password", "not this one"}}));
  const Answer nobody =
      call(Req("POST", "/api/v1/session").body({{"email", "nobody@shop.example"}, {"password", kPassword}}));
  const Answer no_address = call(Req("POST", "/api/v1/session").body({{"email", "???"}, {"password", kPassword}}));
  for (const Answer* refused : {&wrong, &nobody, &no_address}) {
    EXPECT_EQ(refused->status, 401);
    EXPECT_EQ(refused->code(), "bad_credentials");
    EXPECT_EQ(refused->body["detail"], wrong.body["detail"]);
    EXPECT_EQ(refused->header("Set-Cookie"), "");
  }
}

TEST_F(ApiSession, AMissingAccountTakesAsLongAsAWrongPassword) {
  auto fastest = [&](const std::string& email) {
    auto best = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      call(Req("POST", "/api/v1/session").body({{"email", email}, {"password", "not this one"}}));
      best = std::min(best, std::chrono::steady_clock::now() - begin);
    }
    return std::chrono::duration<double>(best).count();
  };
  EXPECT_GT(fastest("nobody@shop.example"), 0.4 * fastest("li@shop.example"));
}

TEST_F(ApiSession, GuessingIsSlowedDownPerAccountAndAddress) {
  auto attempt = [&](const std::string& password, const std::string& ip) {
    return call(Req("POST", "/api/v1/session").ip(ip).body({{"email", "li@shop.example"}, {"password", password}}));
  };
  for (int i = 0; i < 6; ++i) EXPECT_EQ(attempt("not this one", "192.0.2.1").status, 401);
  const Answer locked = attempt(kPassword, "192.0.2.1");
  EXPECT_EQ(locked.status, 429) << "even the right password is not looked at";
  EXPECT_EQ(locked.code(), "locked");
  EXPECT_EQ(locked.body["after_ms"], 1000);
  EXPECT_EQ(locked.header("Retry-After"), "1");
  EXPECT_EQ(attempt(kPassword, "198.51.100.9").status, 200) << "the person elsewhere is not locked out by it";
  pass(1);
  EXPECT_EQ(attempt("not this one", "192.0.2.1").status, 401);
  EXPECT_EQ(attempt("not this one", "192.0.2.1").body["after_ms"], 2000);
  pass(2);
  EXPECT_EQ(attempt(kPassword, "192.0.2.1").status, 200);
  EXPECT_EQ(attempt("not this one", "192.0.2.1").status, 401) << "success made it forget";
}

TEST_F(ApiSession, OneNetworkMayNotTryEveryAccount) {
  int status = 0;
  for (int i = 0; i < 51; ++i) {
    status = call(Req("POST", "/api/v1/session")
                      .body({{"email", "u" + std::to_string(i) + "@shop.example"}, {"password", "x"}}))
                 .status;
  }
  EXPECT_EQ(status, 401);
  EXPECT_EQ(call(Req("POST", "/api/v1/session").body({{"email", "fresh@shop.example"}, {"password", "x"}})).status,
            429);
}

TEST_F(ApiSession, EndsAfterTwelveIdleHoursAndAfterThirtyDaysHoweverBusy) {
  EXPECT_EQ(status_with(li_.cookie), 200);
  pass(12 * kHour - 1);
  EXPECT_EQ(status_with(li_.cookie), 200) << "and this use starts the idle time anew";
  pass(12 * kHour - 1);
  EXPECT_EQ(status_with(li_.cookie), 200);
  pass(12 * kHour);
  EXPECT_EQ(status_with(li_.cookie), 401);

  const std::string busy = make_session(li_, now_ns_, now_ns_);
  for (int i = 0; i < 65; ++i) {
    pass(11 * kHour);
    ASSERT_EQ(status_with(busy), 200) << i;
  }
  pass(5 * kHour - 1);
  EXPECT_EQ(status_with(busy), 200);
  pass(1);
  EXPECT_EQ(status_with(busy), 401) << "thirty days";
}

TEST_F(ApiSession, SigningOutEndsItOnTheServer) {
  const Answer out = call(Req("DELETE", "/api/v1/session").cookie(li_.cookie));
  EXPECT_EQ(out.status, 204);
  EXPECT_TRUE(out.header("Set-Cookie").ends_with("Max-Age=0"));
  const Answer after = call(Req("GET", "/api/v1/session").cookie(li_.cookie));
  EXPECT_EQ(after.status, 401);
  EXPECT_EQ(after.code(), "unauthenticated");
}

TEST_F(ApiSession, SigningInAgainReplacesTheOldSessionOfThatBrowser) {
  const Answer done = call(
      Req("POST", "/api/v1/session").cookie(li_.cookie).body({{"email", "li@shop.example"}, {"password", kPassword}}));
  ASSERT_EQ(done.status, 200);
  EXPECT_EQ(status_with(li_.cookie), 401);
  EXPECT_EQ(status_with(done.cookie()), 200);
}

TEST_F(ApiSession, EveryChangeNeedsAllThreeSignsOfTheOwnPage) {
  auto change = [&] { return Req("PATCH", "/api/v1/account").cookie(li_.cookie).body({{"locale", "en"}}); };
  EXPECT_EQ(call(change()).status, 200);
  EXPECT_EQ(call(change().header("Content-Type", "application/json; charset=utf-8")).status, 200);
  EXPECT_EQ(call(change().from("").header("Sec-Fetch-Site", "same-origin")).status, 200);
  const std::vector<Req> forged{change().without("X-Parley-CSRF"),
                                change().header("X-Parley-CSRF", "0"),
                                change().without("Content-Type"),
                                change().header("Content-Type", "text/plain"),
                                change().header("Content-Type", "text/plain; application/json"),
                                change().from("https://evil.example"),
                                change().from(""),
                                change().from("").header("Sec-Fetch-Site", "same-site"),
                                change().from("https://evil.example").header("Sec-Fetch-Site", "cross-site")};
  for (std::size_t i = 0; i < forged.size(); ++i) {
    Req request = forged[i];
    const Answer refused = call(request);
    EXPECT_EQ(refused.status, 403) << i;
    EXPECT_EQ(refused.code(), "csrf") << i;
  }
  EXPECT_EQ(
      call(Req("GET", "/api/v1/session").cookie(li_.cookie).from("").without("X-Parley-CSRF").without("Content-Type"))
          .status,
      200)
      << "reading needs none";
}

TEST_F(ApiSession, EveryChangingRouteKnowsTheRule) {
  for (const std::string& route : api_.routes()) {
    const std::string method = route.substr(0, route.find(' '));
    std::string path = route.substr(method.size() + 1);
    if (method == "GET" || method == "OPTIONS" || path.find("/widget/") != path.npos) continue;
    if (const auto id = path.find("{id}"); id != path.npos) path.replace(id, 4, "1");
    EXPECT_EQ(call(Req(method, path).cookie(li_.cookie).body(json::object()).without("X-Parley-CSRF")).code(), "csrf")
        << route;
  }
}

TEST_F(ApiSession, NothingButSetupSignInAndWidgetAnswersStrangers) {
  for (const std::string& route : api_.routes()) {
    const std::string method = route.substr(0, route.find(' '));
    std::string path = route.substr(method.size() + 1);
    if (path == "/api/v1/setup" || route == "POST /api/v1/session" || path.find("/widget/") != path.npos) continue;
    if (const auto id = path.find("{id}"); id != path.npos) path.replace(id, 4, "1");
    EXPECT_EQ(call(Req(method, path).body(json::object())).status, 401) << route;
    EXPECT_EQ(call(Req(method, path).body(json::object()).cookie("forged")).status, 401) << route;
    EXPECT_EQ(call(Req(method, path).body(json::object()).bearer("pat_forged")).status, 401) << route;
  }
}

TEST_F(ApiSession, ADisabledPersonAndADisabledTenantAreOut) {
  write([&](store::Sql& sql) {
    li_.agent.disabled = true;
    store::agents::update(sql, li_.agent);
  });
  EXPECT_EQ(status_with(li_.cookie), 401);
  const Answer refused =
      call(Req("POST", "/api/v1/session").body({{"email", "li@shop.example"}, {"password", kPassword}}));
  EXPECT_EQ(refused.status, 403) << "said only to whoever knows the password";
  write([&](store::Sql& sql) {
    li_.agent.disabled = false;
    store::agents::update(sql, li_.agent);
    shop_.disabled = true;
    store::tenants::update(sql, shop_);
  });
  EXPECT_EQ(status_with(li_.cookie), 401);
}

TEST_F(ApiSession, APersonOfTwoTenantsChoosesBetweenThemAndNoOthers) {
  const store::Tenant cafe = make_tenant("cafe");
  const store::Tenant foreign = make_tenant("foreign");
  const store::Agent second = agent_of(li_.account, cafe, Role::kOwner);
  write([&](store::Sql& sql) { store::agents::insert(sql, second); });
  const Answer before = call(Req("GET", "/api/v1/session").cookie(li_.cookie));
  EXPECT_EQ(before.body["tenant"]["slug"], "shop");
  EXPECT_EQ(before.body["tenants"].size(), 2u);
  const Answer chosen = call(Req("PUT", "/api/v1/session/tenant").cookie(li_.cookie).body({{"tenant", cafe.id.str()}}));
  EXPECT_EQ(chosen.status, 200);
  EXPECT_EQ(chosen.body["agent"]["role"], "owner");
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(li_.cookie)).body["tenant"]["slug"], "cafe")
      << "kept by the session";
  EXPECT_EQ(call(Req("PUT", "/api/v1/session/tenant").cookie(li_.cookie).body({{"tenant", foreign.id.str()}})).status,
            404);
  EXPECT_EQ(call(Req("PUT", "/api/v1/session/tenant").cookie(li_.cookie).body({{"tenant", "x"}})).field(), "tenant");
  write([&](store::Sql& sql) {
    store::Agent gone = second;
    gone.disabled = true;
    store::agents::update(sql, gone);
  });
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(li_.cookie)).body["tenant"]["slug"], "shop")
      << "falls back to what is left";
}

TEST_F(ApiSession, AccountChangesAreKept) {
  const Answer done = call(
      Req("PATCH", "/api/v1/account").cookie(li_.cookie).body({{"locale", "zh-CN"}, {"time_zone", "Asia/Shanghai"}}));
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.body["account"]["locale"], "zh-CN");
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(li_.cookie)).body["account"]["time_zone"], "Asia/Shanghai");
  EXPECT_EQ(call(Req("PATCH", "/api/v1/account").cookie(li_.cookie).body({{"locale", "de"}})).field(), "locale");
  EXPECT_EQ(call(Req("PATCH", "/api/v1/account").cookie(li_.cookie).body({{"time_zone", "x"}})).field(), "time_zone");
}

TEST_F(ApiSession, ANewPasswordNeedsTheOldOneAndEndsTheOtherSessions) {
  const std::string elsewhere = make_session(li_, now_ns_, now_ns_);
  auto change = [&](const json& body) { return call(Req("PATCH", "/api/v1/account").cookie(li_.cookie).body(body)); };
  EXPECT_EQ(change({{"password", "other unrelated words"}}).field(), "current_password");
  const Answer wrong = change({{"password", "other unrelated words"}, {"current_password", "not this one"}});
  EXPECT_EQ(wrong.status, 403);
  EXPECT_EQ(wrong.code(), "bad_credentials");
  EXPECT_EQ(change({{"password", "short"}, {"current_password", kPassword}}).field(), "password");
  EXPECT_EQ(status_with(elsewhere), 200) << "nothing has changed so far";
  EXPECT_EQ(change({{"password", "other unrelated words"}, {"current_password", kPassword}}).status, 200);
  EXPECT_EQ(status_with(elsewhere), 401);
  EXPECT_EQ(status_with(li_.cookie), 200);
  EXPECT_EQ(sign_in("li@shop.example", kPassword), "");
  EXPECT_NE(sign_in("li@shop.example", "other unrelated words"), "");
}

TEST_F(ApiSession, TooMuchHashingAtOnceIsRefusedAndNotHeldAgainstThePerson) {
  cpu_.stop();
  for (int i = 0; i < 10; ++i) {
    const Answer busy =
        call(Req("POST", "/api/v1/session").body({{"email", "li@shop.example"}, {"password", kPassword}}));
    EXPECT_EQ(busy.status, 503);
    EXPECT_EQ(busy.code(), "busy");
  }
}

TEST_F(ApiSession, WhatIsNoJsonObjectIsABadRequest) {
  for (const char* text : {"", "[]", "null", "{", "{\"a\":1}x", "\xff", "{\"email\":\"\xc3\x28\"}"}) {
    Req request("POST", "/api/v1/session");
    request.http.body = text;
    EXPECT_EQ(call(request).status, 400) << text;
  }
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "{\"a\":";
  Req request("POST", "/api/v1/session");
  request.http.body = deep;
  EXPECT_EQ(call(request).status, 400);
}

TEST_F(ApiSession, TheSocketsIdentitiesAreTheSame) {
  const auto identities = make_identity_source(store_->database(), [this] { return now_ns_.load(); });
  auto by_cookie = [&](const std::string& secret) {
    return home_.run<Result<session::AgentIdentity>>([&] { return identities->by_cookie(secret); });
  };
  const Result<session::AgentIdentity> me = by_cookie(li_.cookie);
  ASSERT_TRUE(me);
  EXPECT_EQ(me->agent, li_.agent.id);
  EXPECT_EQ(me->tenant, shop_.id);
  EXPECT_EQ(me->name, li_.agent.display_name);
  EXPECT_EQ(me->role, Role::kAgent);
  EXPECT_EQ(by_cookie("forged").error().code, Errc::kUnauthenticated);
  EXPECT_EQ(by_cookie("").error().code, Errc::kUnauthenticated);
  const Answer token = call(Req("POST", "/api/v1/tokens").cookie(li_.cookie).body({{"name", "script"}}));
  auto by_bearer = [&](const std::string& secret) {
    return home_.run<Result<session::AgentIdentity>>([&] { return identities->by_bearer(secret); });
  };
  EXPECT_TRUE(by_bearer(token.body["token"]));
  EXPECT_FALSE(by_bearer(li_.cookie)) << "a cookie is no token";
  EXPECT_FALSE(by_cookie(token.body["token"])) << "and the other way round";
  shop_.disabled = true;
  write([&](store::Sql& sql) { store::tenants::update(sql, shop_); });
  EXPECT_EQ(by_bearer(token.body["token"]).error().code, Errc::kForbidden);
  EXPECT_EQ(by_cookie(li_.cookie).error().code, Errc::kUnauthenticated);
}

}  // namespace
}  // namespace parley::net::test
