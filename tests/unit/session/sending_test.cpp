#include "session_fixture.hpp"

namespace parley::session::test {
namespace {

class Sending : public ChatTest {
 protected:
  /// `action`: block or mask.
  void forbid(const std::string& word, const std::string& action) {
    write([&](store::Sql& sql) {
      store::WordList list;
      list.id = 5;
      list.tenant = kTenant;
      list.name = "bad";
      list.action = action;
      list.words = {word};
      store::word_lists::insert(sql, list);
    });
  }
};

TEST_F(Sending, StoresAcknowledgesAndShowsEachMessageOnce) {
  start();
  Client v = visitor(1);
  const json ack = v.text("hello");
  EXPECT_EQ(ack["t"], "ack");
  EXPECT_EQ(ack["seq"], 1);
  EXPECT_EQ(ack["stable"], 1);
  const json entry = v.entry("hello");
  EXPECT_EQ(entry["dev"], v.dev);
  EXPECT_EQ(entry["state"]["status"], "waiting");
  v.text("again");
  v.peer->settle();
  EXPECT_EQ(v.seqs(v.conv()), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(Sending, TellsTheSenderWhenItsMessagesAreArchived) {
  journal->archive_later();
  start();
  Client v = visitor(1);
  EXPECT_EQ(v.text("one")["stable"], 0);
  EXPECT_EQ(v.text("two")["stable"], 0);
  Client reader = agent(kAnn);
  watch(reader, v.conv());
  journal->archive(*reactors[0], *ConversationId::parse(v.conv()), 1);
  v.peer->settle();
  EXPECT_TRUE(v.peer->all("stable").empty()) << "not all that it sent";
  EXPECT_EQ(v.text("three")["stable"], 1) << "an ack says how far it is";

  Client again = visitor(1);
  EXPECT_EQ(again.peer->all("resumed").back()["stable"], 1);
  journal->archive(*reactors[0], *ConversationId::parse(v.conv()), 3);
  ASSERT_TRUE(eventually([&] { return v.peer->all("stable").size() == 1; }));
  EXPECT_EQ(v.peer->all("stable")[0]["upto"], 3);
  journal->archive(*reactors[0], *ConversationId::parse(v.conv()), 3);
  v.peer->settle();
  EXPECT_EQ(v.peer->all("stable").size(), 1u) << "nothing of it is waiting any more";
  reader.peer->settle();
  EXPECT_TRUE(reader.peer->all("stable").empty()) << "whoever sent nothing is not told";
  EXPECT_FALSE(visitor(1).peer->all("resumed").back().contains("stable")) << "all of it is";
}

TEST_F(Sending, TakesTheAckForTheEntryWhereASenderAsksForIt) {
  start();
  forbid("poker", "mask");
  const json quiet = {{"echo", false}};
  Client v = visitor(1, 0, quiet), tab = visitor(1), ann = agent(kAnn, 0, quiet);
  EXPECT_FALSE(v.text("opens").contains("echo")) << "it changes the conversation: the entry says how";
  EXPECT_EQ(v.entry("opens")["state"]["status"], "waiting");
  watch(ann, v.conv());
  EXPECT_FALSE(ann.send(v.conv(), "claim").contains("echo"));
  ann.send(v.conv(), "note", {{"text", "internal"}});

  const json ack = v.text("as it is");
  EXPECT_EQ(ack["echo"], false);
  EXPECT_EQ(ack["seq"], 4);
  EXPECT_EQ(ack["skip"], 1) << "the note, which the visitor does not get";
  EXPECT_EQ(ann.entry("as it is")["seq"], 4);
  EXPECT_EQ(tab.entry("as it is")["seq"], 4) << "its other tabs do not know it";
  const json answer = ann.send(v.conv(), "text", {{"text", "answer"}});
  EXPECT_EQ(answer["echo"], false);
  EXPECT_FALSE(answer.contains("skip"));
  EXPECT_FALSE(v.text("a poker game").contains("echo")) << "it does not read as it was sent";
  v.peer->settle();
  ann.peer->settle();
  EXPECT_EQ(v.seqs(v.conv()), (std::vector<std::uint64_t>{1, 2, 5, 6})) << "all that it did not know";
  EXPECT_EQ(ann.seqs(v.conv()), (std::vector<std::uint64_t>{1, 2, 3, 4, 6}));

  const json again = v.send(v.conv(), "text", {{"text", "as it is"}}, 2);
  EXPECT_EQ(again["dup"], true);
  EXPECT_FALSE(again.contains("echo"));
}

TEST_F(Sending, EchoesWhatComesUnderTheDevOfAnotherTab) {
  start();
  const std::string dead = new_dev();
  Client v = visitor(1, 0, {{"echo", false}});
  v.text("opens");
  const json ack = v.send(v.conv(), "text", {{"text", "left over"}}, 1, {{"dev", dead}});
  EXPECT_EQ(ack["dev"], dead);
  EXPECT_FALSE(ack.contains("echo"));
  EXPECT_EQ(v.entry("left over")["dev"], dead);
}

TEST_F(Sending, EchoesToASenderThatDoesNotListen) {
  start();
  Client v = visitor(1);
  v.text("opens");
  Client ann = agent(kAnn, 0, {{"echo", false}});
  ann.send(v.conv(), "claim");
  EXPECT_FALSE(ann.send(v.conv(), "text", {{"text", "unseen"}}).contains("echo")) << "it has no log to put it into";
}

TEST_F(Sending, EchoesATextThatItsSenderGaveUpOnTheWay) {
  start();
  Client v = visitor(1, 0, {{"echo", false}});
  v.text("opens");
  journal->hold();
  v.post(v.conv(), "text", {{"text", "too slow"}});
  const std::uint64_t gave_up = v.post(v.conv(), "void", json::object(), 2);
  v.peer->settle();
  journal->release();
  const json ack = v.peer->reply_to(gave_up);
  EXPECT_EQ(ack["seq"], 2);
  EXPECT_FALSE(ack.contains("echo"));
  EXPECT_EQ(v.entry("too slow")["seq"], 2);
}

TEST_F(Sending, OutlivesAJournalThatNeverAnswers) {
  start();
  Client v = visitor(1, 0, {{"echo", false}});
  v.text("opens");
  journal->hold();
  v.post(v.conv(), "text", {{"text", "lost"}});
  v.peer->settle();
  journal->forget_held();
  v.post(v.conv(), "text", {{"text", "lost"}}, 2);
  v.post(v.conv(), "close", json::object(), 3);
  v.peer->settle();
  EXPECT_TRUE(v.peer->all("error").empty()) << "nobody knows what became of it";
}

TEST_F(Sending, GivesTheFirstAnswerAgain) {
  start();
  Client v = visitor(1);
  const json first = v.text("hello");
  const json again = v.send(v.conv(), "text", {{"text", "hello"}}, 1);
  EXPECT_EQ(again["seq"], first["seq"]);
  EXPECT_EQ(again["dup"], true);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "other"}}, 1)["code"], "id_conflict");
  const json gap = v.send(v.conv(), "text", {{"text", "later"}}, 7);
  EXPECT_EQ(gap["code"], "out_of_order");
  EXPECT_EQ(gap["expected"], 2);
  for (int i = 2; i <= 20; ++i) v.text("m" + std::to_string(i));
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "hello"}}, 1)["code"], "too_old");
}

