#include "parley/tenant/secrets.hpp"

#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "parley/base/bytes.hpp"

namespace parley::tenant {
namespace {

TEST(Secrets, Sha256IsTheOneOfTheStandard) {
  EXPECT_EQ(hex_encode(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2, B.1
}

TEST(Secrets, Carry256RandomBits) {
  const std::string one = make_secret("pat_");
  EXPECT_TRUE(std::regex_match(one, std::regex("pat_[A-Za-z0-9_-]{43}"))) << one;
  EXPECT_NE(one, make_secret("pat_"));
  EXPECT_TRUE(std::regex_match(make_public_key(), std::regex("pk_[A-Za-z0-9_-]{22}")));
  EXPECT_NE(make_public_key(), make_public_key());
}

TEST(Secrets, SetupCodeIsShortAndUnambiguous) {
  for (int i = 0; i < 50; ++i) {
    const std::string code = make_setup_code();
    EXPECT_TRUE(std::regex_match(code, std::regex("([A-HJKMNP-Z2-9]{4}-){2}[A-HJKMNP-Z2-9]{4}"))) << code;
  }
  EXPECT_NE(make_setup_code(), make_setup_code());
}

TEST(Secrets, SetupCodeMayBeTypedAsPeopleType) {
  EXPECT_TRUE(same_setup_code("ABCD-EFGH-JK23", "ABCD-EFGH-JK23"));
  EXPECT_TRUE(same_setup_code("ABCD-EFGH-JK23", " abcd efgh jk23 "));
  EXPECT_TRUE(same_setup_code("ABCD-EFGH-JK23\n", "abcdefghjk23"));
  EXPECT_FALSE(same_setup_code("ABCD-EFGH-JK23", "ABCD-EFGH-JK24"));
  EXPECT_FALSE(same_setup_code("ABCD-EFGH-JK23", "ABCD-EFGH"));
  EXPECT_FALSE(same_setup_code("ABCD-EFGH-JK23", ""));
  EXPECT_FALSE(same_setup_code("", "")) << "no code, no entry";
}

TEST(Secrets, AllLettersAreEquallyLikely) {
  std::map<char, int> count;
  constexpr int kDraws = 62000;
  for (const char c : random_letters(kDraws)) ++count[c];
  EXPECT_EQ(count.size(), 31u);
  for (const auto& [letter, times] : count) {
    EXPECT_NEAR(times, kDraws / 31, 300)
        << letter;  // expected 2000, standard deviation 44; modulo bias would give 2180 to some
  }
}

}  // namespace
}  // namespace parley::tenant
