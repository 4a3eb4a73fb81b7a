#include <future>

#include "api_fixture.hpp"
#include "net/api/sites.hpp"

namespace parley::net::test {
namespace {

class ApiWidget : public ApiTest {
 protected:
  Answer config(const std::string& key, const std::string& origin) {
    return call(Req("GET", "/api/v1/widget/config?key=" + key).from(origin));
  }
  Answer session(const json& body, const std::string& origin) {
    return call(Req("POST", "/api/v1/widget/session").from(origin).body(body));
  }
  store::Tenant shop_ = make_tenant("shop");
  store::Channel site_ = make_site(shop_, {"https://shop.example", "https://*.branch.example"});
};

TEST_F(ApiWidget, ConfigTellsThePageHowToLook) {
  const Answer plain = config(site_.public_key, "https://shop.example");
  ASSERT_EQ(plain.status, 200) << plain.body;
  EXPECT_EQ(plain.body, (json{{"name", "Shop"},
                              {"tenant", "Tenant shop"},
                              {"locale", "en"},
                              {"color", "#2B55D9"},
                              {"position", "right"},
                              {"enabled", true},
                              {"online", false}}));
  EXPECT_EQ(plain.header("Access-Control-Allow-Origin"), "https://shop.example");
  EXPECT_EQ(plain.header("Vary"), "Origin");
  EXPECT_EQ(plain.header("Cache-Control"), "max-age=60");
  agent_online_ = true;
  site_.settings =
      R"({"color":"#112233","greeting":"Hello","launcher_text":"Chat","privacy_url":"https://shop.example/privacy","enabled":false})";
  write([&](store::Sql& sql) { store::channels::update(sql, site_); });
  pass(5);  // what is changed past the interface is seen after this time
  const Answer chosen = config(site_.public_key, "https://shop.example");
  EXPECT_EQ(chosen.body["color"], "#112233");
  EXPECT_EQ(chosen.body["greeting"], "Hello");
  EXPECT_EQ(chosen.body["launcher_text"], "Chat");
  EXPECT_EQ(chosen.body["privacy_url"], "https://shop.example/privacy");
  EXPECT_EQ(chosen.body["enabled"], false);
  EXPECT_EQ(chosen.body["online"], true);
}

TEST_F(ApiWidget, TheLargestConfigFitsIntoTwoKilobytes) {
  const Person owner = make_person(shop_, Role::kOwner, "owner@shop.example");
  auto repeat = [](const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  const json settings{{"greeting", repeat("𠮷", 200)},
                      {"launcher_text", repeat("𠮷", 30)},
                      {"privacy_url", "https://a.example/" + std::string(282, 'x')}};
  ASSERT_EQ(call(Req("PATCH", "/api/v1/channels/" + site_.id.str())
                     .cookie(owner.cookie)
                     .body({{"name", repeat("𠮷", 60)}, {"settings", settings}}))
                .status,
            200);
  ASSERT_EQ(call(Req("PATCH", "/api/v1/tenant").cookie(owner.cookie).body({{"name", repeat("𠮷", 60)}})).status, 200);
  EXPECT_LE(config(site_.public_key, "https://shop.example").http.body.size(), 2048u);
}

TEST_F(ApiWidget, OriginsAreHeldToTheSitesList) {
  for (const char* good : {"https://shop.example", "https://x.branch.example"}) {
    EXPECT_EQ(config(site_.public_key, good).status, 200) << good;
    EXPECT_EQ(session({{"key", site_.public_key}}, good).status, 200) << good;
  }
  for (const char* bad : {"https://evil.example", "http://shop.example", "https://branch.example",
                          "https://shop.example.evil.example", "null"}) {
    for (const Answer& refused : {config(site_.public_key, bad), session({{"key", site_.public_key}}, bad)}) {
      EXPECT_EQ(refused.status, 403) << bad;
      EXPECT_EQ(refused.code(), "origin_not_allowed");
      EXPECT_EQ(refused.header("Vary"), "Origin");
    }
  }
}

TEST_F(ApiWidget, TheDaemonsOwnPagesAreAlwaysAdmitted) {
  const store::Channel closed = make_site(shop_, {});
  EXPECT_EQ(call(Req("GET", "/api/v1/widget/config?key=" + closed.public_key)).status, 200);
  EXPECT_EQ(call(Req("POST", "/api/v1/widget/session").body({{"key", closed.public_key}})).status, 200);
  EXPECT_EQ(session({{"key", closed.public_key}}, "https://shop.example").status, 403)
      << "an empty list means the own origin only";
}

TEST_F(ApiWidget, WithoutAnOriginOnlyAppsGetASession) {
  EXPECT_EQ(config(site_.public_key, "").status, 200) << "a GET of the own page carries none, and the config is public";
  EXPECT_EQ(session({{"key", site_.public_key}}, "").code(), "origin_not_allowed");
  EXPECT_EQ(session({{"key", make_site(shop_, {}, "app").public_key}}, "").status, 200);
  EXPECT_EQ(call(Req("POST", "/api/v1/widget/session")
                     .from("")
                     .header("Sec-Fetch-Site", "same-origin")
                     .body({{"key", site_.public_key}}))
                .status,
            200);
}

TEST_F(ApiWidget, PreflightsAreAnsweredWithoutCredentials) {
  for (const char* path : {"/api/v1/widget/config", "/api/v1/widget/session"}) {
    const Answer answer =
        call(Req("OPTIONS", path).from("https://shop.example").without("Content-Type").without("X-Parley-CSRF"));
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.header("Access-Control-Allow-Origin"), "https://shop.example");
    EXPECT_EQ(answer.header("Access-Control-Allow-Headers"), "Content-Type") << "not X-Parley-CSRF, not Authorization";
    EXPECT_EQ(answer.header("Access-Control-Allow-Credentials"), "");
  }
}

TEST_F(ApiWidget, UnknownKeysAreUnknown) {
  for (const Answer& refused :
       {config("pk_nothing", "https://shop.example"), config("", "https://shop.example"),
        call(Req("GET", "/api/v1/widget/config")), session({{"key", "pk_nothing"}}, "https://shop.example")}) {
    EXPECT_EQ(refused.status, 404);
    EXPECT_EQ(refused.code(), "unknown_key");
  }
  EXPECT_EQ(session(json::object(), "https://shop.example").field(), "key");
  EXPECT_EQ(session({{"key", site_.public_key}, {"refresh", 7}}, "https://shop.example").field(), "refresh");
}

TEST_F(ApiWidget, ASessionIsATokenForANewPersonAndWritesNothing) {
  const Answer first = session({{"key", site_.public_key}}, "https://shop.example");
  const Answer second = session({{"key", site_.public_key}}, "https://shop.example");
  ASSERT_EQ(first.status, 200);
  EXPECT_NE(first.body["visitor"], second.body["visitor"]);
  EXPECT_EQ(first.body["expires_in"], 900);
  EXPECT_EQ(first.header("Cache-Control"), "no-store");
  EXPECT_EQ(first.header("Set-Cookie"), "");
  const std::int64_t now_s = now_ns_ / api::kSecondNs;
  const Result<tenant::VisitorClaims> claims = signer_.open_access(first.body["token"].get<std::string>(), now_s);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->tenant, shop_.id);
  EXPECT_EQ(claims->channel, site_.id);
  EXPECT_EQ(claims->visitor.str(), first.body["visitor"]);
  EXPECT_EQ(claims->expires_s, now_s + 900);
  EXPECT_FALSE(signer_.open_access(first.body["refresh"].get<std::string>(), now_s))
      << "the refresh token opens no socket";
  EXPECT_TRUE(read([](store::Sql& sql) {
                return sql.query("select 1 from visitor", std::initializer_list<store::SqlValue>{});
              }).empty());
}

TEST_F(ApiWidget, ARefreshKeepsThePersonAndRolls) {
  const Answer first = session({{"key", site_.public_key}}, "https://shop.example");
  pass(179 * 24 * kHour);
  const Answer second =
      session({{"key", site_.public_key}, {"refresh", first.body["refresh"]}}, "https://shop.example");
  ASSERT_EQ(second.status, 200);
  EXPECT_EQ(second.body["visitor"], first.body["visitor"]);
  pass(2 * 24 * kHour);
  EXPECT_EQ(
      session({{"key", site_.public_key}, {"refresh", second.body["refresh"]}}, "https://shop.example").body["visitor"],
      first.body["visitor"]);
  const Answer late = session({{"key", site_.public_key}, {"refresh", first.body["refresh"]}}, "https://shop.example");
  EXPECT_EQ(late.status, 401) << "181 days";
  EXPECT_EQ(late.code(), "refresh_invalid");
  EXPECT_EQ(late.header("Access-Control-Allow-Origin"), "https://shop.example")
      << "the widget must be able to read the code";
}

TEST_F(ApiWidget, ARefreshOfAnotherSiteKindOrKeyIsInvalid) {
  const store::Channel other = make_site(shop_, {"https://shop.example"});
  const Answer mine = session({{"key", site_.public_key}}, "https://shop.example");
  for (const json& refresh :
       {mine.body["token"], json("x"), json(""), json(mine.body["refresh"].get<std::string>() + "A")}) {
    EXPECT_EQ(session({{"key", site_.public_key}, {"refresh", refresh}}, "https://shop.example").code(),
              "refresh_invalid")
        << refresh;
  }
  EXPECT_EQ(session({{"key", other.public_key}, {"refresh", mine.body["refresh"]}}, "https://shop.example").code(),
            "refresh_invalid");
}

TEST_F(ApiWidget, ADisabledTenantOrSiteTakesNobodyIn) {
  site_.settings = R"({"enabled":false})";
  write([&](store::Sql& sql) { store::channels::update(sql, site_); });
  EXPECT_EQ(session({{"key", site_.public_key}}, "https://shop.example").code(), "tenant_disabled");
  site_.settings = "{}";
  shop_.disabled = true;
  write([&](store::Sql& sql) {
    store::channels::update(sql, site_);
    store::tenants::update(sql, shop_);
  });
  pass(5);
  const Answer refused = session({{"key", site_.public_key}}, "https://shop.example");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "tenant_disabled");
  EXPECT_EQ(config(site_.public_key, "https://shop.example").body["enabled"], false);
}

