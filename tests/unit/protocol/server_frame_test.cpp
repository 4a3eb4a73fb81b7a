#include "parley/protocol/server_frame.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace parley::protocol {
namespace {

using nlohmann::json;

template <class... Args, class Append>
std::string made(Append append, const Args&... args) {
  std::string out = "kept";
  append(out, args...);
  EXPECT_EQ(out.substr(0, 4), "kept");
  return out.substr(4);
}

DevId dev() { return *DevId::parse("AAAAAAAAAAAAAAAB"); }

EntryView entry() {
  EntryView e;
  e.conv = {7261402113};
  e.seq = 13;
  e.id = {7261409999};
  e.ts_ms = 1763715661000;
  e.from = {PrincipalKind::kVisitor, 7261402000};
  e.from_name = "Visitor \"2000\"";
  e.dev = dev();
  e.n = 3;
  e.rev = 13;
  e.body = R"({"text":"Hello"})";
  return e;
}

ConversationView conversation() {
  ConversationView c;
  c.conv = {7261402113};
  c.number = 17;
  c.epoch = "k3f9";
  c.head = 12;
  c.status = Status::kActive;
  c.claim = 2;
  c.assignee = {72614, "Li Na"};
  c.channel = {72610};
  c.visitor = {7261402000, "Visitor 2000"};
  c.created_ms = 1763715600000;
  c.last_ts_ms = 1763715660000;
  c.last_text = "Thank you";
  c.last_from = 'v';
  c.last_seq = 12;
  c.unread = 1;
  c.pos = "a1";
  return c;
}

const char* const kConversation =
    R"({"conv":"7261402113","number":17,"epoch":"k3f9","head":12,"status":"active","claim":2,"assignee":{"id":"72614","name":"Li Na"},"channel":"72610",
 "visitor":{"id":"7261402000","name":"Visitor 2000"},"created":1763715600000,"last":{"ts":1763715660000,"text":"Thank you","from":"v","seq":12},"waiting_since":null,"unread":1,"pos":"a1"})";

TEST(JsonString, EscapesWhatMustBeAndNothingElse) {
  const auto quoted = [](std::string_view text) {
    return made([](std::string& out, std::string_view t) { append_json_string(out, t); }, text);
  };
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("a\"b\\c/\n\r\t\b\f\x01\x1f\x7f"), R"("a\"b\\c/\n\r\t\u0008\u000c\u0001\u001f)"
                                                      "\x7f\"");
  EXPECT_EQ(quoted("\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80"), "\"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80\"");
  EXPECT_EQ(quoted("a\xe2\x80\xa8"
                   "b\xe2\x80\xa9"
                   "c\xe2\x80\xa7\xe2\x80\xaa"),
            "\"a\\u2028b\\u2029c\xe2\x80\xa7\xe2\x80\xaa\"");
}

TEST(JsonString, EveryPositionInsideAndOutsideAVectorRegister) {
  for (const std::string& special :
       std::vector<std::string>{"\"", "\\", "\n", "\x01", "\xe2\x80\xa8", "\xe2\x80\xa6", "\xe4\xbd\xa0"}) {
    for (std::size_t before = 0; before < 40; ++before) {
      for (const std::size_t after : {0u, 1u, 2u, 15u, 16u, 600u}) {
        const std::string text = std::string(before, 'a') + special + std::string(after, 'b');
        std::string out;
        append_json_string(out, text);
        ASSERT_EQ(json::parse(out), json(text)) << out;
        ASSERT_EQ(out.find("\xe2\x80\xa8"), std::string::npos);
      }
    }
  }
}

TEST(ServerFrame, EntryAsDocumented) {
  EntryView e = entry();
  e.skip = 1;
  EXPECT_EQ(json::parse(made([&](std::string& out) { append_entry(out, e); })),
            json::parse(R"({"t":"entry","conv":"7261402113","seq":13,"skip":1,"id":"7261409999",
    "ts":1763715661000,"type":"text","from":{"k":"v","id":"7261402000","name":"Visitor \"2000\""},"dev":"AAAAAAAAAAAAAAAB","n":3,"rev":13,"body":{"text":"Hello"}})"));
}