TEST_F(Sending, AnswersARepeatOnAnotherSocketWhileTheFirstIsOnItsWay) {
  start();
  Client v = visitor(1);
  v.text("hello");
  journal->hold();
  v.post(v.conv(), "text", {{"text", "slow"}}, 2);
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 1; }));
  Client w = visitor(1, 0, {{"dev", v.dev}});
  w.post(v.conv(), "text", {{"text", "slow"}}, 2);
  EXPECT_EQ(w.send(v.conv(), "text", {{"text", "not the same"}}, 2)["code"], "id_conflict");
  const std::uint64_t asks = w.post(v.conv(), "void", json::object(), 2);
  w.peer->settle();
  journal->release();
  EXPECT_EQ(w.peer->reply_to(asks)["seq"], 2) << "whoever asked last is answered";
  w.peer->settle();
  EXPECT_EQ(w.send(v.conv(), "text", {{"text", "slow"}}, 2)["dup"], true);
  EXPECT_EQ(w.seqs(v.conv()).back(), 2u);
}

TEST_F(Sending, AVoidGivesUpANumberAlsoWhenTheMessageComesAfterAll) {
  start();
  Client v = visitor(1);
  v.text("hello");
  journal->hold();
  v.post(v.conv(), "void", json::object(), 2);
  const std::uint64_t overtaken = v.post(v.conv(), "text", {{"text", "late"}}, 2);
  v.peer->settle();
  journal->release();
  EXPECT_EQ(v.peer->reply_to(overtaken)["seq"], 0);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "late"}}, 2)["seq"], 0);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "next"}}, 3)["seq"], 2);
  EXPECT_EQ(v.send(v.conv(), "void", json::object(), 3)["seq"], 2) << "a void never takes back what is stored";
}

