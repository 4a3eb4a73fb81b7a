#pragma once
#include <cstddef>
#include <string_view>

#include "parley/protocol/utf8.hpp"

namespace parley::protocol {

/// How many bytes at the end of `text` may be the beginning of a code point whose rest is still to come (0 to 3);
/// npos if they can never become one. Only the end is looked at.
std::size_t unfinished_utf8(std::string_view text) noexcept;

}  // namespace parley::protocol
