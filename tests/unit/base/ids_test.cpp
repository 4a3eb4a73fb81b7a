#include "parley/base/ids.hpp"

#include <gtest/gtest.h>

#include <set>

#include "parley/base/bytes.hpp"
#include "parley/base/snowflake.hpp"

namespace parley {
namespace {

TEST(Id, ParsesOnlyPlainDecimalDigitsThatFit63Bits) {
  EXPECT_EQ(ConversationId::parse("9223372036854775807")->value, 9223372036854775807ULL);
  for (const char* bad :
       {"", "0", "01", "-1", "+1", "1x", " 1", "9223372036854775808", "99999999999999999999", "1.0"}) {
    EXPECT_FALSE(ConversationId::parse(bad)) << bad;
  }
}

TEST(DevId, RoundTripsAndRefusesOtherLengthsAndLetters) {
  const auto dev = DevId::parse("AAAAAAAAAAAAAAAB");
  ASSERT_TRUE(dev);
  EXPECT_EQ(dev->str(), "AAAAAAAAAAAAAAAB");
  EXPECT_FALSE(DevId::parse("AAAAAAAAAAAAAAA"));
  EXPECT_FALSE(DevId::parse("AAAAAAAAAAAAAAA="));
  EXPECT_FALSE(DevId::parse("AAAAAAAAAAAAAAAAA"));
}

TEST(Snowflake, NeverRepeatsEvenWhenTheClockStandsStillOrGoesBack) {
  Snowflake flakes(1, 2);
  std::set<std::uint64_t> seen;
  std::uint64_t last = 0;
  const std::int64_t now = 1'800'000'000'000'000'000;
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t id = flakes.next(now - i * 1'000'000'000LL);
    EXPECT_GT(id, last);
    last = id;
    EXPECT_TRUE(seen.insert(id).second);
  }
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(seen.insert(flakes.next_conversation(now, 63)).second);
}

TEST(Snowflake, StartsAboveTheFloorOfEarlierRuns) {
  const std::int64_t floor_ms = Snowflake::kEpochMs + 10'000'000;
  Snowflake flakes(0, 0, floor_ms);
  EXPECT_GE(flakes.next(0) >> 22, 10'000'000u);
}

TEST(Snowflake, ConversationIdsCarryTheirLane) {
  Snowflake flakes(0, 1);
  for (unsigned lane : {0u, 1u, 63u})
    EXPECT_EQ(lane_of(ConversationId{flakes.next_conversation(1800000000000000000, lane)}), lane);
}

TEST(Bytes, Base64UrlRoundTripsAndRefusesSecondSpellings) {
  for (std::size_t n = 0; n < 40; ++n) {
    const std::string bytes = random_bytes(n);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
  }
  EXPECT_FALSE(base64url_decode("AB"));  // spare bits set
  EXPECT_FALSE(base64url_decode("A"));
  EXPECT_FALSE(base64url_decode("AA+A"));
  EXPECT_TRUE(base64url_decode("AA"));
}

TEST(Bytes, Utf8FollowsRfc3629) {
  EXPECT_TRUE(is_utf8("plain ascii that is longer than eight bytes"));
  EXPECT_TRUE(is_utf8("你好, wörld 🎉"));
  for (std::string_view bad : {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                               "\xf5\x80\x80\x80", "\xe4\xbd", "abcdefgh\xff", "\xf0\x9f\x8e"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
  EXPECT_EQ(code_points("你好🎉a"), 4u);
}

}  // namespace
}  // namespace parley
