#include "parley/tenant/origins.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace parley::tenant {
namespace {

TEST(Origins, AreParsedIntoTheirThreeParts) {
  EXPECT_EQ(parse_origin("https://Shop.Example.com"), (Origin{"https", "shop.example.com", 443}));
  EXPECT_EQ(parse_origin("http://localhost:8080"), (Origin{"http", "localhost", 8080}));
  EXPECT_EQ(parse_origin("http://127.0.0.1"), (Origin{"http", "127.0.0.1", 80}));
  EXPECT_EQ(parse_origin("http://[::1]:81"), (Origin{"http", "[::1]", 81}));
}

TEST(Origins, NothingElseIsOne) {
  for (const char* text : {"",
                           "null",
                           "https://",
                           "ftp://a.example",
                           "a.example",
                           "https://a.example/",
                           "https://a.example/x",
                           "https://a.example?x",
                           "https://u@a.example",
                           "https://a.example:",
                           "https://a.example:0",
                           "https://a.example:65536",
                           "https://a.example:8x",
                           "https://a example",
                           "https://*.example.com",
                           "https://.example.com",
                           "https://a..example",
                           "https://[::1",
                           "https://[zz]",
                           "https://a.example, https://b.example",
                           "javascript://x"}) {
    EXPECT_FALSE(parse_origin(text)) << text;
  }
}

TEST(Origins, PatternsAreBroughtToOneForm) {
  EXPECT_EQ(*check_origin_pattern("HTTPS://Shop.Example.com:443"), "https://shop.example.com");
  EXPECT_EQ(*check_origin_pattern("http://localhost:5173"), "http://localhost:5173");
  EXPECT_EQ(*check_origin_pattern("https://*.Example.com"), "https://*.example.com");
  EXPECT_EQ(*check_origin_pattern("http://[::1]"), "http://[::1]");
}

TEST(Origins, PatternsThatAdmitTooMuchAreRefusedWithASentence) {
  for (const char* text :
       {"*", "https://*", "https://*.com", "https://*.", "https://a.*.example.com", "https://**.example.com",
        "https://*.1.2.3.4", "https://shop.example.com/path", "shop.example.com", "https://*shop.example.com", ""}) {
    const Result<std::string> checked = check_origin_pattern(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(checked.error().code, Errc::kBadInput);
    EXPECT_FALSE(checked.error().detail.empty());
  }
}

struct Case {
  const char* pattern;
  const char* origin;
  bool admits;
};
class OriginMatch : public testing::TestWithParam<Case> {};
TEST_P(OriginMatch, IsExact) { EXPECT_EQ(origin_matches(GetParam().pattern, GetParam().origin), GetParam().admits); }
INSTANTIATE_TEST_SUITE_P(All, OriginMatch,
                         testing::Values(Case{"https://shop.example.com", "https://shop.example.com", true},
                                         Case{"https://shop.example.com", "https://SHOP.example.com:443", true},
                                         Case{"https://shop.example.com", "http://shop.example.com", false},
                                         Case{"https://shop.example.com", "https://shop.example.com:8443", false},
                                         Case{"https://shop.example.com", "https://shop.example.com.evil.test", false},
                                         Case{"https://shop.example.com", "https://evilshop.example.com", false},
                                         Case{"https://shop.example.com", "null", false},
                                         Case{"https://*.example.com", "https://shop.example.com", true},
                                         Case{"https://*.example.com", "https://example.com", false},
                                         Case{"https://*.example.com", "https://a.b.example.com", false},
                                         Case{"https://*.example.com", "https://.example.com", false},
                                         Case{"https://*.example.com", "https://shopexample.com", false},
                                         Case{"https://*.example.com:8443", "https://shop.example.com:8443", true},
                                         Case{"https://*.example.com:8443", "https://shop.example.com", false}));

TEST(Origins, AListAdmitsWhatOneOfItAdmits) {
  const std::vector<std::string> list{"https://a.example", "https://*.b.example"};
  EXPECT_TRUE(origin_allowed(list, "https://a.example"));
  EXPECT_TRUE(origin_allowed(list, "https://x.b.example"));
  EXPECT_FALSE(origin_allowed(list, "https://c.example"));
  EXPECT_FALSE(origin_allowed({}, "https://a.example"));
}

}  // namespace
}  // namespace parley::tenant