TEST_F(ApiWidget, VisitorsOfAKnownSiteComeInWhileTheDatabaseIsAway) {
  ASSERT_EQ(session({{"key", site_.public_key}}, "https://shop.example").status, 200);
  database_.fail(true);
  for (const int seconds : {0, 5, 100 * 24 * 3600}) {
    pass(seconds);
    EXPECT_EQ(session({{"key", site_.public_key}}, "https://shop.example").status, 200);
    EXPECT_EQ(config(site_.public_key, "https://shop.example").status, 200);
    EXPECT_EQ(session({{"key", site_.public_key}}, "https://evil.example").code(), "origin_not_allowed");
  }
  for (const Answer& refused :
       {config("pk_nothing", "https://shop.example"), session({{"key", "pk_nothing"}}, "https://shop.example")}) {
    EXPECT_EQ(refused.status, 503) << "nobody can tell whether there is such a site";
    EXPECT_EQ(refused.code(), "unavailable");
    EXPECT_EQ(refused.body["detail"], "The chat cannot be opened at the moment. Please try again.");
    EXPECT_GT(refused.body["after_ms"], 0);
    EXPECT_EQ(refused.header("Access-Control-Allow-Origin"), "https://shop.example");
  }
  database_.fail(false);
  EXPECT_EQ(config("pk_nothing", "https://shop.example").status, 404);
}

