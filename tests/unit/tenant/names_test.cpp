#include "parley/tenant/names.hpp"

#include <gtest/gtest.h>

namespace parley::tenant {
namespace {

TEST(Email, IsTrimmedAndLowerCase) {
  EXPECT_EQ(normalise_email("  Li.Na@Shop.Example \n"), "li.na@shop.example");
  EXPECT_EQ(normalise_email("owner@demo.test"), "owner@demo.test");
  EXPECT_EQ(normalise_email("root@localhost"), "root@localhost");
  EXPECT_EQ(normalise_email("a+b_c@x-y.example"), "a+b_c@x-y.example");
}

TEST(Email, NothingElseIsOne) {
  for (const std::string& text : {std::string(),
                                  std::string("  "),
                                  std::string("plain"),
                                  std::string("@x.example"),
                                  std::string("a@"),
                                  std::string("a@b@c.example"),
                                  std::string("a b@c.example"),
                                  std::string("a@b c.example"),
                                  std::string("a@.example"),
                                  std::string("a@x..example"),
                                  std::string("a@x.example."),
                                  std::string("a@-x.example"),
                                  std::string(".a@x.example"),
                                  std::string("a.@x.example"),
                                  std::string("a..b@x.example"),
                                  std::string("\"a\"@x.example"),
                                  std::string("李@x.example"),
                                  std::string("a@x.example\r\nBcc: c@d"),
                                  std::string("a\0@x.example", 12),
                                  std::string(65, 'a') + "@x.example",
                                  "a@" + std::string(64, 'x') + ".example",
                                  "a@" + std::string(60, 'x') + "." + std::string(60, 'x') + "." +
                                      std::string(60, 'x') + "." + std::string(60, 'x') + "." + std::string(20, 'x')}) {
    EXPECT_FALSE(normalise_email(text)) << text;
  }
}

TEST(Slug, RulesAreThese) {
  for (const char* good : {"a", "demo", "shop-2", "0", "abcdefghijabcdefghijabcdefghijabcdefghij"})
    EXPECT_TRUE(is_slug(good)) << good;
  for (const char* bad :
       {"", "-a", "a-", "A", "a_b", "a.b", "a b", "小店", "abcdefghijabcdefghijabcdefghijabcdefghijk", "a/../b"})
    EXPECT_FALSE(is_slug(bad)) << bad;
}

TEST(Slug, IsMadeFromANameAndAlwaysValid) {
  EXPECT_EQ(slug_of("Happy Tea House"), "happy-tea-house");
  EXPECT_EQ(slug_of("  --Tea & Co. (2024)!"), "tea-co-2024");
  EXPECT_EQ(slug_of("快乐茶馆"), "chat");
  EXPECT_EQ(slug_of(""), "chat");
  const std::string cut = slug_of(std::string(39, 'a') + " b");
  EXPECT_EQ(cut, std::string(39, 'a')) << "a hyphen at the cut goes too";
  EXPECT_TRUE(is_slug(cut));
}

TEST(TimeZone, IsANameOfTheIanaDatabase) {
  for (const char* good : {"UTC", "Asia/Shanghai", "Europe/Berlin", "America/Argentina/Buenos_Aires"})
    EXPECT_TRUE(is_time_zone(good)) << good;
  for (const char* bad : {"", "Mars/Olympus", "asia shanghai", "上海", "../etc/passwd", "GMT+25:99"})
    EXPECT_FALSE(is_time_zone(bad)) << bad;
  EXPECT_FALSE(is_time_zone(std::string(65, 'A')));
}

}  // namespace
}  // namespace parley::tenant