TEST_F(Sending, GoesBackToTheFirstThatTheJournalCouldNotTake) {
  start();
  Client v = visitor(1);
  for (int i = 1; i <= 4; ++i) v.text("m" + std::to_string(i));
  journal->fail_with(store::Code::kJournalFull);
  journal->hold();
  const std::uint64_t five = v.post(v.conv(), "text", {{"text", "m5"}}, 5);
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 1; }));
  journal->release();
  EXPECT_EQ(v.peer->reply_to(five)["code"], "journal_full");
  journal->fail_with(store::Code::kOk);

  // Now the same with two more behind it, and the repeat of 5 comes before those two are answered.
  journal->hold();
  const std::uint64_t again = v.post(v.conv(), "text", {{"text", "m5"}}, 5);
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 1; }));
  const std::uint64_t six = v.post(v.conv(), "text", {{"text", "m6"}}, 6);
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 2; }));
  journal->fail_first_batch(store::Code::kJournalFull);
  EXPECT_EQ(v.peer->reply_to(again)["code"], "journal_full");
  const json busy = v.send(v.conv(), "text", {{"text", "m5"}}, 5);
  EXPECT_EQ(busy["code"], "busy") << busy;
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "m6"}}, 6)["expected"], 5);
  journal->release();
  const json refused = v.peer->reply_to(six);
  EXPECT_EQ(refused["code"], "out_of_order");
  EXPECT_EQ(refused["expected"], 5);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "m5"}}, 5)["seq"], 5);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "m6"}}, 6)["seq"], 6);
  v.peer->settle();
  EXPECT_EQ(v.seqs(v.conv()), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(Sending, RefusesWithoutUsingTheNumberWhileTheQueueIsFull) {
  start();
  Client v = visitor(1);
  journal->refuse_submits(true);
  const json busy = v.send(v.conv(), "text", {{"text", "hello"}}, 1);
  EXPECT_EQ(busy["code"], "busy");
  EXPECT_EQ(busy["retry"], true);
  EXPECT_GT(busy["after_ms"], 0);
  journal->refuse_submits(false);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "hello"}}, 1)["seq"], 1);
  v.entry("hello");
}

TEST_F(Sending, AsksToPauseOnceForEachPauseWhenTheJournalTakesNothing) {
  start();
  Client v = visitor(1), other = visitor(2);
  for (const auto& [code, pause_ms] : {std::pair(store::Code::kJournalFull, 2000), {store::Code::kJournalDown, 1000}}) {
    journal->fail_with(code);
    Client& who = code == store::Code::kJournalFull ? v : other;
    const json refused = who.send(who.conv(), "text", {{"text", "a"}}, 1);
    EXPECT_EQ(refused["after_ms"], pause_ms);
    EXPECT_EQ(who.peer->take("slow")["pause_ms"], refused["after_ms"]);
    for (int i = 0; i < 5; ++i) who.send(who.conv(), "text", {{"text", "a"}}, 1);
    who.peer->settle();
    EXPECT_EQ(who.peer->all("slow").size(), 1u) << "it is asked once";
  }
  ASSERT_TRUE(eventually([&] {
    other.send(other.conv(), "text", {{"text", "a"}}, 1);
    return other.peer->all("slow").size() == 2;
  })) << "and once more after the pause";
  journal->fail_with(store::Code::kOk);
  EXPECT_EQ(other.send(other.conv(), "text", {{"text", "a"}}, 1)["seq"], 1) << "a pause is a request, no refusal";
  other.peer->settle();
  EXPECT_EQ(other.peer->all("slow").size(), 2u);
}

