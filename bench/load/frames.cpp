#include "frames.hpp"

#include <array>
#include <charconv>
#include <cstring>

namespace load {
namespace {

constexpr std::array<char, 8> kKeyTwice = {'\x37', '\x5c', '\x21', '\x6e', '\x37', '\x5c', '\x21', '\x6e'};

void mask(char* data, std::size_t size) {
  std::uint64_t key = 0, word = 0;
  std::memcpy(&key, kKeyTwice.data(), 8);
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::memcpy(&word, data + i, 8);
    word ^= key;
    std::memcpy(data + i, &word, 8);
  }
  for (; i < size; ++i) data[i] = static_cast<char>(data[i] ^ kKeyTwice[i & 7]);
}

}  // namespace

void append_frame(std::string& out, std::initializer_list<std::string_view> parts, unsigned opcode) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  out += static_cast<char>(0x80 | opcode);
  if (size < 126) {
    out += static_cast<char>(0x80 | size);
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(size >> 8);
    out += static_cast<char>(size & 0xff);
  }
  out.append(kKeyTwice.data(), 4);
  const std::size_t begin = out.size();
  for (const auto part : parts) out += part;
  mask(out.data() + begin, size);
}

Digits::Digits(std::uint64_t number) noexcept
    : size_(static_cast<std::size_t>(std::to_chars(text_, text_ + sizeof text_, number).ptr - text_)) {}

std::optional<ServerFrame> first_server_frame(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto* h = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t head = 2, length = h[1] & 127u;
  if (length == 126) {
    if (bytes.size() < 4) return std::nullopt;
    head = 4;
    length = static_cast<std::size_t>(h[2]) << 8 | h[3];
  } else if (length == 127) {
    if (bytes.size() < 10) return std::nullopt;
    head = 10;
    length = 0;
    for (int i = 2; i < 10; ++i) length = length << 8 | h[i];
  }
  if (bytes.size() - head < length) return std::nullopt;
  return ServerFrame{h[0] & 15u, (h[0] & 128u) != 0, bytes.substr(head, length), head + length};
}

std::uint64_t number_after(std::string_view text, std::string_view label) {
  const auto at = text.find(label);
  std::uint64_t value = 0;
  if (at != std::string_view::npos) std::from_chars(text.data() + at + label.size(), text.data() + text.size(), value);
  return value;
}

std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
  const auto at = text.find(begin);
  if (at == std::string_view::npos) return {};
  const auto from = at + begin.size();
  const auto to = text.find(end, from);
  return to == std::string_view::npos ? std::string_view{} : text.substr(from, to - from);
}

}  // namespace load
