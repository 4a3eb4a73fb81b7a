#include "json_fields.hpp"

#include <algorithm>
#include <cstring>

namespace parley::protocol {
namespace {

using Object = JsonFields::Object;
using Value = JsonFields::Value;
using Kind = RawValue::Kind;

static_assert(std::endian::native == std::endian::little, "keys are compared as little-endian words");

/// All keys have at most 7 letters, so that one 8-byte load holds a key and its closing quote, and a comparison is one
/// of integers.
constexpr std::uint64_t word(std::string_view key) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < key.size(); ++i) value |= std::uint64_t{static_cast<unsigned char>(key[i])} << (8 * i);
  return value;
}
constexpr std::uint64_t kUnknownKey = ~std::uint64_t{0};

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Values of hexadecimal digits; above 15: none.
constexpr std::array<std::uint8_t, 256> kHex = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(0xff);
  for (std::uint8_t i = 0; i < 10; ++i) table[static_cast<std::size_t>('0' + i)] = i;
  for (std::uint8_t i = 0; i < 6; ++i) {
    table[static_cast<std::size_t>('a' + i)] = table[static_cast<std::size_t>('A' + i)] =
        static_cast<std::uint8_t>(10 + i);
  }
  return table;
}();
/// What stands behind a backslash, and what both mean; 0: nothing, or not alone.
constexpr std::array<char, 256> kShortEscapes = [] {
  std::array<char, 256> table{};
  table['"'] = '"';
  table['\\'] = '\\';
  table['/'] = '/';
  table['b'] = '\b';
  table['f'] = '\f';
  table['n'] = '\n';
  table['r'] = '\r';
  table['t'] = '\t';
  return table;
}();

/// Four hexadecimal digits; above 0xffff: they are not.
std::uint32_t hex4(const char* p) {
  const auto digit = [p](int i) { return std::uint32_t{kHex[static_cast<unsigned char>(p[i])]}; };
  const std::uint32_t a = digit(0), b = digit(1), c = digit(2), d = digit(3);
  return (a | b | c | d) > 15 ? 0x10000 : a << 12 | b << 8 | c << 4 | d;
}

/// Does any of the eight bytes equal `c`? If so, the lowest mark stands in the first of them.
constexpr std::uint64_t bytes_equal(std::uint64_t bytes, char c) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL, kHighs = 0x8080808080808080ULL;
  const std::uint64_t x = bytes ^ kOnes * static_cast<unsigned char>(c);
  return (x - kOnes) & ~x & kHighs;
}

char* put_utf8(char* out, std::uint32_t c) {
  if (c < 0x80) {
    *out++ = static_cast<char>(c);
  } else if (c < 0x800) {
    *out++ = static_cast<char>(0xc0 | c >> 6);
    *out++ = static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    *out++ = static_cast<char>(0xe0 | c >> 12);
    *out++ = static_cast<char>(0x80 | (c >> 6 & 63));
    *out++ = static_cast<char>(0x80 | (c & 63));
  } else {
    *out++ = static_cast<char>(0xf0 | c >> 18);
    *out++ = static_cast<char>(0x80 | (c >> 12 & 63));
    *out++ = static_cast<char>(0x80 | (c >> 6 & 63));
    *out++ = static_cast<char>(0x80 | (c & 63));
  }
  return out;
}

