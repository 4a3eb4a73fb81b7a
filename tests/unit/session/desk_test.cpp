#include "session_fixture.hpp"

namespace parley::session::test {
namespace {

class DeskLists : public ChatTest {};

TEST_F(DeskLists, TellsVisitorsTheirPlacesAsTheQueueMoves) {
  start();
  Client a = visitor(1), b = visitor(2), c = visitor(3), ann = agent(kAnn);
  auto place = [](Client& v, int position) {
    v.peer->take("queue", [&](const json& q) { return q["position"] == position; });
  };
  a.text("a");
  b.text("b");
  c.text("c");
  place(a, 1);
  place(b, 2);
  place(c, 3);
  ann.send(a.conv(), "claim");
  place(a, 0);
  place(b, 1);
  place(c, 2);
  b.send(b.conv(), "close");
  place(c, 1);
  Client tab = visitor(3);
  place(tab, 1);
}

TEST_F(DeskLists, SendsRowsThenWhatChanges) {
  start();
  Client v = visitor(1), ann = agent(kAnn), bob = agent(kBob);
  v.text("first words");
  const json waiting = ann.ask({{"t", "watch"}, {"view", "waiting"}});
  const std::uint64_t list = waiting["re"];
  EXPECT_EQ(waiting["rows"][0]["last"]["text"], "first words");
  EXPECT_EQ(waiting["rows"][0]["unread"], 1);
  EXPECT_EQ(waiting["counts"]["waiting"], 1);
  const json mine = bob.ask({{"t", "watch"}, {"view", "mine"}});
  EXPECT_EQ(mine["rows"].size(), 0u);
  bob.send(v.conv(), "claim");
  EXPECT_EQ(
      ann.peer->take("delta", [&](const json& d) { return d["watch"] == list && !d["remove"].empty(); })["remove"][0],
      v.conv());
  const json delta = bob.peer->take("delta", [](const json& d) { return !d["upsert"].empty(); });
  EXPECT_EQ(delta["upsert"][0]["assignee"]["name"], "Bob");
  EXPECT_EQ(delta["counts"]["mine"], 1);
  EXPECT_EQ(delta["counts"]["waiting"], 0);

  const json closed = ann.ask({{"t", "watch"}, {"view", "closed"}});
  EXPECT_EQ(closed["rows"].size(), 0u);
  bob.send(v.conv(), "close");
  ann.peer->take("delta", [&](const json& d) { return d["watch"] == closed["re"] && d.value("changed", false); });
  EXPECT_EQ(ann.ask({{"t", "watch"}, {"view", "closed"}})["rows"].size(), 1u);
}

TEST_F(DeskLists, CountsWhatAnAgentHasNotRead) {
  start();
  Client v = visitor(1), ann = agent(kAnn), bob = agent(kBob);
  v.text("one");
  v.text("two");
  watch(ann, v.conv());
  auto unread = [&](Client& who) {
    return who.ask({{"t", "watch"}, {"view", "open"}})["rows"][0]["unread"].get<int>();
  };
  EXPECT_EQ(unread(ann), 2);
  ann.peer->say({{"t", "read"}, {"conv", v.conv()}, {"upto", 2}});
  EXPECT_TRUE(eventually([&] { return unread(ann) == 0; }));
  EXPECT_EQ(unread(bob), 2);
  v.text("three");
  EXPECT_TRUE(eventually([&] { return unread(ann) == 1; }));
}

TEST_F(DeskLists, StartsFromTheStore) {
  start();
  Client a = visitor(1), b = visitor(2), c = visitor(3), ann = agent(kAnn);
  for (Client* v : {&a, &b, &c}) v->text("hello");
  ann.send(b.conv(), "claim");
  ann.send(c.conv(), "close");
  const std::string mine = b.conv();
  restart();
  Client again = agent(kAnn);
  const json open = again.ask({{"t", "watch"}, {"view", "open"}});
  EXPECT_EQ(open["rows"].size(), 2u);
  EXPECT_EQ(open["counts"]["mine"], 1);
  EXPECT_EQ(again.ask({{"t", "watch"}, {"view", "mine"}})["rows"][0]["conv"], mine);
  EXPECT_EQ(again.ask({{"t", "inbox"}, {"since", 0}})["rows"].size(), 3u);
}

TEST_F(DeskLists, KeepsAnAgentPresentForAWhileAfterItsLastSession) {
  settings.session.agent_presence = 600ms;
  start();
  Client ann = agent(kAnn), bob = agent(kBob), v = visitor(1);
  EXPECT_EQ(v.ready["online"], true);
  bob.peer->say({{"t", "status"}, {"value", "busy"}});
  ann.peer->take("presence", [](const json& p) { return p["agents"][0]["status"] == "busy"; });
  Client second = agent(kAnn);
  ann.peer->cut();
  v.peer->settle();
  second.peer->cut();
  const json gone = bob.peer->take(
      "presence", [](const json& p) { return p["agents"][0]["name"] == "Ann" && p["agents"][0]["status"] == "away"; });
  EXPECT_EQ(gone["agents"].size(), 1u);
  v.peer->take("presence", [](const json& p) { return p.value("online", true) == false; });
  EXPECT_FALSE(service->online(kTenant));
  // A socket that fails in the handshake makes nobody present.
  json hello = agent_hello(kAnn, new_dev());
  hello["resume"] = "damaged";
  EXPECT_EQ(close_code_of(hello), 4100);
  bob.peer->settle();
  EXPECT_FALSE(service->online(kTenant));
}

TEST_F(DeskLists, LimitsTheListsOfASession) {
  start();
  Client ann = agent(kAnn);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(ann.ask({{"t", "watch"}, {"view", "open"}})["t"], "rows");
  EXPECT_EQ(ann.ask({{"t", "watch"}, {"view", "open"}})["code"], "rate");
}

class Reading : public ChatTest {};

TEST_F(Reading, TellsASlowReaderOnceAndClosesItWithoutProgress) {
  settings.session.agent_window = 8192;
  settings.session.no_progress = 1500ms;
  settings.session.visitor_sends_per_second = 100000;
  start();
  Client v = visitor(1), ann = agent(kAnn);
  v.text("first");
  watch(ann, v.conv());
  ann.peer->stall();
  for (int i = 0; i < 20; ++i) v.text(std::string(1000, 'x'));
  ann.peer->settle();
  EXPECT_LT(ann.seqs(v.conv()).size(), 20u) << "not all were queued";
  EXPECT_TRUE(ann.peer->all("lag").empty()) << "it does not read yet";
  ann.peer->drain();
  EXPECT_EQ(ann.peer->take("lag")["convs"][v.conv()], 21);
  const std::uint64_t last = ann.seqs(v.conv()).back();
  const json page = ann.ask({{"t", "sync"}, {"conv", v.conv()}, {"after", last}, {"limit", 100}});
  EXPECT_EQ(page["items"].front()["seq"], last + 1);
  EXPECT_EQ(page["items"].back()["seq"], 21);
  v.text("live again");
  ann.entry("live again");

  ann.peer->stall();
  for (int i = 0; i < 20; ++i) v.text(std::string(1000, 'x'));
  EXPECT_EQ(ann.peer->closed_with(), 4002);
}

TEST_F(Reading, ForgetsASessionThatEndsWhileItsConversationIsLoaded) {
  start();
  Client v = visitor(1);
  const std::string conv = v.conv();
  v.text("hello");
  restart();
  Client ann = agent(kAnn), bob = agent(kBob);
  journal->hold_loads(true);
  ann.peer->say({{"t", "watch"}, {"conv", conv}, {"id", 7}});
  ann.peer->settle();
  ann.peer->cut();
  EXPECT_TRUE(eventually([&] { return service->live_sessions() == 1; }));
  const std::uint64_t out = messages_out();
  journal->hold_loads(false);
  EXPECT_EQ(bob.send(conv, "claim")["seq"], 2);
  EXPECT_EQ(messages_out(), out) << "nobody listens";
  EXPECT_EQ(ann.seqs(conv).size(), 0u);
}

TEST_F(Reading, ForgetsAVisitorWhoOpenedAConversationAndLeft) {
  start();
  Client v = visitor(1), ann = agent(kAnn);
  v.text("hello");
  v.entry("hello");
  v.peer->cut();
  EXPECT_TRUE(eventually([&] { return service->live_sessions() == 1; }));
  const std::uint64_t out = messages_out();
  EXPECT_EQ(ann.send(v.conv(), "claim")["seq"], 2);
  EXPECT_EQ(messages_out(), out) << "nobody listens";
}

TEST_F(Reading, SendsAVisitorAwayWhoseConversationCannotBeRead) {
  start();
  Client v = visitor(1);
  v.text("hello");
  restart();
  journal->fail_reads(true);
  EXPECT_EQ(close_code_of(visitor_hello(VisitorId{1}, new_dev())), 4006);
  Client ann = agent(kAnn);
  const json refused = ann.ask({{"t", "watch"}, {"conv", v.conv()}});
  EXPECT_EQ(refused["code"], "journal_down");
  journal->fail_reads(false);
  watch(ann, v.conv());
}

class WideTenant : public ChatTest {};

TEST_F(WideTenant, ServesVisitorAgentAndHomeOnDifferentReactors) {
  reactors_wanted = 2;
  settings.tenant.reactors = 2;
  start();
  Client ann = agent(kAnn, 1), bob = agent(kBob);
  std::map<Reactor*, int> homes;
  std::vector<Client> visitors;
  for (std::uint64_t i = 1; i <= 8; ++i) visitors.push_back(visitor(i, i % 2));
  for (Client& v : visitors) {
    ++homes[&v.peer->home()];  // a visitor lives where its conversations do
    EXPECT_EQ(v.text("hello " + v.conv())["seq"], 1);
    watch(ann, v.conv());
    watch(bob, v.conv());
    const json claimed = ann.send(v.conv(), "claim", json::object(), 0, {{"if", {{"claim", 0}}}});
    EXPECT_EQ(claimed["seq"], 2) << claimed;
    EXPECT_EQ(ann.send(v.conv(), "text", {{"text", "answer " + v.conv()}})["seq"], 3);
    EXPECT_EQ(v.entry("answer " + v.conv())["from"]["name"], "Ann");
    bob.entry("answer " + v.conv());
    ann.peer->say({{"t", "read"}, {"conv", v.conv()}, {"upto", 3}});
    v.peer->take("marks", [](const json& m) { return m["marks"][0]["read"] == 3; });
  }
  EXPECT_EQ(homes.size(), 2u) << "both reactors own conversations";
  EXPECT_EQ(bob.ask({{"t", "watch"}, {"view", "open"}})["counts"]["open"], 8);
  EXPECT_TRUE(eventually([&] { return ann.ask({{"t", "watch"}, {"view", "mine"}})["counts"]["mine"] == 8; }));
  service->close_all();
  EXPECT_TRUE(eventually([&] { return service->live_sessions() == 0; }));
}

TEST_F(WideTenant, KnowsNamesOnAReactorWhereNobodyOfTheTenantLives) {
  reactors_wanted = 2;
  settings.tenant.reactors = 2;
  start();
  std::vector<std::string> convs;
  for (std::uint64_t i = 1; i <= 6; ++i) {
    Client v = visitor(i);
    v.text("hello");
    convs.push_back(v.conv());
  }
  {
    Client ann = agent(kAnn);
    for (const std::string& conv : convs) {
      ann.send(conv, "claim");
      ann.send(conv, "text", {{"text", "answer"}});
    }
  }
  restart();
  Client bob = agent(kBob);
  for (const std::string& conv : convs) {
    const json resumed = bob.ask({{"t", "watch"}, {"conv", conv}});
    EXPECT_EQ(resumed["conv"]["assignee"]["name"], "Ann");
  }
}

}  // namespace
}  // namespace parley::session::test
