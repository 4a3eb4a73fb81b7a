#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace relay {

/// A frame of a client, unmasked in place.
struct Frame {
  unsigned opcode = 0;
  std::string_view payload;
  std::size_t size = 0;  ///< header and payload
};

/// The frame at the start of `bytes`, or nothing while it is not whole. Fragments are not supported: the load generator
/// sends none.
std::optional<Frame> first_frame(char* bytes, std::size_t size);

/// Header and payload of an unmasked text message; payloads below 64 KiB.
void append_text(std::string& out, std::string_view payload);

/// The answer to an upgrade request that ends with an empty line; empty if it is none.
std::string upgrade_answer(std::string_view request);

/// The target of its first line: "/17".
std::string_view target_of(std::string_view request);

}  // namespace relay
