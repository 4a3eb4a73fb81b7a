#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "parley/base/ids.hpp"

namespace parley::protocol {

/// The first byte of `text` from `from` on that a JSON string cannot hold as it is, or its size.
std::size_t json_clean_run(std::string_view text, std::size_t from) noexcept;

/// Writes `value` in decimal and returns the end. There must be room for kNumberRoom bytes, whatever its length.
char* put_number(char* p, std::uint64_t value) noexcept;
inline constexpr std::size_t kNumberRoom = 24;

/// Writes JSON piece by piece. Small pieces gather in a buffer on the stack, because a std::string checks its capacity
/// at each append and that costs more than the copy. The destructor hands over what is left.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) noexcept : out_(out) {}
  ~JsonWriter() { flush(); }
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  template <std::size_t N>
  JsonWriter& lit(const char (&text)[N]) {
    static_assert(N - 1 <= kRoom);
    need(N - 1);
    std::memcpy(p_, text, N - 1);
    p_ += N - 1;
    return *this;
  }
  JsonWriter& ch(char c) {
    need(1);
    *p_++ = c;
    return *this;
  }
  template <class T>
  JsonWriter& num(T value) {
    need(1 + kNumberRoom);
    auto magnitude = static_cast<std::uint64_t>(value);
    if constexpr (std::is_signed_v<T>) {
      if (value < 0) {
        *p_++ = '-';
        magnitude = 0 - magnitude;
      }
    }
    p_ = put_number(p_, magnitude);
    return *this;
  }
  JsonWriter& boolean(bool value) { return value ? lit("true") : lit("false"); }
  /// A 64-bit id: digits in quotes.
  template <class T>
  JsonWriter& id(T value) {
    if constexpr (std::is_integral_v<T>) {
      return ch('"').num(value).ch('"');
    } else {
      return ch('"').num(value.value).ch('"');
    }
  }
  JsonWriter& dev(const DevId& dev);
  /// As it is: JSON already, or known to need no escapes.
  JsonWriter& raw(std::string_view text);
  JsonWriter& str(std::string_view text);
  /// Hands over what was gathered.
  void flush() {
    out_.append(buffer_, static_cast<std::size_t>(p_ - buffer_));
    p_ = buffer_;
  }

 private:
  static constexpr std::size_t kRoom = 512;
  void need(std::size_t n) {
    if (static_cast<std::size_t>(buffer_ + kRoom - p_) < n) flush();
  }

  std::string& out_;
  char* p_ = buffer_;
  char buffer_[kRoom];
};

}  // namespace parley::protocol
