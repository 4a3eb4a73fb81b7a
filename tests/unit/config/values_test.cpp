#include "config/values.hpp"

#include <gtest/gtest.h>

namespace parley::config {
namespace {

TEST(Values, KnowAddressesAndBlocks) {
  for (const char* text : {"127.0.0.1", "0.0.0.0", "::1", "2001:db8::1"}) EXPECT_TRUE(is_ip_address(text)) << text;
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "10.0.0.0/8"})
    EXPECT_FALSE(is_ip_address(text)) << text;
  EXPECT_FALSE(is_ip_address(std::string("127.0.0.1\0x", 11)));
  for (const char* text : {"10.0.0.0/8", "10.0.0.1", "::/0", "2001:db8::/128"})
    EXPECT_TRUE(is_ip_or_cidr(text)) << text;
  for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x", "x/8", "/8"})
    EXPECT_FALSE(is_ip_or_cidr(text)) << text;
}

TEST(Values, KnowOrigins) {
  for (const char* text :
       {"", "https://chat.example.com", "http://127.0.0.1:8080", "http://[::1]:8080", "http://[::1]"})
    EXPECT_TRUE(is_origin_or_empty(text)) << text;
  for (const char* text :
       {"chat.example.com", "ftp://a", "https://", "https://a/", "https://a/b", "https://a:0", "https://a:65536",
        "https://a:", "https://:80", "https://u@a", "http://[::1", "http://[x]", "http://[::1]x", "http://[::1]x:80"}) {
    EXPECT_FALSE(is_origin_or_empty(text)) << text;
  }
}

TEST(Values, KnowWideTenants) {
  for (const char* text : {"demo=2", "a-1=64"}) EXPECT_TRUE(is_wide_tenant(text)) << text;
  for (const char* text : {"demo", "=2", "demo=0", "demo=65", "demo=", "Demo=2", "de mo=2"})
    EXPECT_FALSE(is_wide_tenant(text)) << text;
}

TEST(Values, GuessesOnlyWhatIsNear) {
  const std::vector<std::string> keys{"server.port", "ops.port", "session.hello", "log.level"};
  EXPECT_EQ(nearest("server.prot", keys), "server.port");
  EXPECT_EQ(nearest("session.helo", keys), "session.hello");
  EXPECT_EQ(nearest("logging.level", keys), "log.level");
  EXPECT_EQ(nearest("database.password", keys), "");
}

TEST(Values, QuotesWhatCouldBreakALine) {
  EXPECT_EQ(toml_quote("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000A\"");
  EXPECT_EQ(to_text(std::string(100, 'a')).size(), 62u);
  EXPECT_LT(to_text(std::vector<std::string>(100, "abcdef")).size(), 90u);
}

}  // namespace
}  // namespace parley::config