TEST_F(Sending, AsksToPauseWhenTheQueueOfTheJournalIsFullOrHalfFull) {
  start();
  Client v = visitor(1), other = visitor(2), third = visitor(3);
  journal->refuse_submits(true);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "a"}}, 1)["code"], "busy");
  EXPECT_EQ(v.peer->take("slow")["pause_ms"], 1000);
  journal->refuse_submits(false);
  journal->pretend_queued(32768);
  std::this_thread::sleep_for(600ms);  // it looks twice
  EXPECT_EQ(other.text("not yet")["seq"], 1);
  other.peer->settle();
  EXPECT_TRUE(other.peer->all("slow").empty());
  journal->pretend_queued(32769);
  std::uint64_t seq = 1;
  ASSERT_TRUE(eventually([&] {
    EXPECT_EQ(other.text("more")["seq"], ++seq);
    return !other.peer->all("slow").empty();
  }));
  EXPECT_EQ(other.peer->take("slow")["pause_ms"], 500);
  third.peer->settle();
  EXPECT_TRUE(third.peer->all("slow").empty()) << "who sends nothing is not asked";
}

TEST_F(Sending, AsksToPauseOnAnotherReactorThanTheHomes) {
  reactors_wanted = 2;
  settings.tenant.reactors = 2;
  start();
  std::vector<Client> visitors;
  for (std::uint64_t i = 1; i <= 6; ++i) {
    visitors.push_back(visitor(i));
    EXPECT_EQ(visitors.back().text("hello")["seq"], 1);
  }
  journal->fail_with(store::Code::kJournalDown);
  for (const AgentId id : {kAnn, kBob, kSue}) {
    for (Client& v : visitors) {
      Client a = agent(id);
      EXPECT_EQ(a.send(v.conv(), "note", {{"text", "x"}})["code"], "journal_down");
      EXPECT_EQ(a.peer->take("slow")["pause_ms"], 1000);
    }
  }
}

TEST_F(Sending, NobodyWaitsForTheAnswerToSomebodyElse) {
  start();
  Client v = visitor(1), w = visitor(2), x = visitor(3);
  v.text("hello");
  journal->hold();
  const std::uint64_t slow = v.post(v.conv(), "text", {{"text", "slow"}}, 2);
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 1; }));
  journal->pass_others();
  EXPECT_EQ(w.send(w.conv(), "text", {{"text", "mine"}}, 1)["seq"], 1) << "the journal takes the others' sends";
  journal->fail_with(store::Code::kJournalDown);
  EXPECT_EQ(w.send(w.conv(), "text", {{"text", "refused"}}, 2)["code"], "journal_down");
  journal->refuse_submits(true);
  EXPECT_EQ(x.send(x.conv(), "text", {{"text", "refused"}}, 1)["code"], "busy");
  journal->refuse_submits(false);

  // The same conversation: its answers come in the order of n.
  const std::uint64_t refused = v.post(v.conv(), "text", {{"text", "refused"}}, 3);
  w.send(w.conv(), "text", {{"text", "so that the one before has been refused"}}, 2);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "on top of it"}}, 4)["code"], "busy");
  for (const json& error : v.peer->all("error")) EXPECT_NE(error["n"], 3) << error;
  journal->fail_with(store::Code::kOk);
  journal->release();
  EXPECT_EQ(v.peer->reply_to(slow)["seq"], 2);
  EXPECT_EQ(v.peer->reply_to(refused)["code"], "journal_down");
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "refused"}}, 3)["seq"], 3);
}

