#pragma once
#include <cstddef>
#include <string_view>

namespace parley::protocol {

/// Valid UTF-8, with the machine's vector instructions: every byte from a socket passes here.
/// Source: Keiser and Lemire 2021, "Validating UTF-8 in less than one instruction per byte" (simdjson).
bool valid_utf8(std::string_view text) noexcept;

/// How many bytes at the end of `text` may be the beginning of a code point whose rest is still to come (0 to 3);
/// npos if they can never become one. Only the end is looked at.
std::size_t unfinished_utf8(std::string_view text) noexcept;

}  // namespace parley::protocol
