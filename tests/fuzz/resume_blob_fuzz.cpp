// Any text as a token: no crash, and nothing is taken that was not sealed with the right key for the right purpose.
#include <string>

#include "fuzz.hpp"
#include "parley/tenant/tokens.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  static const tenant::TokenSigner signer(std::string(tenant::TokenSigner::kKeyBytes, 'k'));
  static const tenant::TokenSigner stranger(std::string(tenant::TokenSigner::kKeyBytes, 's'));
  constexpr std::int64_t now = 1'763'715'600;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  for (const auto code :
       {signer.open_resume(text, now).has_value() ? Errc::kInternal : signer.open_resume(text, now).error().code,
        signer.open_access(text, now).has_value() ? Errc::kInternal : signer.open_access(text, now).error().code,
        signer.open_refresh(text, now).has_value() ? Errc::kInternal : signer.open_refresh(text, now).error().code}) {
    fuzz::require(code == Errc::kUnauthenticated || code == Errc::kTimeout, "bytes from outside open nothing");
  }

  // The bytes decide the claims and one change of the sealed blob.
  fuzz::Input input(data, size);
  const auto number = [&] {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | input.byte();
    return value;
  };
  tenant::ResumeClaims claims;
  claims.tenant.value = number() >> 1;
  claims.principal = {input.byte() % 2 == 0 ? PrincipalKind::kVisitor : PrincipalKind::kAgent, number()};
  claims.sid = number();
  claims.gen = static_cast<std::uint32_t>(number());
  claims.conv.value = number() >> 1;
  claims.expires_s = now + 60;
  const std::string blob = signer.seal_resume(claims);
  const auto opened = signer.open_resume(blob, now);
  fuzz::require(opened && opened->tenant == claims.tenant && opened->principal == claims.principal &&
                    opened->sid == claims.sid && opened->gen == claims.gen && opened->conv == claims.conv &&
                    opened->expires_s == claims.expires_s,
                "round trip");
  fuzz::require(!signer.open_access(blob, now) && !signer.open_refresh(blob, now), "not valid for another purpose");
  fuzz::require(!stranger.open_resume(blob, now), "not valid under another key");
  const auto late = signer.open_resume(blob, now + 61);
  fuzz::require(!late && late.error().code == Errc::kTimeout, "expires");
  std::string changed = blob;
  const std::size_t at = input.byte() % blob.size();
  changed[at] = static_cast<char>(input.byte());
  fuzz::require(changed == blob || !signer.open_resume(changed, now), "one changed character breaks it");
  fuzz::require(!signer.open_resume(std::string_view(blob).substr(0, at), now), "a part is nothing");
  return 0;
}
