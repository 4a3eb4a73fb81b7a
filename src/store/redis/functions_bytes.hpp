#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Little endian bytes of fixed width, for functions*.cpp.
namespace parley::store::redis {

static_assert(std::endian::native == std::endian::little, "what Redis keeps is written by memcpy");

/// The low `width` bytes of `value`.
inline void put(std::string& out, std::uint64_t value, std::size_t width) {
  out.append(reinterpret_cast<const char*>(&value), width);
}
/// The same, but a value that does not fit becomes the largest one that does; `width` is below 8.
inline void put_capped(std::string& out, std::uint64_t value, std::size_t width) {
  put(out, std::min(value, (std::uint64_t{1} << 8 * width) - 1), width);
}
/// Exactly `width` bytes: cut off, or filled up with NUL.
inline void put_padded(std::string& out, std::string_view text, std::size_t width) {
  out.append(text.substr(0, width)).append(width - std::min(text.size(), width), '\0');
}

/// The first `width` bytes from `at`.
inline std::uint64_t get(const char* at, std::size_t width) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, width);
  return value;
}

/// A record of kWidth bytes, put together from its front.
template <std::size_t kWidth>
class Record {
 public:
  Record& put(std::uint64_t value, std::size_t width) {
    std::memcpy(bytes_.data() + size_, &value, width);
    size_ += width;
    return *this;
  }
  Record& put_capped(std::uint64_t value, std::size_t width) {
    return put(std::min(value, (std::uint64_t{1} << 8 * width) - 1), width);
  }
  template <std::size_t kSize>
  Record& put(const std::array<std::uint8_t, kSize>& bytes) {
    std::memcpy(bytes_.data() + size_, bytes.data(), kSize);
    size_ += kSize;
    return *this;
  }
  /// Precondition: it is complete.
  const std::array<char, kWidth>& bytes() const {
    assert(size_ == kWidth);
    return bytes_;
  }
  std::string_view view() const { return {bytes().data(), kWidth}; }

 private:
  std::array<char, kWidth> bytes_;
  std::size_t size_ = 0;
};

/// Reads from a view; what lies behind its end is zero, and ok() is false from then on.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t u(std::size_t width) {
    std::uint64_t value = 0;
    const std::string_view from = bytes(width);
    if (from.size() == width) std::memcpy(&value, from.data(), width);
    return value;
  }
  std::string_view bytes(std::size_t width) {
    if (width > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view from = rest_.substr(0, width);
    rest_.remove_prefix(width);
    return from;
  }
  /// Up to the first NUL.
  std::string padded(std::size_t width) {
    const std::string_view from = bytes(width);
    return std::string(from.substr(0, std::min(from.find('\0'), from.size())));
  }
  bool ok() const noexcept { return ok_; }
  bool done() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace parley::store::redis
