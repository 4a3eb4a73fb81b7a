#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net_fixture.hpp"

namespace parley::net::test {
namespace {

class HttpConnection : public ServerTest {
 protected:
  HttpConnection() {
    open.add("GET", "/hello",
             [](HttpRequest&) -> asio::awaitable<HttpResponse> { co_return HttpResponse::json(200, "{\"a\":1}"); });
    open.add("POST", "/echo", [](HttpRequest& request) -> asio::awaitable<HttpResponse> {
      co_return HttpResponse::json(200, request.body);
    });
    open.add("GET", "/slow", [](HttpRequest&) -> asio::awaitable<HttpResponse> {
      asio::steady_timer timer(Reactor::current()->context(), 150ms);
      co_await timer.async_wait(asio::use_awaitable);
      co_return HttpResponse::json(200, "slow");
    });
    open.add("GET", "/throw", [](HttpRequest&) -> asio::awaitable<HttpResponse> {
      throw std::runtime_error("secret detail");
      co_return HttpResponse();
    });
    open.add("GET", "/who", [](HttpRequest& request) -> asio::awaitable<HttpResponse> {
      co_return HttpResponse::json(200, request.ip + "|" + (request.secure ? "secure" : "plain") + "|" + request.host +
                                            "|" + (request.own_origin ? "own" : "foreign") + "|" +
                                            std::string(request.query_value("q").value_or("-")) + "|" +
                                            std::string(request.cookie("parley")));
    });
    open.add("GET", "/big", [this](HttpRequest&) -> asio::awaitable<HttpResponse> {
      HttpResponse response;
      response.shared_body = big;
      co_return response;
    });
    open.add("GET", "/inject", [](HttpRequest&) -> asio::awaitable<HttpResponse> {
      HttpResponse response;
      response.headers.emplace_back("X-Bad", "a\r\nSet-Cookie: stolen=1");
      response.headers.emplace_back("X-Good", "b");
      co_return response;
    });
  }
  std::shared_ptr<const std::string> big = std::make_shared<const std::string>(std::size_t{8} << 20, 'x');
};

TEST_F(HttpConnection, AnswersOneRequestAfterTheOtherOnOneConnection) {
  start();
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    const auto got = client.get("/hello");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->body, "{\"a\":1}");
    EXPECT_EQ(got->headers.at("x-content-type-options"), "nosniff");
    EXPECT_TRUE(got->headers.contains("referrer-policy"));
    EXPECT_TRUE(got->headers.contains("date"));
    EXPECT_FALSE(got->headers.contains("connection"));
  }
  EXPECT_EQ(answered("2xx"), 3.0);
  EXPECT_EQ(connections("http"), 1.0);
  client.close();
  EXPECT_TRUE(eventually([&] { return connections("http") == 0.0 && server->connections() == 0; }));
}

TEST_F(HttpConnection, AnswersPipelinedRequestsInTheirOrderAlsoWhenTheFirstTakesLong) {
  start();
  Client client(server->port());
  std::string all = "GET /slow HTTP/1.1\r\nHost: t\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    const std::string body = "body " + std::to_string(i);
    all += "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  client.send(all);
  auto first = client.answer();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->body, "slow");
  for (int i = 0; i < 20; ++i) {
    const auto got = client.answer();
    ASSERT_TRUE(got) << i;
    EXPECT_EQ(got->body, "body " + std::to_string(i));
  }
}

TEST_F(HttpConnection, TakesARequestThatComesByteByByte) {
  start();
  Client client(server->port());
  const std::string request =
      "\r\nPOST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
      "world\r\n0\r\n\r\n";
  for (const char c : request) client.send(std::string_view(&c, 1));
  const auto got = client.answer();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "hello world");
}

TEST_F(HttpConnection, HeadHasTheLengthOfTheBodyAndNoBody) {
  start();
  Client client(server->port());
  client.send("HEAD /hello HTTP/1.1\r\nHost: t\r\n\r\nGET /hello HTTP/1.1\r\nHost: t\r\n\r\n");
  const auto head = client.answer(true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers.at("content-length"), "7");
  const auto get = client.answer();
  ASSERT_TRUE(get);
  EXPECT_EQ(get->body, "{\"a\":1}");
}

TEST_F(HttpConnection, SaysContinueBeforeTheBodyAndRefusesOtherExpectations) {
  start();
  Client client(server->port());
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  const auto go_on = client.answer();
  ASSERT_TRUE(go_on);
  EXPECT_EQ(go_on->status, 100);
  client.send("ok");
  const auto got = client.answer();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "ok");
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.answer()->status, 417);
}