/// Undoes the escapes of a string in place; the text never grows. False: not JSON, since an escape is of no kind that
/// RFC 8259 knows.
bool undo_escapes(RawValue& string) {
  string.flaw = RawValue::Flaw::kNone;
  const char* const end = string.text + string.size;
  const char* in = static_cast<const char*>(std::memchr(string.text, '\\', string.size));
  if (in == nullptr) return true;
  const auto flawed = [&](RawValue::Flaw flaw) {
    if (string.flaw == RawValue::Flaw::kNone) string.flaw = flaw;
  };
  char* out = string.text + (in - string.text);
  while (in < end) {
    if (*in != '\\') {
      for (std::uint64_t bytes; end - in >= 8; in += 8, out += 8) {
        std::memcpy(&bytes, in, 8);
        if (bytes_equal(bytes, '\\') != 0) break;
        std::memcpy(out, &bytes, 8);
      }
      while (in < end && *in != '\\') *out++ = *in++;
      continue;
    }
    if (end - in < 2) return false;
    if (in[1] != 'u') {
      const char plain = kShortEscapes[static_cast<unsigned char>(in[1])];
      if (plain == 0) return false;
      *out++ = plain;
      in += 2;
      continue;
    }
    if (end - in < 6) return false;
    std::uint32_t c = hex4(in + 2);
    if (c > 0xffff) return false;
    in += 6;
    if (c == 0) flawed(RawValue::Flaw::kNul);
    if (c >= 0xd800 && c <= 0xdfff) {
      const std::uint32_t low = c < 0xdc00 && end - in >= 6 && in[0] == '\\' && in[1] == 'u' ? hex4(in + 2) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        in += 6;
      } else {
        flawed(RawValue::Flaw::kSurrogate);
      }
    }
    out = put_utf8(out, c);
  }
  string.size = static_cast<std::uint32_t>(out - string.text);
  return true;
}

/// A key without its escapes; false if they are wrong. simdjson saw to it that there is a closing quote.
bool read_text_of_key(simdjson::ondemand::raw_json_string raw, RawValue& out) {
  const char* end = raw.raw();
  while (*end != '"') end += *end == '\\' ? 2 : 1;
  out.kind = Kind::kString;
  out.text = const_cast<char*>(raw.raw());
  out.size = static_cast<std::uint32_t>(end - raw.raw());
  return undo_escapes(out);
}

/// The key as a word, kUnknownKey if it cannot be one of ours; false if its escapes are wrong.
bool read_key(simdjson::ondemand::raw_json_string raw, std::uint64_t& key) {
  std::uint64_t bytes;
  std::memcpy(&bytes, raw.raw(), sizeof bytes);
  const std::uint64_t quote = bytes_equal(bytes, '"');
  const std::uint64_t before = quote == 0 ? ~std::uint64_t{0} : (quote & -quote) - 1;
  if ((bytes_equal(bytes, '\\') & before) == 0) [[likely]] {
    if (quote != 0) {
      const int length = std::countr_zero(quote) / 8;
      key = length == 0 ? 0 : bytes & (~std::uint64_t{0} >> (64 - 8 * length));
      return true;
    }
  }
  // Long, or with escapes.
  RawValue plain;
  if (!read_text_of_key(raw, plain)) return false;
  key = plain.flaw == RawValue::Flaw::kNone && plain.size < 8 ? word({plain.text, plain.size}) : kUnknownKey;
  return true;
}

/// A number by the grammar of RFC 8259. simdjson's own functions are not used, because an integer must be told from
/// "1.0" and because a number of an unknown field may be larger than any type.
bool read_number(std::string_view token, RawValue& out) {
  const char* p = token.data();
  const char* const end = p + token.size();
  const bool negative = *p == '-';
  p += negative;
  if (p == end || !is_digit(*p)) return false;
  const char* const digits = p;
  std::uint64_t value = 0;
  while (p < end && is_digit(*p)) value = value * 10 + static_cast<unsigned>(*p++ - '0');
  if (*digits == '0' && p - digits > 1) return false;
  // 19 digits always fit.
  out.kind = !negative && p - digits <= 19 ? Kind::kInteger : Kind::kNumber;
  out.integer = value;
  if (p < end && *p == '.') {
    out.kind = Kind::kNumber;
    const char* const fraction = ++p;
    while (p < end && is_digit(*p)) ++p;
    if (p == fraction) return false;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    out.kind = Kind::kNumber;
    ++p;
    if (p < end && (*p == '+' || *p == '-')) ++p;
    const char* const exponent = p;
    while (p < end && is_digit(*p)) ++p;
    if (p == exponent) return false;
  }
  return p == end;
}

/// The value's text up to the next token, without the white space between.
bool read_token(Value& value, std::string_view& token) {
  token = value.raw_json_token();
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  return !token.empty();
}

