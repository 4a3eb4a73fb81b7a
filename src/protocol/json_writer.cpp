#include "json_writer.hpp"

#include <array>
#include <bit>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "parley/protocol/server_frame.hpp"

namespace parley::protocol {
namespace {

// 1: always escaped. 2: the first byte of U+2028 and U+2029, which old JavaScript takes for line ends.
constexpr std::array<std::uint8_t, 256> kSpecial = [] {
  std::array<std::uint8_t, 256> table{};
  for (std::size_t i = 0; i < 0x20; ++i) table[i] = 1;
  table['"'] = table['\\'] = 1;
  table[0xe2] = 2;
  return table;
}();

constexpr std::array<char, 200> kTwoDigits = [] {
  std::array<char, 200> table{};
  for (std::size_t i = 0; i < 100; ++i) {
    table[2 * i] = static_cast<char>('0' + i / 10);
    table[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return table;
}();

constexpr std::uint64_t kEightDigits = 100'000'000;

/// With zeros in front.
void put_eight(char* p, std::uint32_t value) noexcept {
  const std::uint32_t high = value / 10'000, low = value % 10'000;
  std::memcpy(p, &kTwoDigits[high / 100 * 2], 2);
  std::memcpy(p + 2, &kTwoDigits[high % 100 * 2], 2);
  std::memcpy(p + 4, &kTwoDigits[low / 100 * 2], 2);
  std::memcpy(p + 6, &kTwoDigits[low % 100 * 2], 2);
}

bool line_separator(const char* p, const char* end) noexcept {
  return end - p >= 3 && p[1] == '\x80' && (p[2] == '\xa8' || p[2] == '\xa9');
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "the first digit is the lowest byte");

std::size_t json_clean_run(std::string_view text, std::size_t from) noexcept {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* p = begin + from;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), lead = _mm_set1_epi8('\xe2');
  const __m128i highest_control = _mm_set1_epi8(0x1f);
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, highest_control), bytes);
    const __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                         _mm_or_si128(control, _mm_cmpeq_epi8(bytes, lead)));
    auto found = static_cast<std::uint32_t>(_mm_movemask_epi8(special));
    for (; found != 0; found &= found - 1) {
      const char* at = p + std::countr_zero(found);
      if (*at != '\xe2' || line_separator(at, end)) return static_cast<std::size_t>(at - begin);
    }
    p += 16;
  }
#endif
  for (; p < end; ++p) {
    const std::uint8_t kind = kSpecial[static_cast<unsigned char>(*p)];
    if (kind == 1 || (kind == 2 && line_separator(p, end))) break;
  }
  return static_cast<std::size_t>(p - begin);
}

char* put_number(char* p, std::uint64_t value) noexcept {
  if (value >= kEightDigits) {
    p = put_number(p, value / kEightDigits);
    put_eight(p, static_cast<std::uint32_t>(value % kEightDigits));
    return p + 8;
  }
  if (value < 10) {
    *p = static_cast<char>('0' + value);
    return p + 1;
  }
  char digits[8];
  put_eight(digits, static_cast<std::uint32_t>(value));
  std::uint64_t bytes;
  std::memcpy(&bytes, digits, 8);
  const int zeros = std::countr_zero(bytes ^ 0x3030303030303030ULL) / 8;
  bytes >>= 8 * zeros;
  std::memcpy(p, &bytes, 8);
  return p + 8 - zeros;
}

JsonWriter& JsonWriter::dev(const DevId& dev) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  need(18);
  *p_++ = '"';
  for (std::size_t i = 0; i < 12; i += 3) {
    const std::uint32_t bits =
        std::uint32_t{dev.bytes[i]} << 16 | std::uint32_t{dev.bytes[i + 1]} << 8 | dev.bytes[i + 2];
    *p_++ = kAlphabet[bits >> 18];
    *p_++ = kAlphabet[bits >> 12 & 63];
    *p_++ = kAlphabet[bits >> 6 & 63];
    *p_++ = kAlphabet[bits & 63];
  }
  *p_++ = '"';
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view text) {
  if (text.size() > kRoom / 2) {
    constexpr std::size_t kTail = 64;  // what usually follows, so that it needs no second allocation
    const std::size_t wanted = out_.size() + static_cast<std::size_t>(p_ - buffer_) + text.size();
    if (wanted > out_.capacity()) out_.reserve(wanted + kTail);
    flush();
    out_.append(text);
    return *this;
  }
  need(text.size());
  if (!text.empty()) std::memcpy(p_, text.data(), text.size());
  p_ += text.size();
  return *this;
}

JsonWriter& JsonWriter::str(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  ch('"');
  std::size_t at = 0;
  for (;;) {
    const std::size_t stop = json_clean_run(text, at);
    raw(text.substr(at, stop - at));
    if (stop == text.size()) break;
    const char c = text[stop];
    at = stop + 1;
    switch (c) {
      case '"':
        lit("\\\"");
        break;
      case '\\':
        lit("\\\\");
        break;
      case '\n':
        lit("\\n");
        break;
      case '\t':
        lit("\\t");
        break;
      case '\r':
        lit("\\r");
        break;
      case '\xe2':
        lit("\\u202").ch(text[stop + 2] == '\xa8' ? '8' : '9');
        at = stop + 3;
        break;
      default:
        lit("\\u00").ch(kHex[c >> 4 & 15]).ch(kHex[c & 15]);
    }
  }
  return ch('"');
}

void append_json_string(std::string& out, std::string_view text) { JsonWriter(out).str(text); }

}  // namespace parley::protocol