TEST_F(Sending, KeepsAConversationVisibleIfTheSendThatOpensItIsLost) {
  start();
  Client a = visitor(1), b = visitor(1), ann = agent(kAnn);
  ASSERT_EQ(a.conv(), b.conv());
  journal->hold();
  const std::uint64_t lost = a.post(a.conv(), "text", {{"text", "lost"}});
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 1; }));
  const std::uint64_t kept = b.post(b.conv(), "text", {{"text", "kept"}});
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 2; }));
  journal->fail_first_batch(store::Code::kJournalDown);
  journal->release();
  EXPECT_EQ(a.peer->reply_to(lost)["code"], "journal_down");
  EXPECT_EQ(b.peer->reply_to(kept)["seq"], 1);
  EXPECT_EQ(ann.ask({{"t", "watch"}, {"view", "waiting"}})["rows"].size(), 1u);
}

TEST_F(Sending, RemembersARefusalAlsoAfterARestart) {
  forbid("casino", "block");
  start();
  Client v = visitor(1);
  const std::string conv = v.conv();
  EXPECT_EQ(v.send(conv, "text", {{"text", "casino"}}, 1)["code"], "filtered");
  EXPECT_EQ(v.send(conv, "text", {{"text", "casino"}}, 1)["code"], "filtered");
  EXPECT_EQ(v.send(conv, "text", {{"text", std::string(4001, 'x')}}, 2)["code"], "too_large");
  const json resume = v.ready["resume"];
  restart();
  Client again = visitor(1, 0, {{"dev", v.dev}, {"resume", resume}});
  ASSERT_EQ(again.conv(), conv);
  EXPECT_EQ(again.send(conv, "text", {{"text", "casino"}}, 1)["code"], "filtered");
  EXPECT_EQ(again.send(conv, "text", {{"text", "fine"}}, 3)["seq"], 1);
  EXPECT_EQ(again.entry("fine")["seq"], 1) << "it listens to what it opens";
}

TEST_F(Sending, AppliesANewWordListWithoutARestart) {
  start();
  Client v = visitor(1);
  v.text("poker");
  forbid("poker", "block");
  service->tenant_changed(kTenant);
  EXPECT_TRUE(eventually([&] { return v.text("poker").value("code", "") == "filtered"; }));
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "poker"}}, 1)["dup"], true) << "what was accepted before stays accepted";
}

TEST_F(Sending, LimitsAPersonNotADev) {
  settings.session.visitor_sends_per_second = 0.001;
  settings.session.visitor_send_burst = 2;
  start();
  Client v = visitor(1);
  EXPECT_EQ(v.text("one")["seq"], 1);
  EXPECT_EQ(v.text("two")["seq"], 2);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "three"}}, 1, {{"dev", new_dev()}})["code"], "rate");
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "one"}}, 1)["dup"], true) << "repeats cost nothing";
}

TEST_F(Sending, OpensOneConversationForTwoTabs) {
  start();
  Client a = visitor(1), b = visitor(1);
  EXPECT_EQ(a.conv(), b.conv());
  journal->hold();
  const std::uint64_t first = a.post(a.conv(), "text", {{"text", "from a"}}),
                      second = b.post(b.conv(), "text", {{"text", "from b"}});
  a.peer->settle();
  b.peer->settle();
  journal->release();
  const json one = a.peer->reply_to(first), two = b.peer->reply_to(second);
  EXPECT_EQ(one["seq"].get<int>() + two["seq"].get<int>(), 3);
  for (Client* tab : {&a, &b}) {
    tab->entry("from a");
    tab->entry("from b");
  }
}

TEST_F(Sending, LetsATabJoinAfterItsFirstSendWasRefused) {
  start();
  Client a = visitor(1);
  EXPECT_EQ(a.send(a.conv(), "text", {{"text", std::string(4001, 'x')}}, 1)["code"], "too_large");
  Client b = visitor(1);
  EXPECT_EQ(a.conv(), b.conv()) << "nothing was opened yet";
  EXPECT_EQ(a.send(a.conv(), "text", {{"text", "hello"}}, 2)["seq"], 1);
  b.entry("hello");
}

