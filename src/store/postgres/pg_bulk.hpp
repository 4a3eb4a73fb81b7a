#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parley::store {

/// A binary COPY stream, big endian: https://www.postgresql.org/docs/15/sql-copy.html
class CopyRows {
 public:
  CopyRows();
  void row(std::int16_t columns);
  void null();
  void i64(std::int64_t value);
  void i32(std::int32_t value);
  void i16(std::int16_t value);
  void bytes(std::string_view value);
  void json(std::string_view value);  ///< a jsonb
  void i32_array(const std::vector<std::int32_t>& values);
  std::string_view finish();

 private:
  void put(std::uint64_t value, int width);
  std::string data_;
};

/// An array parameter of one row after the other, in text format, for unnest().
class PgArray {
 public:
  void add(std::int64_t value);
  void add(std::uint64_t value) { add(static_cast<std::int64_t>(value)); }
  void add_text(std::string_view value);
  void add_bytes(std::string_view value);  ///< of bytea[]
  void add_null();
  std::string finish() { return (text_.empty() ? "{" : std::move(text_)) + "}"; }

 private:
  void next() { text_ += text_.empty() ? '{' : ','; }
  std::string text_;
};

}  // namespace parley::store
