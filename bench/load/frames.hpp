#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace load {

/// Appends a masked client frame whose payload is `parts` one after the other. The key is always the same, but not 0:
/// some servers leave out unmasking then. `opcode` is 1 (text), 2 (binary) or 10 (pong).
void append_frame(std::string& out, std::initializer_list<std::string_view> parts, unsigned opcode = 1);
inline void append_frame(std::string& out, std::string_view payload, unsigned opcode = 1) {
  append_frame(out, {payload}, opcode);
}

/// A number as text; good as long as it lives.
class Digits {
 public:
  explicit Digits(std::uint64_t number) noexcept;
  operator std::string_view() const noexcept { return {text_, size_}; }
  std::size_t size() const noexcept { return size_; }

 private:
  char text_[20];
  std::size_t size_;
};

/// A frame of a server, which is never masked.
struct ServerFrame {
  unsigned opcode = 0;
  bool last = true;
  std::string_view payload;
  std::size_t size = 0;  ///< header and payload
};

/// The frame at the start of `bytes`, or nothing while it is not whole.
std::optional<ServerFrame> first_server_frame(std::string_view bytes);

/// The number behind the first `label` in `text`; 0 if there is none.
std::uint64_t number_after(std::string_view text, std::string_view label);

/// What stands in `text` between `begin` and the next `end`; empty if it has no such place.
std::string_view between(std::string_view text, std::string_view begin, std::string_view end);

}  // namespace load