TEST_F(Sending, PointsToTheOpenConversationAndLetsItListenThere) {
  start();
  Client a = visitor(1);
  const std::string unused = a.conv();
  const json resume = a.ready["resume"];
  restart();  // nobody remembers the first id any more, except the blob
  Client b = visitor(1);
  ASSERT_NE(b.conv(), unused);
  b.text("from b");
  Client again = visitor(1, 0, {{"resume", resume}});
  EXPECT_EQ(again.conv(), b.conv());
  const json refused = again.send(unused, "text", {{"text", "from a"}});
  EXPECT_EQ(refused["code"], "closed");
  EXPECT_EQ(refused["to"], b.conv());
  EXPECT_EQ(again.send(refused["to"], "text", {{"text", "from a"}})["seq"], 2);
  again.entry("from a");
}

TEST_F(Sending, ReopensWithinTheWindowAndMovesOnAfterIt) {
  start();
  Client v = visitor(1), ann = agent(kAnn);
  v.text("hello");
  ann.send(v.conv(), "claim", json::object(), 0, {{"if", {{"claim", 0}}}});
  ann.send(v.conv(), "close", {{"reason", "done"}});
  const json next = v.peer->take("resumed", [](const json& r) { return r["conv"]["status"] == "new"; });
  EXPECT_NE(next["conv"]["conv"], v.conv());

  Client tab = visitor(1);
  EXPECT_EQ(tab.conv(), v.conv()) << "a closed one that may be reopened comes first";
  EXPECT_EQ(tab.ready["conv"]["status"], "closed");
  EXPECT_EQ(v.text("one more thing")["seq"], 4);
  EXPECT_EQ(v.entry("one more thing")["state"]["status"], "waiting");
  Client third = visitor(1);
  EXPECT_EQ(third.conv(), v.conv()) << "and so does an open one";
  EXPECT_EQ(third.ready["conv"]["status"], "waiting");

  write([](store::Sql& sql) {
    store::Tenant tenant = *store::tenants::by_id(sql, kTenant);
    tenant.settings = R"({"reopen_window_h":0})";
    store::tenants::update(sql, tenant);
  });
  service->tenant_changed(kTenant);
  json refused;
  ASSERT_TRUE(eventually([&] {
    ann.send(v.conv(), "close");
    refused = v.text("too late");
    return refused.value("code", "") == "closed";
  }));
  const std::string to = refused["to"];
  EXPECT_NE(to, v.conv());
  EXPECT_EQ(v.send(to, "text", {{"text", "too late"}})["seq"], 1);
  v.peer->take("entry", [&](const json& e) { return e["conv"] == to; });
}

TEST_F(Sending, GivesAConversationToOneOfTwoAgents) {
  start();
  Client v = visitor(1), ann = agent(kAnn), bob = agent(kBob);
  v.text("hello");
  journal->hold();
  const json if_claim = {{"if", {{"claim", 0}}}};
  const std::uint64_t a = ann.post(v.conv(), "claim", json::object(), 1, if_claim);
  ann.peer->settle();
  const std::uint64_t b = bob.post(v.conv(), "claim", json::object(), 1, if_claim);
  bob.peer->settle();
  journal->release();
  EXPECT_EQ(ann.peer->reply_to(a)["seq"], 2);
  const json lost = bob.peer->reply_to(b);
  EXPECT_EQ(lost["code"], "claimed");
  EXPECT_EQ(lost["by"]["name"], "Ann");
  EXPECT_EQ(lost["claim"], 1);
  EXPECT_EQ(bob.send(v.conv(), "claim", json::object(), 1, if_claim)["code"], "claimed") << "remembered";
  EXPECT_EQ(v.peer->take("entry", [](const json& e) { return e["type"] == "claim"; })["body"]["to"]["name"], "Ann");
}

