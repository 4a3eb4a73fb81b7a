#pragma once
#include <cstdint>
#include <pqxx/result>
#include <string>
#include <string_view>

namespace parley::store {

/// What a bytea is in text form.
std::string bytes_of_hex(std::string_view text);

class PgRow;

/// Rows in text format. A column that is NULL reads as 0 and "".
class PgRows {
 public:
  explicit PgRows(pqxx::result result) : result_(std::move(result)) {}
  PgRow operator[](int row) const;
  int size() const { return static_cast<int>(result_.size()); }
  bool null(int row, int column) const { return at(row, column).is_null(); }
  std::int64_t i64(int row, int column) const;
  std::uint64_t u64(int row, int column) const { return static_cast<std::uint64_t>(i64(row, column)); }
  std::string_view text(int row, int column) const {  ///< lives as long as this
    const pqxx::field field = at(row, column);
    return {field.c_str(), field.size()};
  }
  std::string bytes(int row, int column) const { return bytes_of_hex(text(row, column)); }  ///< of a bytea
  std::uint64_t affected() const { return result_.affected_rows(); }                        ///< rows changed

 private:
  pqxx::field at(int row, int column) const { return result_[static_cast<pqxx::result::size_type>(row)][column]; }
  pqxx::result result_;
};

/// One of them, as long as they live.
class PgRow {
 public:
  PgRow(const PgRows& rows, int row) : rows_(rows), row_(row) {}
  std::int64_t i64(int column) const { return rows_.i64(row_, column); }
  std::uint64_t u64(int column) const { return rows_.u64(row_, column); }
  std::string text(int column) const { return std::string(rows_.text(row_, column)); }

 private:
  const PgRows& rows_;
  const int row_;
};
inline PgRow PgRows::operator[](int row) const { return {*this, row}; }

}  // namespace parley::store