TEST_F(HttpConnection, RefusesHeadersAboveTheLimitAndCloses) {
  start();
  Client client(server->port());
  client.send("GET /hello HTTP/1.1\r\nHost: t\r\nX-Long: " + std::string(20'000, 'a') + "\r\n\r\n");
  const auto got = client.answer();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 431);
  EXPECT_EQ(got->headers.at("connection"), "close");
  EXPECT_TRUE(client.closed_silently());
  EXPECT_EQ(refused("header_size"), 1.0);
  Client endless(server->port());
  endless.send("GET /" + std::string(40'000, 'a'));
  EXPECT_EQ(endless.answer()->status, 431);
}

TEST_F(HttpConnection, TellsOfABodyAboveTheLimitWhileTheClientIsStillSending) {
  start();
  Client client(server->port());
  client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1048577\r\n\r\n");
  client.send(std::string(300'000, 'b'));
  const auto got = client.answer();
  ASSERT_TRUE(got) << "a reset must not destroy the answer";
  EXPECT_EQ(got->status, 413);
  Client chunked(server->port());
  chunked.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n" +
               std::string(0x100001, 'b'));
  EXPECT_EQ(chunked.answer()->status, 413);
  Client just_fits(server->port());
  just_fits.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1048576\r\n\r\n" + std::string(1048576, 'c'));
  EXPECT_EQ(just_fits.answer()->body.size(), 1048576u);
}

TEST_F(HttpConnection, EndsRequestsThatComeTooSlowly) {
  limits.header = 200ms;
  limits.body = 200ms;
  start();
  Client silent(server->port());
  Client headers(server->port());
  headers.send("GET /hello HTTP/1.1\r\nHos");
  Client body(server->port());
  body.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(silent.closed_silently()) << "nothing was asked, so nothing is answered";
  EXPECT_EQ(headers.answer()->status, 408);
  EXPECT_EQ(body.answer()->status, 408);
  EXPECT_EQ(refused("timeout"), 2.0);
}

TEST_F(HttpConnection, ClosesAConnectionThatIsIdleBetweenRequests) {
  limits.idle = 200ms;
  start();
  Client client(server->port());
  ASSERT_TRUE(client.get("/hello"));
  EXPECT_TRUE(client.closed_silently());
}

TEST_F(HttpConnection, RefusesWhatIsNotARequest) {
  start();
  const std::vector<std::pair<std::string, int>> cases = {
      {"rubbish\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET /a/../b HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"GET /hello HTTP/2.0\r\nHost: t\r\n\r\n", 505},
      {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\nHost : t\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    Client client(server->port());
    client.send(bytes);
    const auto got = client.answer();
    ASSERT_TRUE(got) << bytes;
    EXPECT_EQ(got->status, status) << bytes;
    EXPECT_EQ(got->headers.at("content-type"), "application/problem+json");
    EXPECT_TRUE(client.closed_silently()) << bytes;
  }
}

TEST_F(HttpConnection, ClosesWhenAskedToAndKeepsAnOldClientOnlyOnRequest) {
  start();
  Client closing(server->port());
  EXPECT_EQ(closing.get("/hello", "Connection: close\r\n")->headers.at("connection"), "close");
  EXPECT_TRUE(closing.closed_silently());
  Client old(server->port());
  old.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.answer()->headers.at("connection"), "close");
  EXPECT_TRUE(old.closed_silently());
  Client kept(server->port());
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const auto got = kept.answer();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->headers.at("connection"), "keep-alive");
  }
}

TEST_F(HttpConnection, AnswersAClientThatHasClosedItsOwnSide) {
  start();
  Client client(server->port());
  client.send("GET /slow HTTP/1.1\r\nHost: t\r\n\r\n");
  client.half_close();
  const auto got = client.answer();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "slow");
  EXPECT_TRUE(client.closed_silently());
}

TEST_F(HttpConnection, OutlivesAClientThatVanishesWhileItsRequestRuns) {
  start(1);
  for (int i = 0; i < 20; ++i) {
    Client client(server->port());
    client.send("GET /slow HTTP/1.1\r\nHost: t\r\n\r\n");
    std::this_thread::sleep_for(5ms);
    client.reset();
  }
  EXPECT_TRUE(eventually([&] { return connections("http") == 0.0; }));
  std::this_thread::sleep_for(200ms);  // the handlers end only now
  Client client(server->port());
  EXPECT_EQ(client.get("/hello")->status, 200);
}

TEST_F(HttpConnection, AnExceptionBecomesA500WithoutItsText) {
  start();
  Client client(server->port());
  const auto got = client.get("/throw");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 500);
  EXPECT_EQ(got->body.find("secret"), std::string::npos);
  EXPECT_NE(got->body.find("\"ref\":\""), std::string::npos);
  EXPECT_EQ(client.get("/hello")->status, 200) << "the connection lives";
}

TEST_F(HttpConnection, LeavesOutAHeaderThatWouldStartAnother) {
  start();
  Client client(server->port());
  const auto got = client.get("/inject");
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->headers.contains("set-cookie"));
  EXPECT_FALSE(got->headers.contains("x-bad"));
  EXPECT_EQ(got->headers.at("x-good"), "b");
}

