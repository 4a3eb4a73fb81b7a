// The parts of net that need no socket: addresses behind proxies, header values, targets, routes, admission.
#include <boost/asio/co_spawn.hpp>

#include "net/admission.hpp"
#include "net/client_address.hpp"
#include "net/http_text.hpp"
#include "net_fixture.hpp"

namespace parley::net::test {
namespace {

boost::asio::ip::address ip(const char* text) { return boost::asio::ip::make_address(text); }

TEST(ProxyTrust, WalksFromTheRightAsLongAsProxiesAreTrusted) {
  const ProxyTrust trust({"10.0.0.0/8", "192.0.2.7", "fd00::/16", "::1"});
  const auto client = [&](const char* remote, std::string_view list) {
    return trust.client(ip(remote), list).to_string();
  };
  EXPECT_EQ(client("198.51.100.1", "1.2.3.4"), "198.51.100.1") << "not a proxy, so its word counts for nothing";
  EXPECT_EQ(client("10.1.1.1", ""), "10.1.1.1");
  EXPECT_EQ(client("10.1.1.1", "1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(client("10.1.1.1", "6.6.6.6, 1.2.3.4 ,192.0.2.7"), "1.2.3.4");
  EXPECT_EQ(client("10.1.1.1", "10.2.2.2, 10.3.3.3"), "10.2.2.2") << "all of them proxies: the first one it is";
  EXPECT_EQ(client("10.1.1.1", "1.2.3.4, unknown"), "10.1.1.1");
  EXPECT_EQ(client("10.1.1.1", "1.2.3.4:5555"), "1.2.3.4");
  EXPECT_EQ(client("fd00::1", "[2001:db8::5]:443"), "2001:db8::5");
  EXPECT_EQ(client("::ffff:10.1.1.1", "1.2.3.4"), "1.2.3.4") << "IPv4 in IPv6 is IPv4";
}

TEST(ClientAddress, ComparesAuthoritiesOfOriginsAndHosts) {
  EXPECT_EQ(authority_of_url("https://Chat.Example/x?y"), "chat.example");
  EXPECT_EQ(authority_of_url("https://chat.example:443"), "chat.example");
  EXPECT_EQ(authority_of_url("https://chat.example:8443"), "chat.example:8443");
  EXPECT_EQ(authority_of_url("http://[::1]:80"), "[::1]");
  EXPECT_EQ(authority_of_url("null"), "");
  EXPECT_EQ(authority_of_url("ftp://chat.example"), "");
  EXPECT_EQ(authority_of_host("Chat.Example:80", false), "chat.example");
  EXPECT_EQ(authority_of_host("chat.example:80", true), "chat.example:80");
}

TEST(ClientAddress, CountsAnIPv6NetworkAsOneClient) {
  EXPECT_EQ(prefix_of(ip("2001:db8:1:2::5")), prefix_of(ip("2001:db8:1:2:ffff::1")));
  EXPECT_NE(prefix_of(ip("2001:db8:1:2::5")), prefix_of(ip("2001:db8:1:3::5")));
  EXPECT_NE(prefix_of(ip("192.0.2.1")), prefix_of(ip("192.0.2.2")));
}

TEST(HttpText, ReadsTargets) {
  const auto origin = parse_target("/a%20b/c+d?x=1&y=a+b%26&flag&=v");
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->path, "/a b/c+d");
  ASSERT_EQ(origin->query.size(), 4u);
  EXPECT_EQ(origin->query[1].second, "a b&");
  EXPECT_EQ(origin->query[2], (std::pair<std::string, std::string>{"flag", ""}));
  EXPECT_EQ(parse_target("http://host:1/p?q=1")->path, "/p");
  EXPECT_EQ(parse_target("https://host")->path, "/");
  EXPECT_EQ(parse_target("*")->path, "*");
  EXPECT_EQ(parse_target("/..a/b..")->path, "/..a/b..");
  for (const char* bad : {"", "a", "/..", "/a/./b", "/a/%2e%2e/b", "/%", "/%4", "/%gg", "/a\\b", "/?q=%0"})
    EXPECT_FALSE(parse_target(bad)) << bad;
}

TEST(HttpText, ReadsLists) {
  EXPECT_TRUE(has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_FALSE(has_token("keep-alive, Upgraded", "upgrade"));
  EXPECT_TRUE(accepts_encoding("gzip;q=1.0, br", "br"));
  EXPECT_FALSE(accepts_encoding("gzip, br;q=0.000", "br"));
  EXPECT_FALSE(accepts_encoding("", "br"));
  EXPECT_TRUE(matches_etag("\"a\", \"b\"", "\"b\""));
  EXPECT_TRUE(matches_etag("*", "\"b\""));
  EXPECT_FALSE(matches_etag("\"bb\"", "\"b\""));
}

HttpResponse ask(const Router& router, const std::string& method, const std::string& path, HttpRequest request = {}) {
  request.method = method;
  request.path = path;
  asio::io_context context;
  HttpResponse response;
  asio::co_spawn(
      context, [&]() -> asio::awaitable<void> { response = co_await router.handle(request); },
      [](std::exception_ptr error) { EXPECT_FALSE(error); });
  context.run();
  return response;
}

TEST(Router, PrefersTheMoreExactRouteAndFillsParameters) {
  Router router;
  const auto says = [](std::string what) {
    return [what](HttpRequest& request) -> asio::awaitable<HttpResponse> {
      std::string text = what;
      for (const auto& [name, value] : request.params) text += " " + name + "=" + value;
      co_return HttpResponse::json(200, text);
    };
  };
  router.add("GET", "/a/{*rest}", says("rest"));
  router.add("GET", "/a/{id}", says("id"));
  router.add("GET", "/a/new", says("new"));
  router.add("PATCH", "/a/{id}", says("patch"));
  router.add("GET", "/a/{id}/b/{other}", says("both"));
  EXPECT_EQ(ask(router, "GET", "/a/new").body, "new");
  EXPECT_EQ(ask(router, "GET", "/a/7").body, "id id=7");
  EXPECT_EQ(ask(router, "GET", "/a/7/b/8").body, "both id=7 other=8");
  EXPECT_EQ(ask(router, "GET", "/a/7/c").body, "rest rest=7/c");
  EXPECT_EQ(ask(router, "PATCH", "/a/new").body, "patch id=new");
  EXPECT_EQ(ask(router, "HEAD", "/a/new").body, "new");
  EXPECT_EQ(ask(router, "GET", "/a/").body, "rest rest=") << "an empty segment is no parameter";
}

TEST(Router, TellsUnknownPathsFromUnknownMethods) {
  Router router;
  for (const char* method : {"GET", "PUT"})
    router.add(method, "/a", [](HttpRequest&) -> asio::awaitable<HttpResponse> { co_return HttpResponse(); });
  const HttpResponse method = ask(router, "DELETE", "/a");
  EXPECT_EQ(method.status, 405);
  EXPECT_NE(
      std::find(method.headers.begin(), method.headers.end(), std::pair<std::string, std::string>("Allow", "GET, PUT")),
      method.headers.end());
  EXPECT_EQ(ask(router, "GET", "/b").status, 404);
  EXPECT_EQ(ask(router, "GET", "/a/").status, 404);
  EXPECT_EQ(ask(router, "OPTIONS", "*").status, 404);
  EXPECT_THROW(router.add("GET", "a", {}), std::invalid_argument);
}

TEST(HttpResponse, GivesEveryErrorItsStatusAndHidesWhatIsInternal) {
  const std::vector<std::pair<Errc, int>> statuses = {
      {Errc::kBadInput, 400},   {Errc::kUnauthenticated, 401}, {Errc::kForbidden, 403},
      {Errc::kNotFound, 404},   {Errc::kConflict, 409},        {Errc::kGone, 410},
      {Errc::kTooLarge, 413},   {Errc::kFiltered, 422},        {Errc::kRateLimited, 429},
      {Errc::kOverloaded, 503}, {Errc::kUnavailable, 503},     {Errc::kStorageFull, 507},
      {Errc::kTimeout, 503},    {Errc::kClosed, 503}};
  for (const auto& [code, status] : statuses) {
    const net::HttpResponse response = net::HttpResponse::of(Error(code, "because \"x\"", "a.b"));
    EXPECT_EQ(response.status, status);
    EXPECT_NE(response.body.find("because \\\"x\\\""), std::string::npos);
    EXPECT_NE(response.body.find("\"field\":\"a.b\""), std::string::npos);
    EXPECT_NE(response.body.find("\"ref\":\"" + response.ref), std::string::npos);
    EXPECT_EQ(response.body.find("after_ms") != std::string::npos, status == 429 || status == 503 || status == 507);
  }
  const net::HttpResponse internal = net::HttpResponse::of(Error(Errc::kInternal, "table users"));
  EXPECT_EQ(internal.status, 500);
  EXPECT_EQ(internal.body.find("table users"), std::string::npos);
}

TEST(HttpRequest, FindsHeadersWithoutCaseAndCookiesByName) {
  net::HttpRequest request;
  request.headers = {{"cookie", "a=1; parley=\"x y\"; parleyz=2"}, {"X-A", "1"}, {"Cookie", "late=3"}};
  EXPECT_EQ(request.header("x-a"), "1");
  EXPECT_EQ(request.header("none"), "");
  EXPECT_EQ(request.cookie("parley"), "x y");
  EXPECT_EQ(request.cookie("late"), "3");
  EXPECT_EQ(request.cookie("parle"), "");
}

TEST(Admission, LetsInAtTheRateTellsThreeTimesAsManyAndRefusesTheRest) {
  const auto start = Admission::Time{} + 1h;
  Admission admission(10, start);
  std::map<Admission::Verdict, int> verdicts;
  for (int i = 0; i < 100; ++i) ++verdicts[admission.judge(ip("127.0.0.1"), true, start)];
  EXPECT_EQ(verdicts[Admission::Verdict::kAdmitted], 10);
  EXPECT_EQ(verdicts[Admission::Verdict::kComeBack], 30);
  EXPECT_EQ(verdicts[Admission::Verdict::kRefused], 60);
  EXPECT_EQ(admission.judge(ip("127.0.0.1"), true, start + 100ms), Admission::Verdict::kAdmitted);
}

TEST(Admission, StopsOneAddressThatAsksTooOften) {
  const auto start = Admission::Time{} + 1h;
  Admission admission(100'000, start);
  int admitted = 0;
  while (admitted < 1000 && admission.judge(ip("198.51.100.1"), false, start) == Admission::Verdict::kAdmitted)
    ++admitted;
  EXPECT_EQ(admitted, 200);
  EXPECT_EQ(admission.judge(ip("198.51.100.1"), false, start), Admission::Verdict::kAddress);
  EXPECT_EQ(admission.judge(ip("198.51.100.2"), false, start), Admission::Verdict::kAdmitted)
      << "its neighbour is another client";
  EXPECT_EQ(admission.judge(ip("198.51.100.1"), false, start + 1s), Admission::Verdict::kAdmitted);
}

}  // namespace
}  // namespace parley::net::test
