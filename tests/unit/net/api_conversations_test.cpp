#include "api_fixture.hpp"

namespace parley::net::test {
namespace {

namespace st = store::test;

/// Conversations in the journal itself: 1 and 3 wait, 2 is somebody's, 4 and 5 are closed; 9 belongs to another tenant.
class ApiConversations : public ApiTest {
 protected:
  ApiConversations() {
    shop_ = make_tenant("shop");
    li_ = make_person(shop_, Role::kAgent, "li@shop.example");
    cafe_ = make_tenant("cafe");
    open(conv(1), shop_.id, 101, "first");
    open(conv(2), shop_.id, 102, "second");
    open(conv(3), shop_.id, 103, "third");
    open(conv(4), shop_.id, 104, "fourth");
    open(conv(5), shop_.id, 105, "fifth");
    open(conv(9), cafe_.id, 109, "secret of the cafe");
    store::Append claim = st::by_agent(st::text(conv(2), 1, ""), protocol::EntryType::kClaim, "{}", li_.agent.id);
    claim.change.status = protocol::Status::kActive;
    claim.change.assignee = li_.agent.id;
    claim.change.new_claim = true;
    append(claim, shop_.id);
    append(st::by_agent(st::text(conv(2), 2, "watch out"), protocol::EntryType::kNote, "{\"text\":\"watch out\"}",
                        li_.agent.id),
           shop_.id);
    for (const std::uint64_t n : {4, 5}) {
      store::Append close = st::by_agent(st::text(conv(n), 1, "done"), protocol::EntryType::kClose, "{}", li_.agent.id);
      close.change.status = protocol::Status::kClosed;
      append(close, shop_.id);
    }
  }
  static ConversationId conv(std::uint64_t n) { return ConversationId{n * 4096}; }
  void append(store::Append item, TenantId tenant) {
    item.tenant = tenant;
    item.ts_ns = now_ns_ + ++last_ts_ * 1'000'000;
    const store::Appended done = st::append(home_, store_->journal(), std::move(item));
    ASSERT_EQ(done.code, protocol::Code::kOk);
  }
  void open(ConversationId id, TenantId tenant, std::uint64_t visitor, const std::string& words) {
    append(st::opening(id, words, VisitorId{visitor}), tenant);
  }

