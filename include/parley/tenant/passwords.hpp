#pragma once
#include <string>
#include <string_view>

#include "parley/base/result.hpp"

/// Passwords: argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet). Threads: any.
namespace parley::tenant {

/// The encoded hash with a fresh salt. Takes about 20 ms of CPU: call it on a worker. kInternal if there is no memory.
Result<std::string> hash_password(std::string_view password);

/// False for a wrong password and for an encoded hash that is damaged, of another kind, or asks for more than 256 MiB,
/// 10 passes or 4 lanes (whoever could plant such a hash could stop the daemon with it). As slow as hash_password.
bool verify_password(std::string_view encoded, std::string_view password);

/// A valid hash that no password fits; verified in place of a missing account's, so that the time of an answer says
/// nothing about who exists.
const std::string& hash_of_nobody();

/// kBadInput with a sentence for people unless it is 10 to 200 characters of UTF-8 and none of the first guesses: one
/// character repeated, a run
/// ("abcdefghij", "1234567890"), the e-mail address or its part before the @, or one of the best known passwords.
Result<> check_password(std::string_view password, std::string_view email);

/// Twenty easily told apart characters in groups of five (99 bits); for accounts made by a command.
std::string generate_password();

}  // namespace parley::tenant
