#include "parley/tenant/tokens.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "parley/base/bytes.hpp"

namespace parley::tenant {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kMacBytes = 32;

/// HKDF-SHA256 (RFC 5869) without salt: the master key is uniformly random already, `purpose` separates the keys.
std::string derive(std::string_view master, std::string_view purpose) {
  std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr), &EVP_KDF_free);
  std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(kdf.get()), &EVP_KDF_CTX_free);
  std::string digest = "SHA256";
  std::string key(master);
  std::string info(purpose);
  const std::array<OSSL_PARAM, 4> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()), OSSL_PARAM_construct_end()};
  std::string derived(TokenSigner::kKeyBytes, '\0');
  if (!context || EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(derived.data()), derived.size(),
                                 parameters.data()) != 1) {
    throw std::runtime_error("OpenSSL has no HKDF");
  }
  return derived;
}

std::string mac_of(std::string_view key, std::string_view payload) {
  std::string mac(kMacBytes, '\0');
  unsigned size = 0;
  const unsigned char* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(payload.data()), payload.size(),
                                   reinterpret_cast<unsigned char*>(mac.data()), &size);
  if (!done || size != kMacBytes) throw std::runtime_error("OpenSSL has no HMAC-SHA256");
  return mac;
}

std::string seal(std::string_view key, std::string_view payload) {
  return base64url_encode(payload) + '.' + base64url_encode(mac_of(key, payload));
}

/// The payload, if its MAC is right and it has this version and length.
std::optional<std::string> unseal(std::string_view key, std::string_view token, std::size_t payload_bytes) {
  const std::size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::optional<std::string> payload = base64url_decode(token.substr(0, dot));
  const std::optional<std::string> mac = base64url_decode(token.substr(dot + 1));
  if (!payload || !mac || payload->size() != payload_bytes) return std::nullopt;
  if (!equal_constant_time(*mac, mac_of(key, *payload))) return std::nullopt;
  if (payload->front() != kVersion) return std::nullopt;
  return payload;
}

/// Fixed-width integers, little endian.
class Writer {
 public:
  Writer() { out_.push_back(kVersion); }
  Writer& u(std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(value >> (8 * i) & 0xff));
    return *this;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};
class Reader {
 public:
  explicit Reader(std::string_view payload) : rest_(payload.substr(1)) {}
  std::uint64_t u(unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    rest_.remove_prefix(bytes);
    return value;
  }

 private:
  std::string_view rest_;
};

constexpr std::size_t kVisitorBytes = 1 + 8 + 8 + 8 + 4 + 8;
constexpr std::size_t kResumeBytes = 1 + 8 + 1 + 8 + 8 + 4 + 8 + 8;

std::string pack(const VisitorClaims& claims) {
  return Writer()
      .u(claims.tenant.value, 8)
      .u(claims.channel.value, 8)
      .u(claims.visitor.value, 8)
      .u(claims.token_version, 4)
      .u(static_cast<std::uint64_t>(claims.expires_s), 8)
      .take();
}

Error invalid() { return Error(Errc::kUnauthenticated, "the token is damaged or of another kind"); }
Error expired() { return Error(Errc::kTimeout, "the token has expired"); }

Result<VisitorClaims> open_visitor(std::string_view key, std::string_view token, std::int64_t now_s) {
  const std::optional<std::string> payload = unseal(key, token, kVisitorBytes);
  if (!payload) return invalid();
  Reader in(*payload);
  VisitorClaims claims;
  claims.tenant.value = in.u(8);
  claims.channel.value = in.u(8);
  claims.visitor.value = in.u(8);
  claims.token_version = static_cast<std::uint32_t>(in.u(4));
  claims.expires_s = static_cast<std::int64_t>(in.u(8));
  if (now_s >= claims.expires_s) return expired();
  return claims;
}

}  // namespace

TokenSigner::TokenSigner(std::string_view master_key) {
  if (master_key.size() != kKeyBytes) throw std::invalid_argument("the master key has 32 bytes");
  access_key_ = derive(master_key, "parley/visitor-access/1");
  refresh_key_ = derive(master_key, "parley/visitor-refresh/1");
  resume_key_ = derive(master_key, "parley/resume/1");
}

std::string TokenSigner::seal_access(const VisitorClaims& claims) const { return seal(access_key_, pack(claims)); }
std::string TokenSigner::seal_refresh(const VisitorClaims& claims) const { return seal(refresh_key_, pack(claims)); }
std::string TokenSigner::seal_resume(const ResumeClaims& claims) const {
  return seal(resume_key_, Writer()
                               .u(claims.tenant.value, 8)
                               .u(static_cast<std::uint8_t>(claims.principal.kind), 1)
                               .u(claims.principal.id, 8)
                               .u(claims.sid, 8)
                               .u(claims.gen, 4)
                               .u(claims.conv.value, 8)
                               .u(static_cast<std::uint64_t>(claims.expires_s), 8)
                               .take());
}

Result<VisitorClaims> TokenSigner::open_access(std::string_view token, std::int64_t now_s) const {
  return open_visitor(access_key_, token, now_s);
}
Result<VisitorClaims> TokenSigner::open_refresh(std::string_view token, std::int64_t now_s) const {
  return open_visitor(refresh_key_, token, now_s);
}
Result<ResumeClaims> TokenSigner::open_resume(std::string_view blob, std::int64_t now_s) const {
  const std::optional<std::string> payload = unseal(resume_key_, blob, kResumeBytes);
  if (!payload) return invalid();
  Reader in(*payload);
  ResumeClaims claims;
  claims.tenant.value = in.u(8);
  claims.principal.kind = static_cast<PrincipalKind>(in.u(1));
  claims.principal.id = in.u(8);
  claims.sid = in.u(8);
  claims.gen = static_cast<std::uint32_t>(in.u(4));
  claims.conv.value = in.u(8);
  claims.expires_s = static_cast<std::int64_t>(in.u(8));
  if (now_s >= claims.expires_s) return expired();
  return claims;
}

}  // namespace parley::tenant