TEST(ServerFrame, EntryVariants) {
  EntryView e = entry();
  e.from_name = {};
  json item = json::parse(made([&](std::string& out) { append_entry(out, e, false); }));
  EXPECT_FALSE(item.contains("t"));
  EXPECT_FALSE(item.contains("skip"));
  EXPECT_FALSE(item.contains("audience"));
  EXPECT_FALSE(item.contains("state"));
  EXPECT_FALSE(item["from"].contains("name"));
  e.recalled = true;
  e.rev = 15;
  e.audience = Audience::kInternal;
  e.type = EntryType::kNote;
  item = json::parse(made([&](std::string& out) { append_entry(out, e); }));
  EXPECT_EQ(item["recalled"], true);
  EXPECT_FALSE(item.contains("body"));
  EXPECT_EQ(item["rev"], 15);
  EXPECT_EQ(item["audience"], "internal");
  EXPECT_EQ(item["type"], "note");
  e = entry();
  e.type = EntryType::kClaim;
  e.state = EntryView::State{Status::kActive, 3, {72614, "Li Na"}};
  item = json::parse(made([&](std::string& out) { append_entry(out, e); }));
  EXPECT_EQ(item["state"], json::parse(R"({"status":"active","claim":3,"assignee":{"id":"72614","name":"Li Na"}})"));
  e.state->assignee = {};
  item = json::parse(made([&](std::string& out) { append_entry(out, e); }));
  EXPECT_TRUE(item["state"]["assignee"].is_null());
  const std::string big = "{\"text\":\"" + std::string(15000, 'x') + "\"}";
  e.body = big;
  EXPECT_EQ(json::parse(made([&](std::string& out) { append_entry(out, e); }))["body"], json::parse(big));
}

TEST(ServerFrame, ConversationAsDocumented) {
  ConversationView c = conversation();
  EXPECT_EQ(json::parse(made([&](std::string& out) { append_conversation(out, c); })), json::parse(kConversation));
  c.for_visitor = true;
  c.assignee = {};
  c.last_seq = 0;
  c.waiting_since_ms = 5;
  c.status = Status::kWaiting;
  EXPECT_EQ(
      json::parse(made([&](std::string& out) { append_conversation(out, c); })),
      json::parse(
          R"({"conv":"7261402113","epoch":"k3f9","head":12,"status":"waiting","claim":2,"assignee":null,"channel":"72610","visitor":{"id":"7261402000"},
              "created":1763715600000,"last":null,"waiting_since":5})"));
}

TEST(ServerFrame, ReadyAsDocumented) {
  const ConversationView c = conversation();
  ReadyView r;
  r.re = 1;
  r.sid = "b3J";
  r.gen = 2;
  r.resume = "blob";
  r.hb_interval_ms = 25000;
  r.hb_grace_ms = 15000;
  r.window = 131072;
  r.ts_ms = 1763715600000;
  r.me = {PrincipalKind::kVisitor, 7261402000};
  r.tenant = {7261400000};
  r.tenant_name = "Demo";
  r.online = true;
  r.conv = &c;
  json expected = json::parse(
      R"({"t":"ready","re":1,"sid":"b3J","gen":2,"resume":"blob","hb":{"interval_ms":25000,"grace_ms":15000},
    "limits":{"window":131072,"text":4000,"entry":16384,"inflight":16,"frame":65536},"ts":1763715600000,"min_version":1,
    "me":{"k":"v","id":"7261402000"},"tenant":{"id":"7261400000","name":"Demo"},"online":true})");
  expected["conv"] = json::parse(kConversation);
  EXPECT_EQ(json::parse(made([&](std::string& out) { append_ready(out, r); })), expected);

  const AgentView agents[] = {{{5}, "Bo", AgentStatus::kOnline}, {{6}, "Li", AgentStatus::kAway}};
  r.me = {PrincipalKind::kAgent, 5};
  r.me_name = "Bo";
  r.me_role = "owner";
  r.online.reset();
  r.conv = nullptr;
  r.agents = agents;
  const json agent = json::parse(made([&](std::string& out) { append_ready(out, r); }));
  EXPECT_EQ(agent["me"], json::parse(R"({"k":"a","id":"5","role":"owner","name":"Bo"})"));
  EXPECT_EQ(agent["agents"],
            json::parse(R"([{"id":"5","name":"Bo","status":"online"},{"id":"6","name":"Li","status":"away"}])"));
  EXPECT_FALSE(agent.contains("online"));
  EXPECT_FALSE(agent.contains("conv"));
  r.refresh = true;
  EXPECT_EQ(made([&](std::string& out) { append_ready(out, r); }),
            R"({"t":"ready","re":1,"refresh":true,"resume":"blob"})");
}

