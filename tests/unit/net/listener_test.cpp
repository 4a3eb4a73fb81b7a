#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "net/listener.hpp"
#include "net_fixture.hpp"

namespace parley::net::test {
namespace {

std::string refusal(const std::function<void()>& start) {
  try {
    start();
  } catch (const config::ConfigError& error) {
    return error.what();
  }
  return "started";
}

class Listening : public ServerTest {
 protected:
  Listening() {
    open.add("GET", "/hello",
             [](HttpRequest&) -> asio::awaitable<HttpResponse> { co_return HttpResponse::json(200, "1"); });
  }
};

TEST_F(Listening, SpreadsOnePortOverAllReactors) {
  start(3);
  EXPECT_NE(server->port(), 0);
  EXPECT_NE(server->ops_port(), 0);
  std::vector<std::unique_ptr<Client>> clients;
  std::set<Reactor*> homes;
  for (std::size_t i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<Client>(server->port()));
    ASSERT_TRUE(clients.back()->upgrade());
    homes.insert(&session(i).peer->home());
  }
  EXPECT_EQ(homes.size(), 3u);
}

TEST_F(Listening, ATakenPortIsAnErrorThatNamesTheRemedy) {
  const std::vector<UniqueFd> other = listen_tcp("server", "127.0.0.1", 0, 1);
  settings.server.port = port_of(other.front().get());
  const std::string message = refusal([&] { start(); });
  EXPECT_NE(message.find("server.port"), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(settings.server.port)), std::string::npos) << message;
  EXPECT_NE(message.find("choose another port"), std::string::npos) << message;
}

TEST_F(Listening, APortThatAnotherDaemonWouldShareIsTakenToo) {
  start(2);
  settings.server.port = server->port();
  settings.store.folder = folder / "other";
  std::filesystem::create_directory(settings.store.folder);
  Reactor loop("second");
  Server second({&loop}, settings, registry, *this, Server::Routers{open, ops, admin});
  EXPECT_NE(refusal([&] { second.start(); }).find("another program uses it"), std::string::npos);
  Client client(server->port());
  EXPECT_EQ(client.get("/hello")->status, 200);
}

TEST_F(Listening, RefusesWhatIsNotAnAddressOfThisMachine) {
  settings.server.listen = "localhost";
  EXPECT_NE(refusal([&] { start(); }).find("server.listen: \"localhost\" is not an IPv4 or IPv6 address"),
            std::string::npos);
  server.reset();
  loops.clear();
  settings.server.listen = "192.0.2.1";
  EXPECT_NE(refusal([&] { start(); }).find("this machine has no such address"), std::string::npos);
}

TEST_F(Listening, RefusesATrustedProxyThatIsNone) {
  settings.server.trusted_proxies = {"10.0.0.0/8", "proxy.example"};
  EXPECT_NE(refusal([&] { start(); }).find("\"proxy.example\""), std::string::npos);
}

TEST_F(Listening, ServesIPv4AndIPv6OnTheAnyAddress) {
  settings.server.listen = "::";
  open.add("GET", "/ip", [](HttpRequest& request) -> asio::awaitable<HttpResponse> {
    co_return HttpResponse::json(200, request.ip);
  });
  start(2);
  Client client(server->port());
  EXPECT_EQ(client.get("/ip")->body, "127.0.0.1") << "not ::ffff:127.0.0.1";
}

TEST_F(Listening, AcceptedSocketsHaveTheOptionsOfTheListener) {
  const std::vector<UniqueFd> sockets = listen_tcp("server", "127.0.0.1", 0, 1);
  Client client(port_of(sockets.front().get()));
  UniqueFd accepted;
  ASSERT_TRUE(eventually([&] {
    accepted = UniqueFd(::accept4(sockets.front().get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(accepted);
  }));
  for (const auto& [option, expected] :
       {std::pair<int, int>{TCP_NODELAY, 1}, {TCP_USER_TIMEOUT, 30'000}, {TCP_NOTSENT_LOWAT, 16'384}}) {
    int value = 0;
    socklen_t size = sizeof value;
    ASSERT_EQ(::getsockopt(accepted.get(), IPPROTO_TCP, option, &value, &size), 0);
    EXPECT_EQ(value, expected) << "option " << option;
  }
}

TEST_F(Listening, ReplacesALeftOverAdminSocketButNotALiveOne) {
  start(1);
  const std::string path = folder / "admin.sock";
  EXPECT_NE(refusal([&] { listen_unix(path); }).find("another daemon answers"), std::string::npos);
  EXPECT_TRUE(Client(folder / "admin.sock").connected()) << "the live one is untouched";
  stop();
  EXPECT_FALSE(std::filesystem::exists(path));
  { const UniqueFd left_over = listen_unix(path); }
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(listen_unix(path));
  EXPECT_NE(refusal([&] { listen_unix("/tmp/" + std::string(120, 'x') + "/admin.sock"); }).find("shorter folder"),
            std::string::npos);
  EXPECT_NE(refusal([&] { listen_unix(folder / "missing" / "admin.sock"); }).find("cannot make"), std::string::npos);
}

TEST_F(Listening, TurnsAwayWhatItHasNoDescriptorForAndRecovers) {
  start(1);
  Client before(server->port());
  ASSERT_TRUE(before.get("/hello"));
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{256, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  // The client's own descriptor is opened first; the rest is used up before it connects.
  const UniqueFd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::vector<UniqueFd> hoard;
  for (;;) {
    UniqueFd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!one) break;
    hoard.push_back(std::move(one));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval wait{5, 0};
  ::setsockopt(late.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ASSERT_EQ(::connect(late.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  char byte = 0;
  EXPECT_EQ(::recv(late.get(), &byte, 1, 0), 0) << "told at once, not left hanging";
  EXPECT_GE(refused("descriptors"), 1.0);
  EXPECT_EQ(before.get("/hello")->status, 200) << "who is in is served";
  hoard.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  Client after(server->port());
  const auto got = after.get("/hello");
  ASSERT_TRUE(got) << "accepting goes on after the pause";
  EXPECT_EQ(got->status, 200);
}

}  // namespace
}  // namespace parley::net::test
