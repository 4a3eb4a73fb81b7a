#include "parley/tenant/passwords.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace parley::tenant {
namespace {

TEST(Passwords, HashIsArgon2idWithItsParametersAndAFreshSalt) {
  const Result<std::string> first = hash_password("correct horse battery");
  const Result<std::string> second = hash_password("correct horse battery");
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *first;
  EXPECT_NE(*first, *second);
  EXPECT_TRUE(verify_password(*first, "correct horse battery"));
  EXPECT_TRUE(verify_password(*second, "correct horse battery"));
  EXPECT_FALSE(verify_password(*first, "correct horse batterz"));
  EXPECT_FALSE(verify_password(*first, ""));
}

TEST(Passwords, DamagedAndForeignHashesFitNothing) {
  const std::string good = *hash_password("correct horse battery");
  for (const std::string& bad :
       {std::string(), std::string("x"), good.substr(0, good.size() - 4), good.substr(0, 40),
        std::string("$argon2i$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A"),
        std::string("$2b$12$abcdefghijklmnopqrstuv")}) {
    EXPECT_FALSE(verify_password(bad, "correct horse battery")) << bad;
  }
}

TEST(Passwords, AbsurdParametersAreRefusedWithoutBeingTried) {
  const std::string tail = "$AAECAwQFBgcICQoLDA0ODw$//////////////////////////////////////////8";
  const auto begin = std::chrono::steady_clock::now();
  for (const char* parameters :
       {"m=4294967295,t=2,p=1", "m=262145,t=2,p=1", "m=19456,t=4000000000,p=1", "m=19456,t=11,p=1", "m=19456,t=2,p=5",
        "m=99999999999999999999,t=2,p=1", "m=-1,t=2,p=1", "t=2,m=19456,p=1"}) {
    EXPECT_FALSE(verify_password(std::string("$argon2id$v=19$") + parameters + tail, "anything at all"));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
}

TEST(Passwords, TheHashOfNobodyTakesAsLongAsAnyAndFitsNothing) {
  EXPECT_FALSE(verify_password(hash_of_nobody(), "correct horse battery"));
  using Clock = std::chrono::steady_clock;
  const std::string real = *hash_password("correct horse battery");
  auto fastest = [](const std::string& hash) {
    auto best = Clock::duration::max();
    for (int i = 0; i < 3; ++i) {
      const auto begin = Clock::now();
      verify_password(hash, "wrong password");
      best = std::min(best, Clock::now() - begin);
    }
    return std::chrono::duration<double>(best).count();
  };
  EXPECT_GT(fastest(hash_of_nobody()), 0.4 * fastest(real)) << "a hash that is refused at sight would return at once";
}

struct Case {
  const char* password;
  const char* email;
  bool ok;
};
class PasswordRules : public testing::TestWithParam<Case> {};
TEST_P(PasswordRules, AreThese) {
  const Case& c = GetParam();
  const Result<> checked = check_password(c.password, c.email);
  EXPECT_EQ(checked.has_value(), c.ok) << c.password;
  if (!checked) {
    EXPECT_EQ(checked.error().code, Errc::kBadInput);
    EXPECT_EQ(checked.error().field, "password");
    EXPECT_TRUE(checked.error().detail.ends_with(".")) << "a sentence for people: " << checked.error().detail;
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, PasswordRules,
    testing::Values(Case{"nine char", "", false}, Case{"ten chars!", "", true}, Case{"", "", false},
                    Case{"一二三四五六七八九十", "", true},  // ten characters, thirty bytes
                    Case{"一二三四五六七八九", "", false}, Case{"aaaaaaaaaaaa", "", false},
                    Case{"ABCDEFGHIJ", "", false}, Case{"1234567890", "", false}, Case{"0987654321", "", false},
                    Case{"Password123", "", false}, Case{"QwertyUiop", "", false},
                    Case{"li.na@shop.example", "li.na@shop.example", false},
                    Case{"LI.NA@shop.example", "li.na@shop.example", false},
                    Case{"firstname.lastname", "firstname.lastname@shop.example", false},
                    Case{"correct horse", "li.na@shop.example", true}, Case{"ten chars\xff", "", false}));

TEST(Passwords, TwoHundredCharactersAreTheEnd) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ab";
  EXPECT_TRUE(check_password(text, ""));
  EXPECT_FALSE(check_password(text + "c", ""));
}

TEST(Passwords, GeneratedOnesPassTheRulesAndDiffer) {
  const std::string one = generate_password();
  EXPECT_EQ(one.size(), 23u);
  EXPECT_TRUE(check_password(one, "a@b.example"));
  EXPECT_NE(one, generate_password());
}

}  // namespace
}  // namespace parley::tenant