TEST_F(ApiWidget, VisitorsOfAKnownSiteDoNotWaitLongForADatabaseThatHangs) {
  ASSERT_EQ(session({{"key", site_.public_key}}, "https://shop.example").status, 200);
  pass(5);
  database_.hold();
  EXPECT_EQ(session({{"key", site_.public_key}}, "https://shop.example").status, 200);
  EXPECT_EQ(database_.held(), 1u);
  EXPECT_EQ(session({{"key", site_.public_key}}, "https://shop.example").status, 200);
  EXPECT_EQ(database_.held(), 1u) << "one asks, the others do not wait";
  database_.release();
}

TEST_F(ApiWidget, AStormOfVisitorsReadsTheSiteOnce) {
  const std::size_t before = database_.reads();
  for (int i = 0; i < 50; ++i) ASSERT_EQ(session({{"key", site_.public_key}}, "https://shop.example").status, 200);
  EXPECT_EQ(database_.reads(), before + 1);
}

class ApiSites : public ApiTest {
 protected:
  store::Tenant shop_ = make_tenant("shop");
  Person owner_ = make_person(shop_, Role::kOwner, "owner@shop.example");
  Answer create(const json& body) { return call(Req("POST", "/api/v1/channels").cookie(owner_.cookie).body(body)); }
  Answer patch(const std::string& id, const json& body) {
    return call(Req("PATCH", "/api/v1/channels/" + id).cookie(owner_.cookie).body(body));
  }
};