  Answer get(const std::string& path) { return call(Req("GET", "/api/v1/conversations" + path).cookie(li_.cookie)); }
  std::vector<std::string> ids(const Answer& answer) {
    std::vector<std::string> out;
    for (const json& item : answer.body["items"]) out.push_back(item["conv"]);
    return out;
  }
  static std::vector<std::string> texts(std::initializer_list<std::uint64_t> numbers) {
    std::vector<std::string> out;
    for (const std::uint64_t n : numbers) out.push_back(conv(n).str());
    return out;
  }
  store::Tenant shop_, cafe_;
  Person li_;
  std::int64_t last_ts_ = 0;
};

TEST_F(ApiConversations, ViewsHoldWhatTheyAreNamedAfter) {
  EXPECT_EQ(ids(get("?view=waiting")), texts({1, 3})) << "who waits longest comes first";
  EXPECT_EQ(ids(get("?view=mine")), texts({2}));
  EXPECT_EQ(ids(get("?view=open")), texts({1, 3, 2}));
  EXPECT_EQ(ids(get("")), texts({1, 3, 2}));
  EXPECT_EQ(ids(get("?view=closed")), texts({5, 4})) << "newest first";
  const json row = get("?view=mine").body["items"][0];
  EXPECT_EQ(row["assignee"], (json{{"id", li_.agent.id.str()}, {"name", li_.agent.display_name}}));
  EXPECT_EQ(row["status"], "active");
  EXPECT_EQ(row["visitor"]["id"], "102");
  EXPECT_EQ(row["last"]["text"], "second");
}

TEST_F(ApiConversations, PagesAreGaplessAndEnd) {
  for (const char* view : {"open", "closed"}) {
    const std::vector<std::string> whole = ids(get(std::string("?view=") + view));
    std::vector<std::string> paged;
    std::string cursor;
    for (int i = 0; i < 10; ++i) {
      const Answer page = get(std::string("?view=") + view + "&limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
      ASSERT_EQ(page.status, 200);
      for (const std::string& id : ids(page)) paged.push_back(id);
      if (!page.body.contains("next")) break;
      cursor = page.body["next"];
    }
    EXPECT_EQ(paged, whole) << view;
  }
}

TEST_F(ApiConversations, OneIsShownWithItsMessages) {
  const Answer one = get("/" + conv(2).str());
  ASSERT_EQ(one.status, 200) << one.body;
  EXPECT_EQ(one.body["conv"], conv(2).str());
  EXPECT_EQ(one.body["head"], 3);
  const Answer page = get("/" + conv(2).str() + "/messages");
  ASSERT_EQ(page.status, 200) << page.body;
  EXPECT_EQ(page.body["conv"], conv(2).str());
  EXPECT_EQ(page.body["epoch"], one.body["epoch"]);
  EXPECT_EQ(page.body["head"], 3);
  EXPECT_EQ(page.body["more"], false);
  ASSERT_EQ(page.body["items"].size(), 3u);
  EXPECT_EQ(page.body["items"][0]["body"]["text"], "second");
  EXPECT_EQ(page.body["items"][1]["type"], "claim");
  EXPECT_EQ(page.body["items"][1]["from"]["name"], li_.agent.display_name);
  EXPECT_EQ(page.body["items"][1]["state"]["assignee"]["name"], li_.agent.display_name);
  EXPECT_EQ(page.body["items"][2]["audience"], "internal") << "agents see notes";
  EXPECT_FALSE(page.body["items"][0].contains("t")) << "an item, not a frame";
}

TEST_F(ApiConversations, MessagesArePagedBothWays) {
  const std::string path = "/" + conv(2).str() + "/messages";
  auto seqs = [&](const std::string& query) {
    std::vector<int> out;
    const Answer page = get(path + query);
    for (const json& item : page.body["items"]) out.push_back(item["seq"]);
    return out;
  };
  EXPECT_EQ(seqs("?after=1"), (std::vector<int>{2, 3}));
  EXPECT_EQ(seqs("?after=0&limit=1"), (std::vector<int>{1}));
  EXPECT_EQ(get(path + "?after=0&limit=1").body["more"], true);
  EXPECT_EQ(seqs("?before=3"), (std::vector<int>{1, 2}));
  EXPECT_EQ(seqs("?limit=2"), (std::vector<int>{2, 3})) << "the newest";
}

TEST_F(ApiConversations, OfAnotherTenantDoNotExistHere) {
  for (const std::string& id :
       {conv(9).str(), conv(77).str(), std::string("x"), std::string("0"), std::string("18446744073709551615")}) {
    for (const Answer& refused : {get("/" + id), get("/" + id + "/messages")}) {
      EXPECT_EQ(refused.status, 404) << id;
      EXPECT_EQ(refused.code(), "unknown_conv") << id;
      EXPECT_EQ(refused.http.body.find("cafe"), std::string::npos);
    }
  }
  EXPECT_EQ(get("?view=open").http.body.find("secret of the cafe"), std::string::npos);
  const Person foreign = make_person(cafe_, Role::kOwner, "owner@cafe.example");
  EXPECT_EQ(call(Req("GET", "/api/v1/conversations/" + conv(9).str()).cookie(foreign.cookie)).status, 200);
  EXPECT_EQ(call(Req("GET", "/api/v1/conversations/" + conv(2).str()).cookie(foreign.cookie)).status, 404);
}

TEST_F(ApiConversations, NamesTheParameterThatIsWrong) {
  const std::string path = "/" + conv(2).str() + "/messages";
  const std::vector<std::pair<std::string, std::string>> wrong{{"?view=all", "view"},
                                                               {"?limit=0", "limit"},
                                                               {"?limit=101", "limit"},
                                                               {"?limit=x", "limit"},
                                                               {"?view=closed&cursor=x", "cursor"},
                                                               {path + "?limit=-1", "limit"},
                                                               {path + "?after=x", "after"},
                                                               {path + "?before=1x", "before"},
                                                               {path + "?after=1&before=3", "before"},
                                                               {path + "?after=99999999999999999999", "after"}};
  for (const auto& [query, field] : wrong) {
    const Answer refused = get(query);
    EXPECT_EQ(refused.status, 400) << query;
    EXPECT_EQ(refused.field(), field) << query;
  }
}

}  // namespace
}  // namespace parley::net::test
