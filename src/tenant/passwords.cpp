#include "parley/tenant/passwords.hpp"

#include <argon2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "parley/base/bytes.hpp"
#include "parley/tenant/secrets.hpp"

namespace parley::tenant {
namespace {

constexpr std::uint32_t kMemoryKib = 19456;
constexpr std::uint32_t kPasses = 2;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;

constexpr std::uint32_t kMemoryKibMax = 256 * 1024;
constexpr std::uint32_t kPassesMax = 10;
constexpr std::uint32_t kLanesMax = 4;
constexpr std::size_t kEncodedMax = 256;

constexpr std::size_t kPointsMin = 10;
constexpr std::size_t kPointsMax = 200;

/// Reads "m=19456," at the front of `rest`.
std::optional<std::uint32_t> parameter(std::string_view& rest, std::string_view name, char end) {
  if (!rest.starts_with(name)) return std::nullopt;
  rest.remove_prefix(name.size());
  std::uint32_t value = 0;
  const auto [stop, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (ec != std::errc{} || stop == rest.data() + rest.size() || *stop != end) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()) + 1);
  return value;
}

bool reasonable(std::string_view encoded) {
  constexpr std::string_view kPrefix = "$argon2id$v=19$";
  if (encoded.size() > kEncodedMax || !encoded.starts_with(kPrefix)) return false;
  std::string_view rest = encoded.substr(kPrefix.size());
  const auto memory = parameter(rest, "m=", ',');
  const auto passes = memory ? parameter(rest, "t=", ',') : std::nullopt;
  const auto lanes = passes ? parameter(rest, "p=", '$') : std::nullopt;
  return lanes && *memory <= kMemoryKibMax && *passes <= kPassesMax && *lanes <= kLanesMax;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// Each byte the one before it plus `step`; "90" and "09" count as neighbours, as on a keyboard.
bool is_run(std::string_view text, int step) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    const bool around =
        (step == 1 && text[i - 1] == '9' && text[i] == '0') || (step == -1 && text[i - 1] == '0' && text[i] == '9');
    if (text[i] - text[i - 1] != step && !around) return false;
  }
  return true;
}

/// The most used ones of ten characters and more, from published lists of stolen passwords.
constexpr std::array<std::string_view, 20> kKnown{
    "qwertyuiop", "1q2w3e4r5t",    "1qaz2wsx3edc", "q1w2e3r4t5",  "password12",   "password123",  "password1234",
    "password1!", "p@ssw0rd123",   "iloveyou12",   "qwerty12345", "qwerty123456", "abc123456789", "asdfghjkl;",
    "zxcvbnm123", "administrator", "changeme123",  "welcome123",  "letmein123",   "woaini1314520"};

Error refuse(std::string sentence) { return Error(Errc::kBadInput, std::move(sentence), "password"); }

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  const std::string salt = random_bytes(kSaltBytes);
  std::string encoded(argon2_encodedlen(kPasses, kMemoryKib, kLanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  const int rc = argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.data(), password.size(), salt.data(),
                                       salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (rc != ARGON2_OK) return Error(Errc::kInternal, argon2_error_message(rc));
  encoded.resize(encoded.find('\0'));
  return encoded;
}

bool verify_password(std::string_view encoded, std::string_view password) {
  if (!reasonable(encoded)) return false;
  return argon2id_verify(std::string(encoded).c_str(), password.data(), password.size()) == ARGON2_OK;
}

const std::string& hash_of_nobody() {
  // Salt and hash are fixed bytes; finding a password for them would be a preimage of argon2id.
  static const std::string hash = "$argon2id$v=19$m=" + std::to_string(kMemoryKib) + ",t=" + std::to_string(kPasses) +
                                  ",p=" + std::to_string(kLanes) +
                                  "$AAECAwQFBgcICQoLDA0ODw$//////////////////////////////////////////8";
  return hash;
}

Result<> check_password(std::string_view password, std::string_view email) {
  if (!is_utf8(password)) return refuse("The password is not valid text.");
  const std::size_t points = code_points(password);
  if (points < kPointsMin) return refuse("A password has at least ten characters.");
  if (points > kPointsMax) return refuse("A password has at most two hundred characters.");
  const std::string plain = lower(password);
  const std::string address = lower(email);
  if (!address.empty() && (plain == address || plain == address.substr(0, address.find('@')))) {
    return refuse("The password must not be the e-mail address.");
  }
  if (is_run(plain, 0) || is_run(plain, 1) || is_run(plain, -1) || std::ranges::find(kKnown, plain) != kKnown.end()) {
    return refuse(
        "This password is one of the first that would be guessed. Several words that do not belong together are "
        "better.");
  }
  return {};
}

std::string generate_password() {
  const std::string letters = random_letters(20);
  return letters.substr(0, 5) + '-' + letters.substr(5, 5) + '-' + letters.substr(10, 5) + '-' + letters.substr(15);
}

}  // namespace parley::tenant