TEST_F(HttpConnection, SendsABigBodyWholeToASlowReaderAndHoldsBackTheNextAnswers) {
  start(1);
  Client client(server->port(), 4096);
  std::string all;
  for (int i = 0; i < 4; ++i) all += "GET /big HTTP/1.1\r\nHost: t\r\n\r\n";
  client.send(all);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(answered("2xx"), 1.0) << "the others wait until this one is nearly out";
  for (int i = 0; i < 4; ++i) {
    const auto got = client.answer();
    ASSERT_TRUE(got) << i;
    EXPECT_TRUE(got->body == *big);
  }
}

TEST_F(HttpConnection, KnowsTheClientBehindATrustedProxyOnly) {
  start();
  Client direct(server->port());
  const std::string forged =
      "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nOrigin: https://t.example\r\nCookie: a=b; "
      "parley=c00kie\r\n";
  EXPECT_EQ(direct.get("/who?q=a%20b+c", forged)->body, "127.0.0.1|plain|t.example|own|a b c|c00kie");
  stop();
  settings.server.trusted_proxies = {"127.0.0.0/8"};
  start();
  Client proxied(server->port());
  EXPECT_EQ(proxied
                .get("/who",
                     "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.2\r\nX-Forwarded-Proto: https\r\nOrigin: "
                     "https://evil.example\r\n")
                ->body,
            "203.0.113.9|secure|t.example|foreign|-|");
}

TEST_F(HttpConnection, ServesOperatorsAndAdminsOnDoorsOfTheirOwn) {
  ops.add("GET", "/metrics", [](HttpRequest& request) -> asio::awaitable<HttpResponse> {
    co_return HttpResponse::json(200, request.admin_socket ? "admin" : "ops");
  });
  admin.add("GET", "/do", [](HttpRequest& request) -> asio::awaitable<HttpResponse> {
    co_return HttpResponse::json(200, request.admin_socket ? "admin" : "ops");
  });
  start();
  Client operators(server->ops_port());
  EXPECT_EQ(operators.get("/metrics")->body, "ops");
  EXPECT_EQ(operators.get("/hello")->status, 404);
  EXPECT_EQ(operators.get("/ws")->status, 404);
  Client local(folder / "admin.sock");
  ASSERT_TRUE(local.connected());
  EXPECT_EQ(local.get("/do")->body, "admin");
  EXPECT_EQ(connections("ops"), 1.0);
  EXPECT_EQ(connections("admin"), 1.0);
  EXPECT_EQ(std::filesystem::status(folder / "admin.sock").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(HttpConnection, IsCutAtTheEndOnlyAfterItsAnswer) {
  start();
  Client busy(server->port());
  busy.send("GET /slow HTTP/1.1\r\nHost: t\r\n\r\n");
  Client idle(server->port());
  ASSERT_TRUE(idle.get("/hello"));
  std::this_thread::sleep_for(20ms);
  server->close_all(3s);
  EXPECT_TRUE(idle.closed_silently());
  const auto got = busy.answer();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body, "slow");
  EXPECT_EQ(got->headers.at("connection"), "close");
  busy.close();
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
  Client late(server->port());
  EXPECT_FALSE(late.connected());
}

TEST_F(HttpConnection, StopsAcceptingAndLetsOpenConnectionsFinish) {
  start();
  Client open_one(server->port());
  ASSERT_TRUE(open_one.get("/hello"));
  server->stop_accepting();
  EXPECT_TRUE(eventually([&] { return !Client(server->port()).connected(); }));
  EXPECT_EQ(open_one.get("/hello")->headers.at("connection"), "close");
}

}  // namespace
}  // namespace parley::net::test
