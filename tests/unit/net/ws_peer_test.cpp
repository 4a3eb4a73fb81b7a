#include "net_fixture.hpp"
#include "parley/protocol/types.hpp"

namespace parley::net::test {
namespace {

class WsPeer : public ServerTest {
 protected:
  static void echo(Session& s, std::string_view text) { s.peer->send(text_frame(text)); }
};

TEST_F(WsPeer, AnswersTheHandshakeOfTheStandard) {
  start();
  Client client(server->port());
  client.send(Client::upgrade_request("Origin: http://t.example\r\nCookie: parley=abc\r\n"));
  const auto got = client.answer();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 101);
  EXPECT_EQ(got->headers.at("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(got->headers.at("sec-websocket-protocol"), "parley.v1");
  EXPECT_FALSE(got->headers.contains("sec-websocket-extensions"));
  const Session& s = session();
  EXPECT_EQ(s.info.ip, "127.0.0.1");
  EXPECT_EQ(s.info.origin, "http://t.example");
  EXPECT_TRUE(s.info.own_origin);
  EXPECT_EQ(s.info.cookie, "abc");
  EXPECT_TRUE(s.info.admitted);
  EXPECT_NE(s.info.connection, 0u);
  EXPECT_EQ(connections("websocket"), 1.0);
  EXPECT_EQ(connections("http"), 0.0);
}

TEST_F(WsPeer, RefusesHandshakesThatAreNotForIt) {
  start();
  const auto status = [&](std::string request) {
    Client client(server->port());
    client.send(request);
    const auto got = client.answer();
    return got ? got->status : 0;
  };
  const std::string good = Client::upgrade_request();
  const auto without = [&](const std::string& line, const std::string& instead) {
    std::string changed = good;
    changed.replace(changed.find(line), line.size(), instead);
    return changed;
  };
  EXPECT_EQ(status(without("other, parley.v1", "parley.v2")), 400);
  EXPECT_EQ(status(without("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8")), 426);
  EXPECT_EQ(status(without("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")), 400);
  EXPECT_EQ(status(without("Upgrade: websocket\r\n", "")), 400);
  EXPECT_EQ(status(without("HTTP/1.1", "HTTP/1.0")), 400);
  EXPECT_EQ(status("POST" + good.substr(3)), 400);
  EXPECT_EQ(status(Client::upgrade_request("X: " + std::string(17'000, 'a') + "\r\n")), 431);
  EXPECT_EQ(refused("handshake"), 6.0);
  EXPECT_EQ(connections("websocket"), 0.0);
}

TEST_F(WsPeer, HandsOverMessagesHoweverTheyAreCutAndAlsoThoseBehindTheUpgrade) {
  prepare = [](Session& s) { s.on_text = echo; };
  start();
  Client client(server->port());
  const std::string big(50'000, 'z');
  client.send(Client::upgrade_request() + client_frame("first") + client_frame("second").substr(0, 5));
  EXPECT_EQ(client.answer()->status, 101);
  client.send(client_frame("second").substr(5));
  const std::string third = client_frame("thi", 1, false) + client_frame("rd", 0, true);
  for (const char c : third) client.send(std::string_view(&c, 1));
  client.send(client_frame(big) + client_frame("last"));
  for (const std::string& expected :
       {std::string("first"), std::string("second"), std::string("third"), big, std::string("last")}) {
    const auto frame = client.frame();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->opcode, 1u);
    EXPECT_TRUE(frame->payload == expected) << expected.substr(0, 20);
  }
}

TEST_F(WsPeer, AnswersPingsByItself) {
  start();
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  client.send(client_frame("one", 9) + client_frame("", 10) + client_frame("two", 9));
  for (const char* expected : {"one", "two"}) {
    const auto pong = client.frame();
    ASSERT_TRUE(pong);
    EXPECT_EQ(pong->opcode, 10u);
    EXPECT_EQ(pong->payload, expected);
  }
  EXPECT_EQ(session().count(), 0u);
}

TEST_F(WsPeer, RepeatsTheCloseCodeOfTheOtherSideAndHangsUp) {
  start();
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  client.send(client_frame(close_payload(4321, "bye"), 8));
  const auto close = client.frame();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->opcode, 8u);
  EXPECT_EQ(close->code(), 4321u);
  EXPECT_TRUE(client.closed_silently());
  EXPECT_TRUE(eventually([&] { return session().closed() == 4321; }));
  Client bare(server->port());
  ASSERT_TRUE(bare.upgrade());
  bare.send(client_frame("", 8));
  EXPECT_EQ(bare.frame()->payload, "");
  EXPECT_TRUE(eventually([&] { return session(1).closed() == 1005; }));
  EXPECT_TRUE(eventually([&] { return connections("websocket") == 0.0; }));
}

TEST_F(WsPeer, SendsWhatIsQueuedBeforeItsOwnCloseAndReportsTheAnswer) {
  prepare = [](Session& s) {
    s.on_text = [](Session& me, std::string_view text) {
      if (text != "go") return;
      me.peer->send(text_frame("last words"));
      me.peer->close(protocol::CloseCode::kHeartbeat);
      me.peer->send(text_frame("too late"));
    };
  };
  start();
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  client.send(client_frame("go") + client_frame("ignored"));
  EXPECT_EQ(client.frame()->payload, "last words");
  const auto close = client.frame();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code(), 4003u);
  EXPECT_EQ(close->payload.substr(2), "{\"code\":\"heartbeat\"}");
  EXPECT_FALSE(session().closed());
  client.send(client_frame(close_payload(4003), 8));
  EXPECT_TRUE(client.closed_silently());
  EXPECT_TRUE(eventually([&] { return session().closed() == 4003; }));
  EXPECT_EQ(session().messages(), std::vector<std::string>{"go"}) << "after close() nothing is handed over";
}

TEST_F(WsPeer, GivesUpOnACloseThatIsNeverAnswered) {
  start();
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  Session& s = session();
  const auto begin = std::chrono::steady_clock::now();
  on_home(s, [&] { s.peer->close(protocol::CloseCode::kDrain); });
  EXPECT_EQ(client.frame()->code(), 4000u);
  EXPECT_TRUE(eventually([&] { return s.closed() == 1006; }));
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(waited, 2900ms);
  EXPECT_LE(waited, 4000ms);
}

TEST_F(WsPeer, ClosesWithTheCodeOfTheMistake) {
  start();
  const std::vector<std::pair<std::string, unsigned>> cases = {
      {std::string("\x81\x02hi", 4), 1002},            // not masked
      {client_frame("x", 3), 1002},                    // unknown opcode
      {client_frame("x", 0), 1002},                    // continues nothing
      {client_frame("\xff\xfe"), 1007},                // not UTF-8
      {client_frame(std::string(65'537, 'a')), 1009},  // too long
      {client_frame("binary", 2), 4500},
  };
  std::size_t n = 0;
  for (const auto& [bytes, code] : cases) {
    Client client(server->port());
    ASSERT_TRUE(client.upgrade());
    client.send(bytes + client_frame("after"));
    const auto close = client.frame();
    ASSERT_TRUE(close) << code;
    EXPECT_EQ(close->opcode, 8u);
    EXPECT_EQ(close->code(), code);
    EXPECT_TRUE(client.closed_silently());
    client.close();
    Session& s = session(n++);
    EXPECT_TRUE(eventually([&] { return s.closed() == 1006; }));
    EXPECT_EQ(s.count(), 0u);
  }
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(WsPeer, ReportsAnEndWithoutCloseFrameAs1006) {
  start();
  Client quiet(server->port());
  ASSERT_TRUE(quiet.upgrade());
  quiet.close();
  EXPECT_TRUE(eventually([&] { return session(0).closed() == 1006; }));
  Client harsh(server->port());
  ASSERT_TRUE(harsh.upgrade());
  harsh.reset();
  EXPECT_TRUE(eventually([&] { return session(1).closed() == 1006; }));
}

TEST_F(WsPeer, WritesEverythingOfATurnWithOneSystemCall) {
  start(1);
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  Session& s = session();
  for (const auto& [frames, calls] : {std::pair<int, double>{50, 1.0}, {64, 1.0}, {130, 3.0}}) {
    const double before = writev_calls();
    on_home(s, [&, n = frames] {
      for (int i = 0; i < n; ++i) s.peer->send(text_frame(std::to_string(i)));
    });
    for (int i = 0; i < frames; ++i) {
      const auto frame = client.frame();
      ASSERT_TRUE(frame);
      EXPECT_EQ(frame->payload, std::to_string(i));
    }
    EXPECT_EQ(writev_calls() - before, calls) << frames << " frames";
  }
}

TEST_F(WsPeer, KeepsWhatASlowReaderDoesNotTakeAndSaysWhenItIsGone) {
  start(1);
  Client client(server->port(), 4096);
  ASSERT_TRUE(client.upgrade());
  Session& s = session();
  const std::string chunk(10'000, 'q');
  std::size_t queued = 0;
  int sent = 0;
  for (; sent < 2000 && queued < 1'000'000; sent += 10) {
    on_home(s, [&] {
      for (int i = 0; i < 10; ++i) s.peer->send(text_frame(std::to_string(sent + i) + " " + chunk));
    });
    on_home(s, [&] { queued = s.peer->queued_bytes(); });
  }
  EXPECT_GE(queued, 1'000'000u) << "the kernel holds only so much";
  EXPECT_EQ(s.drained(), 0);
  for (int i = 0; i < sent; ++i) {
    const auto frame = client.frame();
    ASSERT_TRUE(frame);
    ASSERT_TRUE(frame->payload == std::to_string(i) + " " + chunk) << i;
  }
  EXPECT_TRUE(eventually([&] { return s.drained() == 1; }));
  on_home(s, [&] { EXPECT_EQ(s.peer->queued_bytes(), 0u); });
}

TEST_F(WsPeer, SendsWhatIsSaidWhenItIsDrainedBehindTheRest) {
  prepare = [](Session& s) { s.on_drain = [](Session& me) { me.peer->send(text_frame("lag")); }; };
  start(1);
  Client client(server->port(), 4096);
  ASSERT_TRUE(client.upgrade());
  Session& s = session();
  const std::string chunk(30'000, 'q');
  std::size_t queued = 0;
  for (int round = 0; round < 200 && queued < 500'000; ++round) {
    on_home(s, [&] {
      for (int i = 0; i < 5; ++i) s.peer->send(text_frame(chunk));
    });
    on_home(s, [&] { queued = s.peer->queued_bytes(); });
  }
  ASSERT_GE(queued, 500'000u);
  const int drained_before = s.drained();
  std::optional<Frame> frame;
  do {
    frame = client.frame();
    ASSERT_TRUE(frame) << "the stream must stay well formed";
    ASSERT_TRUE(frame->payload == "lag" || frame->payload == chunk);
  } while (frame->payload != "lag");
  EXPECT_EQ(s.drained(), drained_before + 1);
}

TEST_F(WsPeer, ReadsNothingUntilThereIsAHandler) {
  sets_handler = false;
  start(1);
  Client client(server->port());
  client.send(Client::upgrade_request() + client_frame("early"));
  EXPECT_EQ(client.answer()->status, 101);
  client.send(client_frame("later") + client_frame(close_payload(1000), 8));
  Session& s = session();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(s.count(), 0u);
  on_home(s, [&] { s.peer->set_handler(&s); });
  EXPECT_TRUE(eventually([&] { return s.closed() == 1000; }));
  EXPECT_EQ(s.messages(), (std::vector<std::string>{"early", "later"}));
}

TEST_F(WsPeer, TellsALateHandlerThatTheConnectionIsGone) {
  sets_handler = false;
  start(1);
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  Session& s = session();
  client.reset();
  std::this_thread::sleep_for(50ms);
  const std::uint64_t turns = loops[0]->take_load().turns;
  std::this_thread::sleep_for(200ms);
  EXPECT_LT(loops[0]->take_load().turns - turns, 20u) << "a dead socket must not keep the loop busy";
  on_home(s, [&] { s.peer->set_handler(&s); });
  EXPECT_TRUE(eventually([&] { return s.closed() == 1006; }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(WsPeer, MovesBetweenReactorsUnderTrafficWithoutLosingAMessage) {
  constexpr int kMessages = 20'000;
  std::atomic<int> moves{0};
  prepare = [&](Session& s) {
    s.on_text = [&](Session& me, std::string_view text) {
      me.peer->send(text_frame(text));
      if (std::stoi(std::string(text)) % 97 != 0) return;
      Reactor& here = me.peer->home();
      EXPECT_TRUE(here.is_home());
      Reactor& there = &here == loops[0].get() ? *loops[1] : *loops[0];
      me.peer->move_to(there, [&moves, &there](session::Peer& peer) {
        EXPECT_TRUE(there.is_home());
        EXPECT_EQ(&peer.home(), &there);
        ++moves;
      });
    };
  };
  start(2);
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  std::thread writer([&] {
    std::string batch;
    for (int i = 0; i < kMessages; ++i) {
      batch += client_frame(std::to_string(i));
      if (i % 7 != 0 && i + 1 != kMessages) continue;
      client.send(batch);
      batch.clear();
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    const auto frame = client.frame();
    if (!frame || frame->payload != std::to_string(i)) {
      ADD_FAILURE() << "at " << i << ": " << (frame ? frame->payload : "nothing");
      break;
    }
  }
  writer.join();
  EXPECT_EQ(moves, (kMessages + 96) / 97);
  EXPECT_EQ(server->connections(), 1u);
}

TEST_F(WsPeer, WhatDiesOnTheWayArrivesAndIsThenReported) {
  std::atomic<int> arrived{0};
  start(2);
  for (int round = 0; round < 20; ++round) {
    Client client(server->port());
    ASSERT_TRUE(client.upgrade());
    Session& s = session(static_cast<std::size_t>(round));
    Reactor& there = &s.peer->home() == loops[0].get() ? *loops[1] : *loops[0];
    std::promise<void> reset;
    // The target is kept busy until the client is gone, so the connection dies between the two reactors.
    there.post([&, gone = reset.get_future().share()] { gone.wait(); });
    on_home(s, [&] { s.peer->move_to(there, [&](session::Peer&) { ++arrived; }); });
    std::this_thread::sleep_for(2ms);
    client.reset();
    reset.set_value();
    EXPECT_TRUE(eventually([&] { return s.closed() == 1006; }));
    EXPECT_EQ(arrived, round + 1);
  }
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(WsPeer, MayBeClosedByTheMessageOfAnotherInTheSameTurn) {
  // Whoever speaks first ends all others; what the others had sent by then is of no use any more, and nothing may be
  // touched after its end.
  prepare = [&](Session& s) {
    s.on_text = [&](Session&, std::string_view) {
      std::lock_guard lock(mutex);
      for (auto& other : sessions) {
        if (!other->closed()) other->peer->close(protocol::CloseCode::kSuperseded);
      }
    };
  };
  start(1);
  constexpr int kClients = 50;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(server->port()));
    ASSERT_TRUE(clients.back()->upgrade());
  }
  session(kClients - 1);
  std::promise<void> all_sent;
  loops[0]->post([gone = all_sent.get_future().share()] { gone.wait(); });  // so that all of it is one batch
  for (auto& client : clients) client->send(client_frame("me"));
  all_sent.set_value();
  for (auto& client : clients) {
    const auto close = client->frame();
    ASSERT_TRUE(close);
    EXPECT_EQ(close->code(), 4505u);
    client->close();
  }
  for (std::size_t i = 0; i < kClients; ++i) EXPECT_TRUE(eventually([&] { return session(i).closed() == 1006; }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(WsPeer, ForgetsTheRequestWhenAskedTo) {
  start(1);
  Client client(server->port());
  ASSERT_TRUE(client.upgrade());
  Session& s = session();
  on_home(s, [&] {
    EXPECT_EQ(s.peer->info().ip, "127.0.0.1");
    s.peer->forget_request();
    EXPECT_EQ(s.peer->info().ip, "");
  });
}

TEST_F(WsPeer, AboveTheAdmissionRateIsToldToComeBackAndThenRefused) {
  settings.session.handshakes_per_second = 0.01;  // one now, the next in 100 s
  start(1);
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<bool> admitted;
  int told_off = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(server->port()));
    clients.back()->send(Client::upgrade_request());
    const auto got = clients.back()->answer();
    ASSERT_TRUE(got);
    if (got->status == 101) {
      admitted.push_back(session(admitted.size()).info.admitted);
    } else {
      EXPECT_EQ(got->status, 503);
      EXPECT_GE(std::stoi(got->headers.at("retry-after")), 1);
      ++told_off;
    }
  }
  EXPECT_EQ(admitted, (std::vector<bool>{true, false}));
  EXPECT_EQ(told_off, 3);
  EXPECT_EQ(refused("admission"), 3.0);
}

TEST_F(WsPeer, AreClosedWithGoingAwayAndCutAtTheDeadline) {
  start(2);
  Client polite(server->port());
  Client silent(server->port());
  ASSERT_TRUE(polite.upgrade() && silent.upgrade());
  session(1);
  server->close_all(500ms);
  EXPECT_EQ(polite.frame()->code(), 1001u);
  polite.send(client_frame(close_payload(1001), 8));
  EXPECT_TRUE(polite.closed_silently());
  EXPECT_EQ(silent.frame()->code(), 1001u);
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }, 1500ms))
      << "before the three seconds of an unanswered close";
  EXPECT_TRUE(session(0).closed() && session(1).closed());
}

TEST_F(WsPeer, SurvivesThatManyComeSpeakAndVanishAtOnce) {
  prepare = [](Session& s) {
    s.on_text = [](Session& me, std::string_view text) {
      me.peer->send(text_frame(text));
      if (text == "close") me.peer->close(protocol::CloseCode::kNormal);
    };
  };
  start(2);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        Client client(server->port());
        if (!client.upgrade()) {
          ADD_FAILURE() << "no handshake";
          return;
        }
        client.send(client_frame("a") + client_frame((i + t) % 3 == 0 ? "close" : "b"));
        EXPECT_TRUE(client.frame());
        if (i % 2 == 0) client.reset();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < 400; ++i) EXPECT_TRUE(eventually([&] { return session(i).closed().has_value(); })) << i;
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
  EXPECT_EQ(connections("websocket"), 0.0);
}

}  // namespace
}  // namespace parley::net::test