TEST_F(ApiSites, AreMadeListedAndChanged) {
  const Answer made = create({{"name", "Shop"},
                              {"allowed_origins", {"HTTPS://Shop.example:443", "https://shop.example"}},
                              {"settings", {{"color", "#00ff00"}}}});
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.body["kind"], "web");
  EXPECT_TRUE(made.body["public_key"].get<std::string>().starts_with("pk_"));
  EXPECT_EQ(made.body["allowed_origins"], json({"https://shop.example"})) << "one form, no doubles";
  EXPECT_EQ(made.body["settings"]["color"], "#00ff00");
  const std::string id = made.body["id"];
  const Answer changed =
      patch(id, {{"name", "Store"}, {"settings", {{"greeting", "Hi\nthere"}, {"position", "left"}}}});
  EXPECT_EQ(changed.body["name"], "Store");
  EXPECT_EQ(changed.body["settings"]["color"], "#00ff00") << "what was not named stays";
  EXPECT_EQ(changed.body["settings"]["greeting"], "Hi\nthere");
  EXPECT_EQ(changed.body["allowed_origins"].size(), 1u);
  const Answer reset =
      patch(id, {{"allowed_origins", json::array()}, {"settings", {{"color", nullptr}, {"greeting", ""}}}});
  EXPECT_EQ(reset.body["settings"]["color"], "#2B55D9");
  EXPECT_FALSE(reset.body["settings"].contains("greeting"));
  EXPECT_TRUE(reset.body["allowed_origins"].empty());
  EXPECT_EQ(call(Req("GET", "/api/v1/channels").cookie(owner_.cookie)).body["items"], json::array({reset.body}));
  EXPECT_EQ(changed_.size(), 3u);
}

TEST_F(ApiSites, AChangeCountsForTheNextVisitor) {
  const json made = create({{"name", "Shop"}, {"allowed_origins", {"https://shop.example"}}}).body;
  const std::string key = made["public_key"];
  auto session = [&] {
    return call(Req("POST", "/api/v1/widget/session").from("https://shop.example").body({{"key", key}}));
  };
  auto config = [&] { return call(Req("GET", "/api/v1/widget/config?key=" + key).from("https://shop.example")).body; };
  ASSERT_EQ(session().status, 200);
  ASSERT_EQ(patch(made["id"], {{"settings", {{"enabled", false}}}}).status, 200);
  EXPECT_EQ(session().code(), "tenant_disabled");
  ASSERT_EQ(patch(made["id"], {{"settings", {{"enabled", true}}}}).status, 200);
  EXPECT_EQ(session().status, 200);
  ASSERT_EQ(call(Req("PATCH", "/api/v1/tenant").cookie(owner_.cookie).body({{"name", "The shop"}})).status, 200);
  EXPECT_EQ(config()["tenant"], "The shop");
  ASSERT_EQ(patch(made["id"], {{"allowed_origins", json::array()}}).status, 200);
  EXPECT_EQ(session().code(), "origin_not_allowed");
}

TEST_F(ApiSites, AnAnswerReadBeforeAChangeIsNotKeptAfterIt) {
  const json made = create({{"name", "Shop"}, {"allowed_origins", {"https://shop.example"}}}).body;
  const std::string key = made["public_key"];
  auto session = [&] {
    return call(Req("POST", "/api/v1/widget/session").from("https://shop.example").body({{"key", key}}));
  };
  database_.hold();
  std::future<Answer> slow = std::async(std::launch::async, session);
  while (database_.held() == 0) std::this_thread::yield();
  database_.unhold();  // the first one still waits
  ASSERT_EQ(patch(made["id"], {{"settings", {{"enabled", false}}}}).status, 200);
  database_.release();
  slow.get();  // it came with the change, and may have seen either
  EXPECT_EQ(session().code(), "tenant_disabled");
}

