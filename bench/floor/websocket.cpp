#include "websocket.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace relay {
namespace {

void unmask(char* data, std::size_t size, const char* key) {
  std::uint32_t half = 0;
  std::memcpy(&half, key, 4);
  const std::uint64_t whole = static_cast<std::uint64_t>(half) << 32 | half;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, 8);
    word ^= whole;
    std::memcpy(data + i, &word, 8);
  }
  for (; i < size; ++i) data[i] = static_cast<char>(data[i] ^ key[i & 3]);
}

}  // namespace

std::optional<Frame> first_frame(char* bytes, std::size_t size) {
  if (size < 6) return std::nullopt;
  const auto* h = reinterpret_cast<const unsigned char*>(bytes);
  std::size_t head = 2, length = h[1] & 127u;
  if (length == 126) {
    head = 4;
    length = static_cast<std::size_t>(h[2]) << 8 | h[3];
  } else if (length == 127) {
    if (size < 10) return std::nullopt;
    head = 10;
    length = 0;
    for (int i = 2; i < 10; ++i) length = length << 8 | h[i];
  }
  if (size < head + 4 || size - head - 4 < length) return std::nullopt;
  char* payload = bytes + head + 4;
  unmask(payload, length, bytes + head);
  return Frame{h[0] & 15u, {payload, length}, head + 4 + length};
}

void append_text(std::string& out, std::string_view payload) {
  out += '\x81';
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else {
    out += '\x7e';
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  out += payload;
}

std::string upgrade_answer(std::string_view request) {
  constexpr std::string_view kName = "Sec-WebSocket-Key: ";
  const auto at = request.find(kName);
  if (at == std::string_view::npos) return {};
  const auto begin = at + kName.size();
  std::string key(request.substr(begin, request.find("\r\n", begin) - begin));
  key += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  EVP_Digest(key.data(), key.size(), digest.data(), nullptr, EVP_sha1(), nullptr);
  std::array<unsigned char, 32> text{};
  const int size = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
         std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size)) + "\r\n\r\n";
}

std::string_view target_of(std::string_view request) {
  const auto begin = request.find(' ');
  if (begin == std::string_view::npos) return {};
  const auto end = request.find(' ', begin + 1);
  return end == std::string_view::npos ? std::string_view{} : request.substr(begin + 1, end - begin - 1);
}

}  // namespace relay
