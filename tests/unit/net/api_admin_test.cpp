#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

class ApiAdmin : public ApiTest {
 protected:
  Answer post(const std::string& path, const json& body) { return admin(Req("POST", "/admin/v1/" + path).body(body)); }
  Answer tenant(const std::string& slug) {
    return post("tenants", {{"name", "Tea"}, {"slug", slug}, {"locale", "zh-CN"}, {"time_zone", "Asia/Shanghai"}});
  }
};

TEST_F(ApiAdmin, BuildsATenantFromNothingToAWorkingToken) {
  setup_.ensure();
  const Answer made = tenant("tea");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_TRUE(made.body["id"].is_string());
  EXPECT_FALSE(std::filesystem::exists(setup_.file())) << "the installation has been taken into use";
  const Answer person =
      post("agents", {{"tenant", "tea"}, {"email", "Li@tea.example"}, {"display_name", "Li"}, {"role", "owner"}});
  ASSERT_EQ(person.status, 201) << person.body;
  EXPECT_NE(sign_in("li@tea.example", person.body["password"]), "");
  const Answer site =
      post("channels", {{"tenant", "tea"}, {"name", "Shop"}, {"allowed_origins", {"https://tea.example"}}});
  ASSERT_EQ(site.status, 201) << site.body;
  EXPECT_EQ(call(Req("GET", "/api/v1/widget/config?key=" + site.body["public_key"].get<std::string>())).body["locale"],
            "zh-CN");
  const Answer token = post("tokens", {{"tenant", "tea"}, {"email", "li@tea.example"}});
  ASSERT_EQ(token.status, 201) << token.body;
  EXPECT_EQ(call(Req("GET", "/api/v1/session").bearer(token.body["token"])).body["tenant"]["slug"], "tea");
  const Answer list = admin(Req("GET", "/admin/v1/tenants"));
  ASSERT_EQ(list.body["items"].size(), 1u);
  EXPECT_EQ(list.body["items"][0], made.body);
}

TEST_F(ApiAdmin, IsNotReachableFromTheNetwork) {
  for (const char* path : {"tenants", "agents", "channels", "tokens", "demo"}) {
    Req request = Req("POST", std::string("/admin/v1/") + path).body({{"name", "x"}, {"slug", "x"}});
    EXPECT_EQ(call_router(admin_, request).status, 404) << path;
    EXPECT_EQ(call(request).status, 404) << path;
  }
  EXPECT_TRUE(read([](store::Sql& sql) { return store::tenants::all(sql); }).empty());
}

TEST_F(ApiAdmin, AGivenPasswordIsNotReturned) {
  tenant("tea");
  const Answer made = post("agents", {{"tenant", "tea"},
                                      {"email", "li@tea.example"},
                                      {"display_name", "Li"},
                                      {"role", "agent"},
                                      {"password", kPassword}});
  ASSERT_EQ(made.status, 201);
  EXPECT_FALSE(made.body.contains("password"));
  EXPECT_NE(sign_in("li@tea.example", kPassword), "");
}

TEST_F(ApiAdmin, APersonJoinsASecondTenantWithTheOldPassword) {
  tenant("tea");
  tenant("coffee");
  const json person{{"email", "li@tea.example"}, {"display_name", "Li"}, {"role", "agent"}};
  json first = person, second = person;
  first["tenant"] = "tea";
  first["password"] = kPassword;
  second["tenant"] = "coffee";
  ASSERT_EQ(post("agents", first).status, 201);
  const Answer joined = post("agents", second);
  ASSERT_EQ(joined.status, 201) << joined.body;
  EXPECT_FALSE(joined.body.contains("password"));
  EXPECT_EQ(call(Req("GET", "/api/v1/session").cookie(sign_in("li@tea.example", kPassword))).body["tenants"].size(),
            2u);
  EXPECT_EQ(post("agents", second).code(), "email_taken");
  second["password"] = "other unrelated words";
  EXPECT_EQ(post("agents", second).code(), "email_taken") << "a password for an account that has one";
}

TEST_F(ApiAdmin, NamesWhatIsWrong) {
  tenant("tea");
  const Answer taken = tenant("tea");
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.code(), "slug_taken");
  EXPECT_EQ(tenant("Tea House").field(), "slug");
  EXPECT_EQ(post("tenants", {{"slug", "x"}}).field(), "name");
  EXPECT_EQ(post("agents", {{"tenant", "nothing"}, {"email", "a@b.example"}, {"display_name", "x"}, {"role", "agent"}})
                .status,
            404);
  EXPECT_EQ(
      post("agents", {{"tenant", "tea"}, {"email", "a@b.example"}, {"display_name", "x"}, {"role", "boss"}}).field(),
      "role");
  EXPECT_EQ(
      post("agents",
           {{"tenant", "tea"}, {"email", "a@b.example"}, {"display_name", "x"}, {"role", "agent"}, {"password", "x"}})
          .field(),
      "password");
  EXPECT_EQ(post("channels", {{"tenant", "nothing"}, {"name", "x"}}).status, 404);
  EXPECT_EQ(post("channels", {{"tenant", "tea"}, {"name", "x"}, {"allowed_origins", {"x"}}}).field(),
            "allowed_origins");
  EXPECT_EQ(post("tokens", {{"tenant", "tea"}, {"email", "nobody@tea.example"}}).field(), "email");
  EXPECT_EQ(post("tokens", {{"tenant", "nothing"}, {"email", "nobody@tea.example"}}).field(), "tenant");
}

TEST_F(ApiAdmin, TheDemoIsMadeOnceAndItsPasswordShownOnce) {
  const Answer made = post("demo", json::object());
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.body["created"], true);
  EXPECT_EQ(made.body["email"], "owner@demo.test");
  EXPECT_NE(sign_in("owner@demo.test", made.body["password"]), "");
  const Answer again = post("demo", json::object());
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body["created"], false);
  EXPECT_FALSE(again.body.contains("password"));
  EXPECT_EQ(again.body["channel"], made.body["channel"]);
  EXPECT_EQ(again.body["tenant"], made.body["tenant"]);
  EXPECT_EQ(*home_.run<Result<std::optional<std::string>>>([&] { return api_.page_key(""); }),
            made.body["channel"]["public_key"].get<std::string>());
}

TEST_F(ApiAdmin, ADemoTenantWithoutASiteGetsOne) {
  tenant("demo");
  const Answer made = post("demo", json::object());
  EXPECT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.body["channel"]["public_key"].is_string());
}

}  // namespace
}  // namespace parley::net::test