TEST_F(ApiSites, AreKnownAgainAfterAChangeWithoutAnybodyAsking) {
  const json made = create({{"name", "Shop"}, {"allowed_origins", {"https://shop.example"}}}).body;
  auto session = [&] {
    return call(Req("POST", "/api/v1/widget/session").from("https://shop.example").body({{"key", made["public_key"]}}));
  };
  ASSERT_EQ(session().status, 200);
  const std::size_t reads = database_.reads();
  ASSERT_EQ(patch(made["id"], {{"name", "Store"}}).status, 200);
  EXPECT_EQ(database_.reads(), reads + 2) << "who asks, and the site";
  database_.fail(true);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  int status = 0;  // the answer may still be on its way
  while (status != 200 && std::chrono::steady_clock::now() < end) status = session().status;
  EXPECT_EQ(status, 200);
}

TEST_F(ApiSites, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, json>> wrong{
      {"name", {{"name", ""}, {"allowed_origins", json::array()}}},
      {"allowed_origins", {{"name", "x"}}},
      {"allowed_origins", {{"name", "x"}, {"allowed_origins", {"https://shop.example/path"}}}},
      {"allowed_origins", {{"name", "x"}, {"allowed_origins", {"*"}}}},
      {"allowed_origins", {{"name", "x"}, {"allowed_origins", {1}}}},
      {"allowed_origins", {{"name", "x"}, {"allowed_origins", std::vector<std::string>(51, "https://a.example")}}}};
  for (const auto& [field, body] : wrong) EXPECT_EQ(create(body).field(), field) << body;
  const std::vector<std::pair<std::string, json>> settings{{"color", "red"},
                                                           {"color", "#12345g"},
                                                           {"position", "top"},
                                                           {"locale", "fr"},
                                                           {"greeting", std::string(201, 'x')},
                                                           {"launcher_text", "a\nb"},
                                                           {"privacy_url", "javascript:alert(1)"},
                                                           {"privacy_url", "https://x.example/\"onclick="},
                                                           {"enabled", 1}};
  for (const auto& [field, value] : settings) {
    const Answer refused = create({{"name", "x"}, {"allowed_origins", json::array()}, {"settings", {{field, value}}}});
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.field(), "settings." + field) << value;
  }
  EXPECT_TRUE(call(Req("GET", "/api/v1/channels").cookie(owner_.cookie)).body["items"].empty());
}

TEST_F(ApiSites, OfAnotherTenantDoNotExistHere) {
  const store::Channel foreign = make_site(make_tenant("cafe"), {});
  EXPECT_EQ(patch(foreign.id.str(), {{"name", "Mine"}}).status, 404);
  EXPECT_EQ(patch("x", {{"name", "Mine"}}).status, 404);
  EXPECT_TRUE(call(Req("GET", "/api/v1/channels").cookie(owner_.cookie)).body["items"].empty());
}

TEST_F(ApiSites, APageShowsTheOldestSiteOfItsTenant) {
  auto key = [&](const std::string& slug) {
    return *home_.run<Result<std::optional<std::string>>>([&] { return api_.page_key(slug); });
  };
  EXPECT_EQ(key("shop"), std::nullopt);
  make_site(shop_, {}, "app");
  const store::Channel first = make_site(shop_, {});
  make_site(shop_, {});
  EXPECT_EQ(key("shop"), first.public_key);
  EXPECT_EQ(key("nothing"), std::nullopt);
  EXPECT_EQ(key(""), std::nullopt) << "no demo yet";
  const store::Channel demo = make_site(make_tenant("demo"), {});
  EXPECT_EQ(key(""), demo.public_key);
  shop_.disabled = true;
  write([&](store::Sql& sql) { store::tenants::update(sql, shop_); });
  pass(5);
  EXPECT_EQ(key("shop"), std::nullopt);
  database_.fail(true);
  EXPECT_EQ(key(""), demo.public_key) << "it is known";
  const auto unknown = home_.run<Result<std::optional<std::string>>>([&] { return api_.page_key("nothing"); });
  ASSERT_FALSE(unknown) << "nobody can tell";
  EXPECT_EQ(unknown.error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace parley::net::test
