#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parley/base/ids.hpp"
#include "parley/base/result.hpp"

/// Signed, stateless tokens: base64url(payload) "." base64url(HMAC-SHA256(key of its purpose, payload)). The payload is
/// a short binary record of fixed layout with a version byte. Keys of the purposes are derived from one master key by
/// HKDF-SHA256, so that a token of one kind is never valid as another. Errors of every open_…: kUnauthenticated
/// (damaged, forged, another kind), kTimeout (expired). Threads: any (immutable after construction).
namespace parley::tenant {

struct VisitorClaims {
  TenantId tenant;
  ChannelId channel;
  VisitorId visitor;
  std::uint32_t token_version = 0;  ///< of the visitor; a lower one is refused by whoever knows better
  std::int64_t expires_s = 0;       ///< unix seconds
};
/// What a `resume` blob proves: this session was ready before.
struct ResumeClaims {
  TenantId tenant;
  Principal principal;
  std::uint64_t sid = 0;
  std::uint32_t gen = 0;
  ConversationId conv;  ///< visitors: the conversation (or reserved id) they were given
  std::int64_t expires_s = 0;
};

class TokenSigner {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  explicit TokenSigner(std::string_view master_key);
  std::string seal_access(const VisitorClaims&) const;   ///< 15 min
  std::string seal_refresh(const VisitorClaims&) const;  ///< 180 days, rolling
  std::string seal_resume(const ResumeClaims&) const;
  Result<VisitorClaims> open_access(std::string_view token, std::int64_t now_s) const;
  Result<VisitorClaims> open_refresh(std::string_view token, std::int64_t now_s) const;
  Result<ResumeClaims> open_resume(std::string_view blob, std::int64_t now_s) const;

 private:
  std::string access_key_, refresh_key_, resume_key_;
};

}  // namespace parley::tenant
