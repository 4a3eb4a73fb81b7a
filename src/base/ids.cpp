#include "parley/base/ids.hpp"

#include <zlib.h>

#include <cstring>

#include "parley/base/bytes.hpp"

namespace parley {

std::optional<DevId> DevId::parse(std::string_view text) noexcept {
  if (text.size() != 16) return std::nullopt;
  auto bytes = base64url_decode(text);
  if (!bytes) return std::nullopt;
  DevId dev;
  std::memcpy(dev.bytes.data(), bytes->data(), dev.bytes.size());
  return dev;
}

std::string DevId::str() const { return base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); }

std::uint32_t crc32_of(std::uint64_t id) noexcept {
  unsigned char bytes[8];
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(id >> (8 * i));
  return static_cast<std::uint32_t>(::crc32(0, bytes, sizeof bytes));
}

}  // namespace parley
