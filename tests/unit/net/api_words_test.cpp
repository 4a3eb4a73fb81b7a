#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

class ApiWords : public ApiTest {
 protected:
  store::Tenant shop_ = make_tenant("shop");
  Person admin_person_ = make_person(shop_, Role::kAdmin, "admin@shop.example");
  Answer create(const json& body) {
    return call(Req("POST", "/api/v1/word-lists").cookie(admin_person_.cookie).body(body));
  }
  Answer put(const std::string& id, const json& body) {
    return call(Req("PUT", "/api/v1/word-lists/" + id).cookie(admin_person_.cookie).body(body));
  }
  Answer erase(const std::string& id) {
    return call(Req("DELETE", "/api/v1/word-lists/" + id).cookie(admin_person_.cookie).body(json::object()));
  }
  Answer try_out(const std::string& text) {
    return call(Req("POST", "/api/v1/word-lists/test").cookie(admin_person_.cookie).body({{"text", text}}));
  }
  json items() { return call(Req("GET", "/api/v1/word-lists").cookie(admin_person_.cookie)).body["items"]; }
};

TEST_F(ApiWords, AreInForceAtOnceAndTriedOut) {
  const Answer made = create({{"name", "Gambling"}, {"action", "mask"}, {"words", {"赌博", "casino"}}});
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.body["updated_at"], "2025-11-21T09:00:00.000Z");
  EXPECT_EQ(changed_, (std::vector<TenantId>{shop_.id})) << "the homes are told";
  const Answer hit = try_out("𠮷 去赌博吧");
  ASSERT_EQ(hit.status, 200) << hit.body;
  EXPECT_EQ(hit.body["text"], "𠮷 去**吧");
  ASSERT_EQ(hit.body["hits"].size(), 1u);
  EXPECT_EQ(hit.body["hits"][0],
            (json{{"word", "赌博"}, {"start", 4}, {"end", 6}, {"list", "Gambling"}, {"action", "mask"}}))
      << "places count as in JavaScript: the first character there takes two";
  pass(1);
  ASSERT_EQ(put(made.body["id"], {{"name", "Gambling"}, {"action", "block"}, {"words", {"roulette"}}}).status, 200);
  EXPECT_TRUE(try_out("赌博").body["hits"].empty()) << "the compiled form follows the list";
  const Answer blocked = try_out("roulette");
  EXPECT_EQ(blocked.body["hits"][0]["action"], "block");
  EXPECT_EQ(blocked.body["text"], "roulette") << "only masked words are hidden";
  EXPECT_EQ(erase(made.body["id"]).status, 204);
  EXPECT_TRUE(try_out("roulette").body["hits"].empty());
  EXPECT_TRUE(items().empty());
  EXPECT_EQ(changed_.size(), 3u);
}

TEST_F(ApiWords, NamesTheFieldThatIsWrong) {
  const json good{{"name", "x"}, {"action", "flag"}, {"words", {"casino"}}};
  const std::vector<std::pair<std::string, json>> wrong{{"name", ""},        {"action", "delete"},
                                                        {"words", "casino"}, {"words", {1}},
                                                        {"words", {""}},     {"words", {std::string(65, 'x')}}};
  for (const auto& [field, value] : wrong) {
    json body = good;
    body[field] = value;
    const Answer refused = create(body);
    EXPECT_EQ(refused.status, 400) << value;
    EXPECT_EQ(refused.code(), "bad_field");
    EXPECT_EQ(refused.field(), field) << value;
  }
  EXPECT_TRUE(items().empty());
  EXPECT_EQ(try_out(std::string(4001, 'x')).field(), "text");
  EXPECT_TRUE(changed_.empty());
}

TEST_F(ApiWords, OfAnotherTenantDoNotExistHere) {
  const store::Tenant cafe = make_tenant("cafe");
  store::WordList foreign{
      .id = mint(), .tenant = cafe.id, .name = "theirs", .action = "mask", .words = {"tea"}, .updated_ns = now_ns_};
  write([&](store::Sql& sql) { store::word_lists::insert(sql, foreign); });
  const std::string id = std::to_string(foreign.id);
  EXPECT_EQ(put(id, {{"name", "mine"}, {"action", "mask"}, {"words", {"x"}}}).status, 404);
  EXPECT_EQ(erase(id).status, 404);
  EXPECT_EQ(erase("x").status, 404);
  EXPECT_TRUE(items().empty());
  EXPECT_TRUE(try_out("tea").body["hits"].empty());
  EXPECT_EQ(read([&](store::Sql& sql) { return store::word_lists::of_tenant(sql, cafe.id); }).size(), 1u);
}

TEST_F(ApiWords, AFullWorkerRefusesAndStoresNothing) {
  cpu_.stop();
  EXPECT_EQ(create({{"name", "x"}, {"action", "flag"}, {"words", {"casino"}}}).status, 503);
  EXPECT_TRUE(items().empty());
}

}  // namespace
}  // namespace parley::net::test
