#include "net/static_files.hpp"

#include "net_fixture.hpp"

namespace parley::net::test {
namespace {

class StaticFiles : public ServerTest {
 protected:
  StaticFiles() {
    write_file("widget.js", "loader");
    write_file("widget.js.br", "loader-br");
    write_file("widget.js.gz", "loader-gz");
    write_file("assets/app-1a2b.js", "app");
    write_file("assets/only.css.gz", "no plain one");
    write_file("assets/font.woff2", "font");
    write_file("console/index.html", "<console>");
    write_file("console/assets/main-9f.css", "style");
    write_file("chat.html", "<chat data-key=\"__PARLEY_KEY__\" again=\"__PARLEY_KEY__\">");
    write_file("demo.html", "<demo __PARLEY_KEY__>");
    write_file(".secret", "never");
  }
};

TEST_F(StaticFiles, ServesTheLoaderInTheSmallestFormTheBrowserTakes) {
  start();
  Client client(server->port());
  const auto plain = client.get("/widget.js");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->body, "loader");
  EXPECT_EQ(plain->headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(plain->headers.at("cache-control"), "public, max-age=600");
  EXPECT_EQ(plain->headers.at("access-control-allow-origin"), "*");
  EXPECT_EQ(plain->headers.at("cross-origin-resource-policy"), "cross-origin");
  EXPECT_EQ(plain->headers.at("vary"), "Accept-Encoding");
  const auto br = client.get("/widget.js", "Accept-Encoding: gzip, deflate, br\r\n");
  EXPECT_EQ(br->body, "loader-br");
  EXPECT_EQ(br->headers.at("content-encoding"), "br");
  EXPECT_EQ(client.get("/widget.js", "Accept-Encoding: gzip;q=0.5, br;q=0\r\n")->body, "loader-gz");
  EXPECT_NE(br->headers.at("etag"), plain->headers.at("etag"));
  EXPECT_EQ(client.get("/assets/only.css", "Accept-Encoding: gzip\r\n")->status, 404)
      << "without its plain form it is not served";
}

TEST_F(StaticFiles, AnswersNotModifiedToTheTagItGave) {
  start();
  Client client(server->port());
  const std::string tag = client.get("/widget.js", "Accept-Encoding: br\r\n")->headers.at("etag");
  const auto same = client.get("/widget.js", "Accept-Encoding: br\r\nIf-None-Match: \"x\", W/" + tag + "\r\n");
  EXPECT_EQ(same->status, 304);
  EXPECT_FALSE(same->headers.contains("content-length"));
  EXPECT_EQ(same->headers.at("etag"), tag);
  EXPECT_EQ(client.get("/widget.js", "If-None-Match: " + tag + "\r\n")->status, 200) << "another representation";
}

TEST_F(StaticFiles, LetsHashedAssetsLiveForever) {
  start();
  Client client(server->port());
  const auto asset = client.get("/assets/app-1a2b.js");
  EXPECT_EQ(asset->headers.at("cache-control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(asset->headers.at("access-control-allow-origin"), "*");
  EXPECT_EQ(client.get("/assets/font.woff2")->headers.at("content-type"), "font/woff2");
  EXPECT_EQ(client.get("/console/assets/main-9f.css")->headers.at("cache-control"),
            "public, max-age=31536000, immutable");
  EXPECT_EQ(client.get("/assets/missing.js")->status, 404);
  EXPECT_EQ(client.get("/assets")->status, 404);
}

TEST_F(StaticFiles, ShowsTheConsoleAtEveryAddressBelowItsOwn) {
  start();
  Client client(server->port());
  for (const char* path : {"/console/", "/console/inbox/42", "/console/index.html"}) {
    const auto page = client.get(path);
    ASSERT_TRUE(page);
    EXPECT_EQ(page->body, "<console>") << path;
    EXPECT_EQ(page->headers.at("cache-control"), "no-cache");
    EXPECT_EQ(page->headers.at("content-security-policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: "
              "data:; font-src 'self'; frame-ancestors 'none'");
    EXPECT_FALSE(page->headers.contains("access-control-allow-origin"));
  }
  EXPECT_EQ(client.get("/console/assets/missing.js")->status, 404) << "a page instead of a script would be worse";
  EXPECT_EQ(client.get("/console")->headers.at("location"), "/console/");
  EXPECT_EQ(client.get("/")->headers.at("location"), "/console/");
  EXPECT_EQ(client.get("/consoles")->status, 404);
  EXPECT_EQ(client.get("/.secret")->status, 404);
  EXPECT_EQ(client.get("/chat.html")->status, 404) << "only with a key";
}

TEST_F(StaticFiles, PutsTheKeyOfTheTenantIntoItsPages) {
  page_key = [](std::string slug) -> asio::awaitable<Result<std::optional<std::string>>> {
    if (slug == "throws") throw std::runtime_error("a bug");
    if (slug == "later") co_return Error(Errc::kUnavailable, "store down");
    if (slug.empty()) co_return std::optional<std::string>("pk_demo");
    if (slug == "acme") co_return std::optional<std::string>("pk_acme");
    co_return std::optional<std::string>();
  };
  start();
  Client client(server->port());
  const auto chat = client.get("/chat/acme");
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->body, "<chat data-key=\"pk_acme\" again=\"pk_acme\">");
  EXPECT_EQ(chat->headers.at("cache-control"), "no-cache");
  EXPECT_NE(chat->headers.at("content-security-policy").find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(client.get("/demo")->body, "<demo pk_demo>");
  EXPECT_EQ(client.get("/chat/nobody")->status, 404);
  EXPECT_EQ(client.get("/chat/throws")->status, 500);
  EXPECT_EQ(client.get("/chat/later")->status, 503);
  EXPECT_EQ(client.get("/chat/a/b")->status, 404);
  EXPECT_EQ(client.get("/chat/")->status, 404);
}

TEST_F(StaticFiles, WithoutPagesTheServerRunsAndSaysSo) {
  std::filesystem::remove_all(folder / "web");
  open.add("GET", "/hello",
           [](HttpRequest&) -> asio::awaitable<HttpResponse> { co_return HttpResponse::json(200, "1"); });
  start();
  Client client(server->port());
  for (const char* path : {"/console/", "/widget.js", "/chat/acme", "/demo"}) {
    const auto page = client.get(path);
    ASSERT_TRUE(page);
    EXPECT_EQ(page->status, 503) << path;
    EXPECT_NE(page->body.find("server.web_root"), std::string::npos) << path;
  }
  EXPECT_EQ(client.get("/hello")->status, 200);
}

}  // namespace
}  // namespace parley::net::test