TEST(ServerFrame, ResumedAndMarks) {
  const MarkView marks[] = {{{PrincipalKind::kAgent, 72614}, 12, 11}, {{PrincipalKind::kVisitor, 5}, 1, 0}};
  const json resumed =
      json::parse(made([&](std::string& out) { append_resumed(out, 4, conversation(), false, marks, true); }));
  EXPECT_EQ(resumed["t"], "resumed");
  EXPECT_EQ(resumed["re"], 4);
  EXPECT_EQ(resumed["conv"], json::parse(kConversation));
  EXPECT_EQ(resumed["state"], "ok");
  EXPECT_EQ(resumed["marks"], json::parse(R"([{"p":"a:72614","rcv":12,"read":11},{"p":"v:5","rcv":1,"read":0}])"));
  EXPECT_EQ(resumed["more"], true);
  const json reset =
      json::parse(made([&](std::string& out) { append_resumed(out, 0, conversation(), true, {}, false); }));
  EXPECT_EQ(reset["state"], "reset");
  EXPECT_FALSE(reset.contains("re"));
  EXPECT_EQ(reset["marks"], json::array());
  EXPECT_EQ(made([&](std::string& out) { append_marks(out, {9}, std::span(marks, 1)); }),
            R"({"t":"marks","conv":"9","marks":[{"p":"a:72614","rcv":12,"read":11}]})");
}

TEST(ServerFrame, AckAndStable) {
  EXPECT_EQ(
      made([&](std::string& out) {
        append_ack(out, 9, {7261402113}, std::nullopt, 3, 13, "k3f9", {7261409999}, 1763715661000, 13, true);
      }),
      R"({"t":"ack","re":9,"conv":"7261402113","n":3,"seq":13,"epoch":"k3f9","id":"7261409999","ts":1763715661000,"stable":13,"dup":true})");
  EXPECT_EQ(made([&](std::string& out) { append_ack(out, 0, {7}, dev(), 3, 0, "k", {}, 5, 13, false); }),
            R"({"t":"ack","conv":"7","dev":"AAAAAAAAAAAAAAAB","n":3,"seq":0,"epoch":"k","ts":5,"stable":13})");
  EXPECT_EQ(made([&](std::string& out) { append_ack(out, 0, {7}, std::nullopt, 3, 4, "k", {8}, 5, 4, false, 0); }),
            R"({"t":"ack","conv":"7","n":3,"seq":4,"epoch":"k","id":"8","ts":5,"stable":4,"echo":false})");
  EXPECT_EQ(made([&](std::string& out) { append_ack(out, 0, {7}, std::nullopt, 3, 4, "k", {8}, 5, 4, false, 2); }),
            R"({"t":"ack","conv":"7","n":3,"seq":4,"epoch":"k","id":"8","ts":5,"stable":4,"echo":false,"skip":2})");
  EXPECT_EQ(made([&](std::string& out) { append_stable(out, {7}, 13); }), R"({"t":"stable","conv":"7","upto":13})");
}

TEST(ServerFrame, PagesRowsAndDeltas) {
  std::string page;
  begin_page(page, 5, {7}, "k", 20, 19);
  append_entry(page, entry(), false);
  page += ',';
  append_entry(page, entry(), false);
  end_page(page, true);
  const json p = json::parse(page);
  EXPECT_EQ(p["items"].size(), 2u);
  EXPECT_EQ(p["head"], 20);
  EXPECT_EQ(p["stable"], 19);
  EXPECT_EQ(p["epoch"], "k");
  EXPECT_EQ(p["conv"], "7");
  EXPECT_EQ(p["re"], 5);
  EXPECT_EQ(p["more"], true);

  std::string rows;
  begin_rows(rows, 5, "inbox");
  end_rows(rows, {1, 2, 3}, false, 88);
  EXPECT_EQ(
      rows,
      R"({"t":"rows","re":5,"view":"inbox","rows":[],"counts":{"waiting":1,"mine":2,"open":3},"ipos":88,"more":false})");
  rows.clear();
  begin_rows(rows, 5, "open");
  append_conversation(rows, conversation());
  end_rows(rows, {}, true, std::nullopt);
  EXPECT_FALSE(json::parse(rows).contains("ipos"));
  EXPECT_EQ(json::parse(rows)["rows"][0], json::parse(kConversation));

  const ConversationView up[] = {conversation(), conversation()};
  const ConversationId gone[] = {{4}, {5}};
  const json delta = json::parse(made([&](std::string& out) { append_delta(out, 3, up, gone, {1, 2, 3}, false); }));
  EXPECT_EQ(delta["watch"], 3);
  EXPECT_EQ(delta["upsert"].size(), 2u);
  EXPECT_EQ(delta["remove"], json::parse(R"(["4","5"])"));
  EXPECT_EQ(delta["counts"]["mine"], 2);
  EXPECT_FALSE(delta.contains("changed"));
  EXPECT_EQ(json::parse(made([&](std::string& out) { append_delta(out, 3, {}, {}, {}, true); }))["changed"], true);
}

