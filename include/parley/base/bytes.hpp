#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace parley {

/// base64url without padding (RFC 4648 section 5). decode: nullopt on any foreign character, padding or non-zero spare
/// bits.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);

/// `n` bytes from the kernel's generator; aborts if there are none, since nothing safe can go on.
std::string random_bytes(std::size_t n);
std::uint64_t random_u64();

/// Valid UTF-8 by RFC 3629 (no surrogates, no overlong forms, at most U+10FFFF).
bool is_utf8(std::string_view text) noexcept;
/// Number of code points of valid UTF-8.
std::size_t code_points(std::string_view text) noexcept;
/// Equal, in a time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace parley
