#include <thread>

#include "api_fixture.hpp"
#include "parley/store/search.hpp"

namespace parley::net::test {
namespace {

namespace st = store::test;

/// Two conversations of a shop, and one of somebody else with the same words.
class ApiSearch : public ApiTest {
 protected:
  ApiSearch() : searching_(deps()) {
    searching_.register_routes(router_);
    shop_ = make_tenant("shop");
    cafe_ = make_tenant("cafe");
    li_ = make_person(shop_, Role::kAgent, "li@shop.example");
    open(conv(1), shop_.id, 101, "Where is my refund?");
    append(st::by_agent(st::text(conv(1), 1, "refund sent"), protocol::EntryType::kNote, R"({"text":"refund sent"})",
                        li_.agent.id),
           shop_.id);
    open(conv(2), shop_.id, 102, "A refund, please");
    open(conv(9), cafe_.id, 109, "refund of the cafe");
    wait_until_found("refund of the cafe", cafe_.id);
  }
  static ConversationId conv(std::uint64_t number) { return ConversationId{number * 4096}; }
  void append(store::Append item, TenantId tenant) {
    item.tenant = tenant;
    item.ts_ns = now_ns_ + ++last_ts_ * 1'000'000;
    ASSERT_EQ(st::append(home_, store_->journal(), std::move(item)).code, protocol::Code::kOk);
  }
  void open(ConversationId id, TenantId tenant, std::uint64_t visitor, const std::string& words) {
    append(st::opening(id, words, VisitorId{visitor}), tenant);
  }
  /// What was appended before is in the index then, too.
  void wait_until_found(const std::string& words, TenantId tenant) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    store::SearchQuery query;
    query.tenant = tenant;
    query.text = words;
    for (;;) {
      const auto page = home_.run<Result<store::SearchPage>>([this, query]() { return store_->search()->find(query); });
      if (page && !page->hits.empty()) return;
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "not indexed within 20 s";
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  Answer get(const std::string& query) {
    Req request("GET", "/api/v1/search?" + query);
    request.cookie(li_.cookie);
    return call_router(router_, request);
  }

  Api searching_;
  Router router_;
  store::Tenant shop_, cafe_;
  Person li_;
  std::int64_t last_ts_ = 0;

 private:
  ApiDeps deps() {
    ApiDeps deps{database_, store_->journal(),         signer_, cpu_, setup_, settings_,
                 metrics_,  [this] { return mint(); }, {},      {},   {},     [this] { return now_ns_.load(); }};
    deps.search = store_->search();
    return deps;
  }
};

TEST_F(ApiSearch, AnswersWithPlacesSnippetsAndConversations) {
  const Answer answer = get("q=refund");
  ASSERT_EQ(answer.status, 200) << answer.body;
  ASSERT_EQ(answer.body["items"].size(), 3u);
  const json& newest = answer.body["items"][0];
  EXPECT_EQ(newest["conv"], conv(2).str());
  EXPECT_EQ(newest["seq"], 1);
  EXPECT_EQ(newest["type"], "text");
  EXPECT_EQ(newest["snippet"], "A refund, please");
  EXPECT_EQ(newest["matches"], json::parse("[[2,8]]"));
  EXPECT_EQ(newest["from"], (json{{"k", "v"}, {"id", "102"}}));
  EXPECT_FALSE(newest.contains("audience"));
  const json& note = answer.body["items"][1];
  EXPECT_EQ(note["type"], "note");
  EXPECT_EQ(note["audience"], "internal");
  EXPECT_EQ(note["from"]["name"], li_.agent.display_name);
  ASSERT_EQ(answer.body["conversations"].size(), 2u) << "each once";
  EXPECT_EQ(answer.body["conversations"][0]["conv"], conv(2).str());
  EXPECT_EQ(answer.body["conversations"][0]["status"], "waiting");
  EXPECT_FALSE(answer.body.contains("next"));
  EXPECT_EQ(answer.body["lag_s"], 0);
}

TEST_F(ApiSearch, NeverShowsAnotherTenant) {
  EXPECT_EQ(get("q=refund").http.body.find("cafe"), std::string::npos);
  EXPECT_TRUE(get("q=cafe").body["items"].empty());
}

TEST_F(ApiSearch, GoesOnByItsCursor) {
  std::vector<std::string> places;
  std::string cursor;
  for (int i = 0; i < 5; ++i) {
    const Answer page = get("q=refund&limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page.body;
    for (const json& item : page.body["items"])
      places.push_back(item["conv"].get<std::string>() + "/" + std::to_string(item["seq"].get<int>()));
    if (!page.body.contains("next")) break;
    cursor = page.body["next"];
  }
  EXPECT_EQ(places, (std::vector<std::string>{conv(2).str() + "/1", conv(1).str() + "/2", conv(1).str() + "/1"}));
}

TEST_F(ApiSearch, SaysWhatIsWrongWithAQuestion) {
  for (const auto& [query, field] :
       std::vector<std::pair<std::string, std::string>>{{"", "q"},
                                                        {"q=", "q"},
                                                        {"q=r", "q"},
                                                        {"q=款", "q"},
                                                        {"q=a b c", "q"},
                                                        {"q=?!…", "q"},
                                                        {"q=" + std::string(201, 'x'), "q"},
                                                        {"q=refund&limit=0", "limit"},
                                                        {"q=refund&limit=51", "limit"},
                                                        {"q=refund&cursor=x", "cursor"}}) {
    const Answer refused = get(query);
    EXPECT_EQ(refused.status, 400) << query;
    EXPECT_EQ(refused.code(), "bad_field") << query;
    EXPECT_EQ(refused.field(), field) << query;
  }
  EXPECT_EQ(get("q=退款").status, 200) << "two characters are enough";
}

TEST_F(ApiSearch, NeedsSomebodySignedIn) {
  Req request("GET", "/api/v1/search?q=refund");
  EXPECT_EQ(call_router(router_, request).status, 401);
}

TEST_F(ApiSearch, SaysWhenThereIsNoIndex) {
  const Answer refused = call(Req("GET", "/api/v1/search?q=refund").cookie(li_.cookie));
  EXPECT_EQ(refused.status, 501) << "the fixture's own interface has none";
  EXPECT_EQ(refused.code(), "search_not_available");
}

}  // namespace
}  // namespace parley::net::test