TEST(ServerFrame, SmallFrames) {
  EXPECT_EQ(made([&](std::string& out) {
              append_typing(out, {7}, {PrincipalKind::kAgent, 5}, "Bo", true);
            }),
            R"({"t":"typing","conv":"7","from":{"k":"a","id":"5","name":"Bo"},"on":true})");
  EXPECT_EQ(made([&](std::string& out) {
              append_typing(out, {7}, {PrincipalKind::kVisitor, 5}, "", false);
            }),
            R"({"t":"typing","conv":"7","from":{"k":"v","id":"5"},"on":false})");
  const AgentView agents[] = {{{5}, "Bo", AgentStatus::kBusy}};
  EXPECT_EQ(made([&](std::string& out) { append_presence_agents(out, agents); }),
            R"({"t":"presence","agents":[{"id":"5","name":"Bo","status":"busy"}]})");
  EXPECT_EQ(made([&](std::string& out) { append_presence_online(out, true); }), R"({"t":"presence","online":true})");
  EXPECT_EQ(made([&](std::string& out) { append_presence_agent(out, {7}, agents[0]); }),
            R"({"t":"presence","conv":"7","agent":{"id":"5","name":"Bo","status":"busy"}})");
  EXPECT_EQ(made([&](std::string& out) { append_queue(out, {7}, 3, false); }),
            R"({"t":"queue","conv":"7","position":3,"online":false})");
  EXPECT_EQ(made([&](std::string& out) { append_ping(out, 12); }), R"({"t":"ping","ts":12})");
  EXPECT_EQ(made([&](std::string& out) { append_pong(out, 0); }), R"({"t":"pong"})");
  EXPECT_EQ(made([&](std::string& out) { append_pong(out, 6); }), R"({"t":"pong","re":6})");
  const std::pair<ConversationId, std::uint64_t> heads[] = {{{7}, 3}, {{8}, 4}};
  EXPECT_EQ(made([&](std::string& out) { append_lag(out, heads); }), R"({"t":"lag","convs":{"7":3,"8":4}})");
  EXPECT_EQ(made([&](std::string& out) { append_slow(out, 250); }), R"({"t":"slow","pause_ms":250})");
  EXPECT_EQ(made([&](std::string& out) { append_bye(out, 10, CloseCode::kDrain); }),
            R"({"t":"bye","delay_ms":10,"code":"drain"})");
}

TEST(ServerFrame, Errors) {
  ErrorView e;
  e.re = 9;
  e.conv = {7261402113};
  e.n = 3;
  e.code = Code::kFiltered;
  e.field = "body.text";
  e.ref = "4f2a91c0";
  EXPECT_EQ(
      made([&](std::string& out) { append_error(out, e); }),
      R"({"t":"error","re":9,"conv":"7261402113","n":3,"status":422,"code":"filtered","message":"The message contains a word this site does not allow.","field":"body.text","retry":false,"ref":"4f2a91c0"})");
  ErrorView claimed;
  claimed.code = Code::kClaimed;
  claimed.by = Person{5, "Bo"};
  claimed.claim = 4;
  claimed.message = "Bo has it.";
  claimed.dev = dev();
  EXPECT_EQ(
      made([&](std::string& out) { append_error(out, claimed); }),
      R"({"t":"error","dev":"AAAAAAAAAAAAAAAB","status":409,"code":"claimed","message":"Bo has it.","retry":false,"by":{"id":"5","name":"Bo"},"claim":4})");
  ErrorView order;
  order.code = Code::kOutOfOrder;
  order.expected = 4;
  order.after_ms = 100;
  const json o = json::parse(made([&](std::string& out) { append_error(out, order); }));
  EXPECT_EQ(o["retry"], true);
  EXPECT_EQ(o["expected"], 4);
  EXPECT_EQ(o["after_ms"], 100);
  ErrorView closed;
  closed.code = Code::kClosed;
  closed.moved_to = {8};
  EXPECT_EQ(json::parse(made([&](std::string& out) { append_error(out, closed); }))["to"], "8");
}

}  // namespace
}  // namespace parley::protocol
