#include "parley/tenant/secrets.hpp"

#include <openssl/sha.h>

#include "parley/base/bytes.hpp"

namespace parley::tenant {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";  // without I, L, O, 0 and 1

/// Upper case letters and digits only, so that a code may be typed with or without its hyphens.
std::string bare(std::string_view code) {
  std::string out;
  for (char c : code) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) out.push_back(c);
  }
  return out;
}

}  // namespace

std::string sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string make_secret(std::string_view prefix) { return std::string(prefix) + base64url_encode(random_bytes(32)); }
std::string make_public_key() { return "pk_" + base64url_encode(random_bytes(16)); }

std::string random_letters(std::size_t count) {
  constexpr unsigned kFair = 256 / kLetters.size() * kLetters.size();  // bytes above would favour the first letters
  std::string out;
  while (out.size() < count) {
    for (const char c : random_bytes(count)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < kFair && out.size() < count) out.push_back(kLetters[byte % kLetters.size()]);
    }
  }
  return out;
}

std::string make_setup_code() {
  const std::string letters = random_letters(12);
  return letters.substr(0, 4) + '-' + letters.substr(4, 4) + '-' + letters.substr(8);
}

bool same_setup_code(std::string_view code, std::string_view typed) {
  const std::string expected = bare(code);
  return !expected.empty() && equal_constant_time(sha256(expected), sha256(bare(typed)));
}

}  // namespace parley::tenant
