#include "session/placement.hpp"
#include "session_fixture.hpp"

namespace parley::session::test {
namespace {

class Handshake : public ChatTest {};

TEST_F(Handshake, AnswersAHelloWithTheVisitorsReservedConversation) {
  start();
  Client v = visitor(1);
  EXPECT_EQ(v.ready["conv"]["status"], "new");
  EXPECT_EQ(v.ready["conv"]["head"], 0);
  EXPECT_EQ(v.ready["me"]["id"], "1");
  EXPECT_EQ(v.ready["online"], false);
  EXPECT_TRUE(eventually([&] { return service->live_sessions() == 1; }));
}

TEST_F(Handshake, ClosesWithTheCodeThatTellsWhy) {
  start();
  const json good = visitor_hello(VisitorId{1}, new_dev());
  json hello = good;
  hello["token"] = "nonsense";
  EXPECT_EQ(close_code_of(hello), 4501);
  hello["token"] = visitor_token(VisitorId{1}, kSite, -10);
  EXPECT_EQ(close_code_of(hello), 4101);
  hello["token"] = visitor_token(VisitorId{1}, ChannelId{999});
  EXPECT_EQ(close_code_of(hello), 4501) << "a site that is gone";
  hello["token"] = visitor_token(VisitorId{1}, kSite, 900, TenantId{999});
  EXPECT_EQ(close_code_of(hello), 4501) << "a tenant that is gone";
  hello = good;
  hello["resume"] = "damaged";
  EXPECT_EQ(close_code_of(hello), 4100);
  hello = good;
  hello["dev"] = "AAAAAAAAAAAAAAAA";
  EXPECT_EQ(close_code_of(hello), 4500) << "that dev belongs to the homes";
  json agent = agent_hello(kAnn, new_dev());
  agent["token"] = "unknown";
  EXPECT_EQ(close_code_of(agent), 4501);
  agent["token"] = "disabled";
  EXPECT_EQ(close_code_of(agent), 4503);
  agent["token"] = "down";
  EXPECT_EQ(close_code_of(agent), 4006);
}

TEST_F(Handshake, ClosesWhoSaysNothing) {
  settings.session.hello = 100ms;
  start();
  EXPECT_EQ(connect(own_page()).closed_with(), 4008);
}

TEST_F(Handshake, BelievesACookieOnlyFromOurOwnPages) {
  start();
  json hello = agent_hello(kAnn, new_dev());
  hello.erase("token");
  PeerInfo info = own_page();
  EXPECT_EQ(close_code_of(hello, info), 4501) << "no cookie";
  info.cookie = "a:" + kAnn.str();
  info.own_origin = false;
  EXPECT_EQ(close_code_of(hello, info), 4504);
  info.own_origin = true;
  FakePeer& peer = connect(info);
  peer.say(hello);
  EXPECT_EQ(peer.take("ready")["me"]["name"], "Ann");
}

TEST_F(Handshake, LetsASiteInOnlyFromItsOrigins) {
  start();
  PeerInfo elsewhere;
  elsewhere.origin = "https://evil.example";
  EXPECT_EQ(close_code_of(visitor_hello(VisitorId{1}, new_dev()), elsewhere), 4504);
  EXPECT_EQ(close_code_of(visitor_hello(VisitorId{1}, new_dev()), PeerInfo{}), 4504) << "a web site's key from no page";
  PeerInfo shop;
  shop.origin = "https://shop.example";
  FakePeer& allowed = connect(shop);
  allowed.say(visitor_hello(VisitorId{1}, new_dev()));
  allowed.take("ready");
  json app = visitor_hello(VisitorId{2}, new_dev());
  app["token"] = visitor_token(VisitorId{2}, kApp);
  FakePeer& native = connect(PeerInfo{});
  native.say(app);
  native.take("ready");
}

TEST_F(Handshake, RefusesADisabledTenantAndSendsItsSessionsAway) {
  start();
  Client before = visitor(1);
  write([](store::Sql& sql) {
    store::Tenant tenant = *store::tenants::by_id(sql, kTenant);
    tenant.disabled = true;
    store::tenants::update(sql, tenant);
  });
  service->tenant_changed(kTenant);
  EXPECT_EQ(before.peer->closed_with(), 4503);
  EXPECT_EQ(close_code_of(visitor_hello(VisitorId{2}, new_dev())), 4503);
}

TEST_F(Handshake, AppliesAChangeThatCouldNotBeReadAtFirst) {
  start();
  Client before = visitor(1);
  write([](store::Sql& sql) {
    store::Tenant tenant = *store::tenants::by_id(sql, kTenant);
    tenant.disabled = true;
    store::tenants::update(sql, tenant);
  });
  database->fail(true);
  const std::size_t reads = database->reads();
  service->tenant_changed(kTenant);
  EXPECT_TRUE(eventually([&] { return database->reads() > reads; }));
  Client meanwhile = visitor(2);
  EXPECT_EQ(meanwhile.text("what was known stays in force")["seq"], 1);
  EXPECT_TRUE(eventually([&] { return database->reads() > reads + 1; })) << "it is tried again";
  database->fail(false);
  EXPECT_EQ(before.peer->closed_with(), 4503);
  EXPECT_EQ(meanwhile.peer->closed_with(), 4503);
}

TEST_F(Handshake, KnowsATenantOnEveryReactorWhenOneKnowsIt) {
  reactors_wanted = 2;
  start();
  const std::size_t home = Placement(2, settings.tenant).desk(kTenant), other = 1 - home;
  database->fail(true);
  EXPECT_EQ(close_code_of(visitor_hello(VisitorId{1}, new_dev())), 4006) << "nobody knows it";
  database->fail(false);
  visitor(1, home);  // only its own reactor has to do with it
  database->fail(true);
  const std::size_t reads = database->reads();
  Client v = visitor(2, other);
  EXPECT_EQ(v.text("hello")["seq"], 1);
  EXPECT_EQ(database->reads(), reads + 1) << "the other one asks for itself, too";
  database->fail(false);
  EXPECT_TRUE(eventually([&] { return database->reads() > reads + 1; })) << "until it is answered";
}

TEST_F(Handshake, AnswersWhatCameBeforeHelloAlsoOnItsWayToAnotherReactor) {
  reactors_wanted = 2;
  start();
  const std::size_t home = Placement(2, settings.tenant).desk(kTenant), other = 1 - home;
  visitor(1, home);
  visitor(2, other);  // both know the tenant now, so the way from hello to the move is one turn
  FakePeer& peer = connect(own_page(), other);
  json frames = json::array();
  frames.push_back({{"t", "probe"}, {"id", 9}});
  frames.push_back(visitor_hello(VisitorId{3}, new_dev()));
  peer.say(frames);
  EXPECT_EQ(peer.reply_to(9)["code"], "unauthenticated");
  EXPECT_EQ(peer.reply_to(1)["t"], "ready");
}

TEST_F(Handshake, SaysByeToWhoIsNotAdmitted) {
  start();
  PeerInfo info = own_page();
  info.admitted = false;
  FakePeer& peer = connect(info);
  EXPECT_EQ(peer.closed_with(), 4006);
  EXPECT_GT(peer.take("bye")["delay_ms"], 0);
}

TEST_F(Handshake, KeepsTheSidOfAResumeAndClosesTheOlderSocket) {
  start();
  Client first = visitor(1);
  Client second = visitor(1, 0, {{"resume", first.ready["resume"]}});
  EXPECT_EQ(second.ready["sid"], first.ready["sid"]);
  EXPECT_EQ(second.ready["gen"], 2);
  EXPECT_EQ(second.ready["conv"]["conv"], first.conv()) << "its reserved id stays its own";
  EXPECT_EQ(first.peer->closed_with(), 4505);
  EXPECT_EQ(close_code_of([&] {
              json foreign = visitor_hello(VisitorId{2}, new_dev());
              foreign["resume"] = first.ready["resume"];
              return foreign;
            }()),
            4100);
}

TEST_F(Handshake, KeepsAReservedIdOverARestart) {
  start();
  Client before = visitor(1);
  const std::string conv = before.conv(), resume = before.ready["resume"];
  restart();
  Client after = visitor(1, 0, {{"resume", resume}});
  EXPECT_EQ(after.conv(), conv);
  EXPECT_EQ(after.text("hello")["seq"], 1);
}

TEST_F(Handshake, ResumesFromACursorOrTellsToForget) {
  start();
  Client v = visitor(1);
  for (int i = 1; i <= 5; ++i) v.text("m" + std::to_string(i));
  const std::string epoch =
      v.entry("m1").is_object() ? v.ask({{"t", "sync"}, {"conv", v.conv()}, {"after", 0}})["epoch"] : "";
  Client again = visitor(1, 0, {{"cursors", {{v.conv(), {epoch, 3}}}}});
  json resumed = again.peer->take("resumed");
  EXPECT_EQ(resumed["state"], "ok");
  EXPECT_EQ(resumed["more"], false);
  again.peer->settle();
  EXPECT_EQ(again.seqs(v.conv()), (std::vector<std::uint64_t>{4, 5}));

  Client lost = visitor(1, 0, {{"cursors", {{v.conv(), {"zzzz", 3}}}}});
  EXPECT_EQ(lost.peer->take("resumed")["state"], "reset");
  lost.peer->settle();
  EXPECT_EQ(lost.seqs(v.conv()), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  Client ahead = visitor(1, 0, {{"cursors", {{v.conv(), {epoch, 9}}}}});
  EXPECT_EQ(ahead.peer->take("resumed")["state"], "reset");

  Client foreign = visitor(2, 0, {{"cursors", {{v.conv(), {epoch, 3}}}}});
  EXPECT_EQ(foreign.peer->take("error")["code"], "unknown_conv");
}

TEST_F(Handshake, SaysWhenThereIsMoreThanACatchUpHolds) {
  settings.session.visitor_sends_per_second = 100000;
  start();
  Client v = visitor(1);
  const std::string conv = v.conv();
  for (int i = 1; i <= 230; ++i) v.text("m" + std::to_string(i));
  const std::string epoch = v.ask({{"t", "sync"}, {"conv", conv}, {"after", 200}})["epoch"];
  restart();
  Client again = visitor(1, 0, {{"cursors", {{conv, {epoch, 10}}}}});
  EXPECT_EQ(again.peer->take("resumed")["more"], true);
  again.peer->settle();
  EXPECT_EQ(again.seqs(conv).size(), 200u);
  EXPECT_EQ(again.seqs(conv).back(), 210u);
  json page = again.ask({{"t", "sync"}, {"conv", conv}, {"after", 210}, {"limit", 100}});
  EXPECT_EQ(page["items"].size(), 20u);
  EXPECT_EQ(page["more"], false);
}

TEST_F(Handshake, PingsAndClosesWhoStaysSilent) {
  settings.session.visitor_ping = 200ms;
  settings.session.visitor_grace = 200ms;
  start();
  Client v = visitor(1);
  v.peer->take("ping");
  v.peer->say({{"t", "pong"}});
  v.peer->take("ping");
  EXPECT_EQ(v.peer->closed_with(), 4003);
}

TEST_F(Handshake, ClosesAFloodOfFramesAlsoInsideOneMessage) {
  settings.session.visitor_send_burst = 3;  // ten frames each
  start();
  Client v = visitor(1);
  json flood = json::array();
  for (int i = 0; i < 60; ++i) flood.push_back({{"t", "probe"}});
  v.peer->say(flood);
  EXPECT_EQ(v.peer->closed_with(), 4007);
}

TEST_F(Handshake, DrainsWithSlotsAndSendsNewcomersAway) {
  start();
  Client a = visitor(1), b = visitor(2);
  service->drain(1000ms);
  const std::uint64_t first = a.peer->take("bye")["delay_ms"], second = b.peer->take("bye")["delay_ms"];
  EXPECT_NE(first, second);
  EXPECT_LT(std::max(first, second), 1000u);
  EXPECT_EQ(connect(own_page()).closed_with(), 4000);
  service->close_all();
  EXPECT_EQ(a.peer->closed_with(), 4000);
  EXPECT_TRUE(eventually([&] { return service->live_sessions() == 0; }));
}

TEST_F(Handshake, EndsTheSessionsOfARevokedAgent) {
  start();
  Client ann = agent(kAnn), bob = agent(kBob);
  service->revoke(kAnn);
  EXPECT_EQ(ann.peer->closed_with(), 4501);
  bob.peer->settle();
  EXPECT_FALSE(bob.peer->is_closed());
}

}  // namespace
}  // namespace parley::session::test