/// A scalar; false if it is none or not JSON. What is not a string stays where it is: the loop over the parent skips
/// it.
bool read_scalar(Value& value, RawValue& out) {
  std::string_view token;
  if (!read_token(value, token)) return false;
  switch (token.front()) {
    case '"': {
      if (token.size() < 2 || token.back() != '"') return false;
      // Taken for good: a string that is merely skipped passes for a key where a ':' follows it.
      if (value.get_raw_json_string().error()) return false;
      // The message is ours to change (FrameDecoder::decode takes a span of char); simdjson only hands out const.
      out.kind = Kind::kString;
      out.text = const_cast<char*>(token.data() + 1);
      out.size = static_cast<std::uint32_t>(token.size() - 2);
      return undo_escapes(out);
    }
    case 't':
      out.kind = Kind::kTrue;
      return token == "true";
    case 'f':
      out.kind = Kind::kFalse;
      return token == "false";
    case 'n':
      out.kind = Kind::kNull;
      return token == "null";
    default:
      return read_number(token, out);
  }
}

char first_char(Value& value) {
  const std::string_view token = value.raw_json_token();
  return token.empty() ? '\0' : token.front();
}

/// Any value; of objects and arrays only that they are one.
bool read_any(Value& value, RawValue& out, unsigned depth) {
  switch (first_char(value)) {
    case '{':
      out.kind = Kind::kObject;
      return JsonFields::consume(value, depth);
    case '[':
      out.kind = Kind::kArray;
      return JsonFields::consume(value, depth);
    default:
      return read_scalar(value, out);
  }
}

/// Calls `on_field(key word, value)` for each field; a false from it, or what is not JSON, ends with false. The field
/// is used where it is: copies of these small structs are written in parts and read as a whole, which stalls the
/// processor.
template <class OnField>
bool each_field(Object& object, OnField on_field) {
  for (auto next : object) {
    if (next.error()) return false;
    simdjson::ondemand::field&& field = std::move(next).value_unsafe();
    std::uint64_t key = 0;
    if (!read_key(field.key(), key) || !on_field(key, field.value())) return false;
  }
  return true;
}

}  // namespace

bool JsonFields::consume(Value& value, unsigned depth) {
  if (depth > kDepthMax) return false;
  RawValue ignored;
  switch (first_char(value)) {
    case '{': {
      Object object;
      if (value.get_object().get(object)) return false;
      return each_field(object, [&](std::uint64_t, Value& inner) { return consume(inner, depth + 1); });
    }
    case '[': {
      simdjson::ondemand::array array;
      if (value.get_array().get(array)) return false;
      for (auto next : array) {
        Value inner;
        if (std::move(next).get(inner) || !consume(inner, depth + 1)) return false;
      }
      return true;
    }
    default:
      return read_scalar(value, ignored);
  }
}

bool JsonFields::read_body(Value& value, RawValue& out) {
  constexpr auto kAll = [] {
    std::uint64_t bits = 0;
    for (Field f = Field::kBodyText; f <= Field::kBodyTarget; f = static_cast<Field>(index(f) + 1)) {
      bits |= std::uint64_t{1} << index(f);
    }
    return bits;
  }();
  present_ &= ~kAll;  // of two bodies the last counts, as a whole
  if (first_char(value) != '{') return read_any(value, out, 1);
  out.kind = Kind::kObject;
  Object object;
  if (value.get_object().get(object)) return false;
  return each_field(object, [&](std::uint64_t key, Value& inner) {
    switch (key) {
      case word("text"):
        return read_any(inner, put(Field::kBodyText), 2);
      case word("ref"):
        return read_any(inner, put(Field::kBodyRef), 2);
      case word("to"):
        return read_any(inner, put(Field::kBodyTo), 2);
      case word("note"):
        return read_any(inner, put(Field::kBodyNote), 2);
      case word("reason"):
        return read_any(inner, put(Field::kBodyReason), 2);
      case word("target"):
        return read_any(inner, put(Field::kBodyTarget), 2);
      default:
        return consume(inner, 2);
    }
  });
}