TEST_F(Sending, NeverLetsAVisitorSeeWhatIsInternal) {
  start();
  Client v = visitor(1), ann = agent(kAnn), bob = agent(kBob);
  v.text("hello");
  watch(ann, v.conv());
  watch(bob, v.conv());
  ann.send(v.conv(), "claim");
  EXPECT_EQ(ann.send(v.conv(), "note", {{"text", "SECRET-one"}})["seq"], 3);
  EXPECT_EQ(ann.send(v.conv(), "edit", {{"target", 3}, {"text", "SECRET-two"}})["seq"], 4);
  EXPECT_EQ(ann.send(v.conv(), "transfer", {{"to", kBob.str()}, {"note", "SECRET-three"}})["seq"], 5);
  EXPECT_EQ(bob.entry("SECRET-three")["audience"], "internal");
  EXPECT_EQ(bob.send(v.conv(), "text", {{"text", "public"}})["seq"], 7);
  EXPECT_EQ(v.entry("public")["skip"], 1);
  EXPECT_EQ(v.peer->take("entry", [](const json& e) { return e["type"] == "transfer"; })["skip"], 2);
  bob.send(v.conv(), "note", {{"text", "SECRET-four"}});
  bob.peer->say({{"t", "read"}, {"conv", v.conv()}, {"upto", 8}});
  EXPECT_EQ(v.peer->take("marks")["marks"][0]["read"], 7) << "the mark ends at what the visitor knows of";
  const json page = v.ask({{"t", "sync"}, {"conv", v.conv()}, {"after", 0}});
  EXPECT_EQ(page["head"], 7);
  EXPECT_EQ(page["items"].size(), 4u);
  Client tab = visitor(1);
  EXPECT_EQ(tab.ready["conv"]["head"], 7);
  EXPECT_EQ(tab.peer->take("resumed")["marks"].dump().find(":8"), std::string::npos);
  EXPECT_EQ(v.send(v.conv(), "note", {{"text", "mine"}})["code"], "forbidden");
  EXPECT_EQ(v.send(v.conv(), "recall", {{"target", 3}})["code"], "forbidden");
  std::string seen = v.peer->every_byte() + tab.peer->every_byte();
  restart();
  Client later = visitor(1);
  later.peer->take("resumed");
  later.ask({{"t", "sync"}, {"conv", v.conv()}, {"after", 0}});
  seen += later.peer->every_byte();
  EXPECT_NE(seen.find("public"), std::string::npos);
  EXPECT_EQ(seen.find("SECRET"), std::string::npos);
}

TEST_F(Sending, FoldsEditsAndRecallsInMemoryAndInTheStore) {
  settings.session.agent_sends_per_second = 100000;
  start();
  Client v = visitor(1), ann = agent(kAnn);
  const std::string conv = v.conv();
  v.text("first");
  ann.send(conv, "claim");
  EXPECT_EQ(v.send(conv, "edit", {{"target", 1}, {"text", "OLD-text"}})["seq"], 3);
  EXPECT_EQ(v.send(conv, "edit", {{"target", 1}, {"text", "second"}})["seq"], 4);
  auto check = [&](const std::string& where) {
    const json items = ann.ask({{"t", "sync"}, {"conv", conv}, {"after", 0}})["items"];
    EXPECT_EQ(items[0]["body"]["text"], "second") << where;
    EXPECT_EQ(items[0]["rev"], 4) << where;
    EXPECT_EQ(items.dump().find("OLD-text"), std::string::npos) << where;
  };
  check("memory");
  // The target and its first edits leave the tail, the last edit does not.
  for (int i = 0; i < 120; ++i) ann.send(conv, "text", {{"text", "filler"}});
  EXPECT_EQ(v.send(conv, "edit", {{"target", 1}, {"text", "LAST-text"}})["seq"], 125);
  for (int i = 0; i < 20; ++i) ann.send(conv, "text", {{"text", "filler"}});
  EXPECT_EQ(v.send(conv, "recall", {{"target", 1}})["seq"], 146);
  const json tail = ann.ask({{"t", "sync"}, {"conv", conv}, {"after", 120}})["items"];
  EXPECT_EQ(tail.dump().find("LAST-text"), std::string::npos)
      << "a recalled text is nowhere, not even in an edit of it";
  const json items = ann.ask({{"t", "sync"}, {"conv", conv}, {"after", 0}, {"limit", 5}})["items"];
  EXPECT_EQ(items[0]["recalled"], true);
  EXPECT_FALSE(items[0].contains("body"));
  EXPECT_EQ(v.send(conv, "edit", {{"target", 1}, {"text", "no"}})["code"], "forbidden");
  EXPECT_EQ(v.send(conv, "edit", {{"target", 999}, {"text", "no"}})["code"], "bad_frame");
}

