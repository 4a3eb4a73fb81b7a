#pragma once
#include <string_view>

namespace parley::protocol {

/// Valid UTF-8, with the machine's vector instructions: every byte from a socket passes here.
/// Source: Keiser and Lemire 2021, "Validating UTF-8 in less than one instruction per byte" (simdjson).
bool valid_utf8(std::string_view text) noexcept;

}  // namespace parley::protocol