bool JsonFields::read_condition(Value& value, RawValue& out) {
  present_ &= ~(std::uint64_t{1} << index(Field::kIfClaim));
  if (first_char(value) != '{') return read_any(value, out, 1);
  out.kind = Kind::kObject;
  Object object;
  if (value.get_object().get(object)) return false;
  return each_field(object, [&](std::uint64_t key, Value& inner) {
    return key == word("claim") ? read_any(inner, put(Field::kIfClaim), 2) : consume(inner, 2);
  });
}

bool JsonFields::read_cursors(Value& value, RawValue& out) {
  cursors_.clear();
  if (first_char(value) != '{') return read_any(value, out, 1);
  out.kind = Kind::kObject;
  Object object;
  if (value.get_object().get(object)) return false;
  for (auto next : object) {
    simdjson::ondemand::field field;
    if (std::move(next).get(field)) return false;
    RawValue key;
    if (!read_text_of_key(field.key(), key)) return false;
    RawCursor cursor;
    if (key.flaw == RawValue::Flaw::kNone) cursor.conv = {key.text, key.size};
    Value pair = field.value();
    if (first_char(pair) != '[') {
      RawValue other;
      if (!read_any(pair, other, 2)) return false;
      cursor.kind = other.kind;
    } else {
      cursor.kind = Kind::kArray;
      simdjson::ondemand::array array;
      if (pair.get_array().get(array)) return false;
      for (auto item : array) {
        Value inner;
        RawValue rest;
        if (std::move(item).get(inner)) return false;
        RawValue& target = cursor.items == 0 ? cursor.epoch : cursor.items == 1 ? cursor.seq : rest;
        if (!read_any(inner, target, 3)) return false;
        ++cursor.items;
      }
    }
    cursors_.push_back(cursor);
  }
  return true;
}

bool JsonFields::read(Object& object) {
  present_ = 0;
  cursors_.clear();
  return each_field(object, [&](std::uint64_t key, Value& value) {
    switch (key) {
      case word("t"):
        return read_any(value, put(Field::kT), 1);
      case word("id"):
        return read_any(value, put(Field::kId), 1);
      case word("conv"):
        return read_any(value, put(Field::kConv), 1);
      case word("n"):
        return read_any(value, put(Field::kN), 1);
      case word("type"):
        return read_any(value, put(Field::kType), 1);
      case word("body"):
        return read_body(value, put(Field::kBody));
      case word("if"):
        return read_condition(value, put(Field::kIf));
      case word("dev"):
        return read_any(value, put(Field::kDev), 1);
      case word("ver"):
        return read_any(value, put(Field::kVer), 1);
      case word("role"):
        return read_any(value, put(Field::kRole), 1);
      case word("token"):
        return read_any(value, put(Field::kToken), 1);
      case word("vis"):
        return read_any(value, put(Field::kVis), 1);
      case word("echo"):
        return read_any(value, put(Field::kEcho), 1);
      case word("resume"):
        return read_any(value, put(Field::kResume), 1);
      case word("cursors"):
        return read_cursors(value, put(Field::kCursors));
      case word("after"):
        return read_any(value, put(Field::kAfter), 1);
      case word("before"):
        return read_any(value, put(Field::kBefore), 1);
      case word("limit"):
        return read_any(value, put(Field::kLimit), 1);
      case word("epoch"):
        return read_any(value, put(Field::kEpoch), 1);
      case word("seq"):
        return read_any(value, put(Field::kSeq), 1);
      case word("view"):
        return read_any(value, put(Field::kView), 1);
      case word("watch"):
        return read_any(value, put(Field::kWatch), 1);
      case word("since"):
        return read_any(value, put(Field::kSince), 1);
      case word("upto"):
        return read_any(value, put(Field::kUpto), 1);
      case word("on"):
        return read_any(value, put(Field::kOn), 1);
      case word("value"):
        return read_any(value, put(Field::kValue), 1);
      default:
        return consume(value, 1);
    }
  });
}

}  // namespace parley::protocol
