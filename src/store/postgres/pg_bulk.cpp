#include "pg_bulk.hpp"

#include "parley/base/bytes.hpp"

namespace parley::store {

CopyRows::CopyRows() : data_("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19) {}
void CopyRows::put(std::uint64_t value, int width) {
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) data_.push_back(static_cast<char>(value >> shift));
}
void CopyRows::row(std::int16_t columns) { put(static_cast<std::uint16_t>(columns), 2); }
void CopyRows::null() { put(0xFFFFFFFF, 4); }
void CopyRows::i64(std::int64_t value) {
  put(8, 4);
  put(static_cast<std::uint64_t>(value), 8);
}
void CopyRows::i32(std::int32_t value) {
  put(4, 4);
  put(static_cast<std::uint32_t>(value), 4);
}
void CopyRows::i16(std::int16_t value) {
  put(2, 4);
  put(static_cast<std::uint16_t>(value), 2);
}
void CopyRows::bytes(std::string_view value) {
  put(value.size(), 4);
  data_ += value;
}
void CopyRows::json(std::string_view value) {
  put(value.size() + 1, 4);
  put(1, 1);  // version of the format
  data_ += value;
}
void CopyRows::i32_array(const std::vector<std::int32_t>& values) {
  constexpr std::uint64_t kInt4 = 23;  // its oid
  if (values.empty()) {
    put(12, 4);
    put(0, 4);
    put(0, 4);
    put(kInt4, 4);
    return;
  }
  put(20 + values.size() * 8, 4);
  put(1, 4);  // dimensions
  put(0, 4);  // no NULLs
  put(kInt4, 4);
  put(values.size(), 4);
  put(1, 4);  // lower bound
  for (const std::int32_t value : values) i32(value);
}
std::string_view CopyRows::finish() {
  put(0xFFFF, 2);
  return data_;
}

void PgArray::add(std::int64_t value) {
  next();
  text_ += std::to_string(value);
}
void PgArray::add_text(std::string_view value) {
  next();
  text_ += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}
void PgArray::add_bytes(std::string_view value) {
  next();
  text_ += "\"\\\\x";
  text_ += hex_encode(value);
  text_ += '"';
}
void PgArray::add_null() {
  next();
  text_ += "NULL";
}

}  // namespace parley::store