TEST_F(Sending, RefusesAnEditWhoseTargetIsBeingRecalled) {
  start();
  Client v = visitor(1);
  v.text("hello");
  journal->hold();
  const std::uint64_t recall = v.post(v.conv(), "recall", {{"target", 1}});
  const std::uint64_t edit = v.post(v.conv(), "edit", {{"target", 1}, {"text", "SHOWN"}});
  v.peer->settle();
  journal->release();
  EXPECT_EQ(v.peer->reply_to(recall)["seq"], 2);
  EXPECT_EQ(v.peer->reply_to(edit)["code"], "forbidden");
}

/// Entry 1 is neither in the tail nor otherwise in memory.
void push_out_of_the_tail(Client& writer) {
  for (int i = 0; i < 140; ++i) writer.text("filler");
}

TEST_F(Sending, RefusesAnEditWhoseTargetIsRecalledWhileItIsRead) {
  settings.session.visitor_sends_per_second = 100000;
  settings.session.visitor_send_burst = 100000;
  start();
  Client v = visitor(1);
  v.text("hello");
  push_out_of_the_tail(v);
  journal->hold();
  const std::uint64_t recall = v.post(v.conv(), "recall", {{"target", 1}});
  ASSERT_TRUE(eventually([&] { return journal->held_batches() == 1; }));
  journal->hold_next_read();
  const std::uint64_t edit = v.post(v.conv(), "edit", {{"target", 1}, {"text", "SHOWN"}});
  ASSERT_TRUE(eventually([&] { return journal->holds_read(); }));
  journal->release();
  EXPECT_EQ(v.peer->reply_to(recall)["seq"], 142);
  journal->release_read();
  EXPECT_EQ(v.peer->reply_to(edit)["code"], "forbidden");
}

TEST_F(Sending, APageDoesNotShowWhatIsRecalledWhileItIsRead) {
  settings.session.visitor_sends_per_second = 100000;
  settings.session.visitor_send_burst = 100000;
  start();
  Client v = visitor(1), ann = agent(kAnn);
  v.text("WITHDRAWN");
  EXPECT_EQ(v.send(v.conv(), "edit", {{"target", 1}, {"text", "WITHDRAWN too"}})["seq"], 2);
  push_out_of_the_tail(v);
  journal->hold_next_read();
  ann.peer->say({{"t", "sync"}, {"id", 77}, {"conv", v.conv()}, {"after", 0}, {"limit", 5}});
  ASSERT_TRUE(eventually([&] { return journal->holds_read(); }));
  EXPECT_EQ(v.send(v.conv(), "recall", {{"target", 1}})["seq"], 143);
  journal->release_read();
  const json items = ann.peer->reply_to(77)["items"];
  ASSERT_EQ(items.size(), 5u);
  EXPECT_TRUE(items[0].value("recalled", false));
  EXPECT_EQ(items.dump().find("WITHDRAWN"), std::string::npos);
}

TEST_F(Sending, SurvivesAnEditInAConversationThatCannotBeOpened) {
  start();
  Client v = visitor(1);
  journal->refuse_submits(true);
  v.peer->say(json::array(
      {{{"t", "send"}, {"id", 5}, {"conv", v.conv()}, {"n", 1}, {"type", "text"}, {"body", {{"text", "hello"}}}},
       {{"t", "send"},
        {"id", 6},
        {"conv", v.conv()},
        {"n", 2},
        {"type", "edit"},
        {"body", {{"target", 1}, {"text", "x"}}}}}));
  EXPECT_EQ(v.peer->reply_to(5)["code"], "busy");
  const json edit = v.peer->reply_to(6);
  EXPECT_EQ(edit["t"], "error");
  journal->refuse_submits(false);
  EXPECT_EQ(v.send(v.conv(), "text", {{"text", "hello"}}, 1)["seq"], 1);
}

}  // namespace
}  // namespace parley::session::test
