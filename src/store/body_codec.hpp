#pragma once
#include <string>
#include <string_view>

#include "parley/protocol/pack.hpp"

namespace parley::store {

/// The JSON of a stored body; "" if the bytes are damaged. A body is at most 64 KiB when unpacked, so a forged length
/// cannot take memory.
std::string plain_body(protocol::Codec codec, std::string_view bytes);

/// The string field `name` of a JSON object; "" if there is none.
std::string text_field(std::string_view json, const char* name);
/// The JSON object `json` with its string field `text` replaced by that of `edit`.
std::string with_text_of(std::string_view json, std::string_view edit);

}  // namespace parley::store
