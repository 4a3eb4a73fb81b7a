#include "parley/tenant/tokens.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "parley/base/bytes.hpp"

namespace parley::tenant {
namespace {

constexpr std::int64_t kNow = 1'763'715'600;
const std::string kKey(TokenSigner::kKeyBytes, 'k');

VisitorClaims visitor() {
  VisitorClaims claims;
  claims.tenant.value = 7261400000;
  claims.channel.value = 72610;
  claims.visitor.value = 0x7fffffffffffffff;
  claims.token_version = 3;
  claims.expires_s = kNow + 900;
  return claims;
}
ResumeClaims resume() {
  ResumeClaims claims;
  claims.tenant.value = 7261400000;
  claims.principal = Principal::agent(AgentId{72614});
  claims.sid = 0xfedcba9876543210;
  claims.gen = 2;
  claims.conv.value = 7261402113;
  claims.expires_s = kNow + 60;
  return claims;
}

TEST(TokenSigner, GivesEveryClaimBack) {
  const TokenSigner signer(kKey);
  for (const auto& opened : {signer.open_access(signer.seal_access(visitor()), kNow),
                             signer.open_refresh(signer.seal_refresh(visitor()), kNow)}) {
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->tenant, visitor().tenant);
    EXPECT_EQ(opened->channel, visitor().channel);
    EXPECT_EQ(opened->visitor, visitor().visitor);
    EXPECT_EQ(opened->token_version, 3u);
    EXPECT_EQ(opened->expires_s, kNow + 900);
  }
  const Result<ResumeClaims> back = signer.open_resume(signer.seal_resume(resume()), kNow);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->tenant, resume().tenant);
  EXPECT_EQ(back->principal, resume().principal);
  EXPECT_EQ(back->sid, resume().sid);
  EXPECT_EQ(back->gen, 2u);
  EXPECT_EQ(back->conv, resume().conv);
  EXPECT_EQ(back->expires_s, kNow + 60);
}

TEST(TokenSigner, IsTheSameAfterARestartAndAnotherUnderAnotherKey) {
  const std::string token = TokenSigner(kKey).seal_access(visitor());
  EXPECT_TRUE(TokenSigner(kKey).open_access(token, kNow));
  const Result<VisitorClaims> foreign = TokenSigner(std::string(32, 'x')).open_access(token, kNow);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Errc::kUnauthenticated);
}

TEST(TokenSigner, RefusesATokenOfAnotherKind) {
  const TokenSigner signer(kKey);
  EXPECT_FALSE(signer.open_refresh(signer.seal_access(visitor()), kNow));
  EXPECT_FALSE(signer.open_access(signer.seal_refresh(visitor()), kNow));
  EXPECT_FALSE(signer.open_access(signer.seal_resume(resume()), kNow));
  EXPECT_FALSE(signer.open_resume(signer.seal_access(visitor()), kNow));
}

TEST(TokenSigner, EndsAtTheSecondItNames) {
  const TokenSigner signer(kKey);
  const std::string token = signer.seal_access(visitor());
  EXPECT_TRUE(signer.open_access(token, kNow + 899));
  const Result<VisitorClaims> late = signer.open_access(token, kNow + 900);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::kTimeout);
  const Result<ResumeClaims> late_resume = signer.open_resume(signer.seal_resume(resume()), kNow + 60);
  ASSERT_FALSE(late_resume);
  EXPECT_EQ(late_resume.error().code, Errc::kTimeout);
}

TEST(TokenSigner, RefusesEveryChangedByteOfPayloadAndMac) {
  const TokenSigner signer(kKey);
  const std::string token = signer.seal_access(visitor());
  const std::size_t dot = token.find('.');
  const std::string payload = *base64url_decode(token.substr(0, dot));
  const std::string mac = *base64url_decode(token.substr(dot + 1));
  for (std::size_t i = 0; i < payload.size(); ++i) {
    std::string forged = payload;
    forged[i] = static_cast<char>(forged[i] ^ 1);
    const Result<VisitorClaims> opened =
        signer.open_access(base64url_encode(forged) + '.' + base64url_encode(mac), kNow);
    ASSERT_FALSE(opened) << "byte " << i;
    EXPECT_EQ(opened.error().code, Errc::kUnauthenticated);
  }
  for (std::size_t i = 0; i < mac.size(); ++i) {
    std::string forged = mac;
    forged[i] = static_cast<char>(forged[i] ^ 0x80);
    EXPECT_FALSE(signer.open_access(base64url_encode(payload) + '.' + base64url_encode(forged), kNow)) << "byte " << i;
  }
}

TEST(TokenSigner, RefusesWhatIsNoToken) {
  const TokenSigner signer(kKey);
  const std::string token = signer.seal_access(visitor());
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a.b"), token.substr(0, token.find('.')), token + ".", token + "=",
        token.substr(0, token.size() - 1), token + "A", " " + token, std::string(100000, 'A')}) {
    const Result<VisitorClaims> opened = signer.open_access(text, kNow);
    ASSERT_FALSE(opened) << text.substr(0, 80);
    EXPECT_EQ(opened.error().code, Errc::kUnauthenticated);
  }
}

TEST(TokenSigner, TakesAMasterKeyOfThirtyTwoBytesOnly) {
  EXPECT_THROW(TokenSigner(""), std::invalid_argument);
  EXPECT_THROW(TokenSigner(std::string(31, 'k')), std::invalid_argument);
}

}  // namespace
}  // namespace parley::tenant
