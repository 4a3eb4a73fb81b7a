#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parley/store/sql.hpp"

/// Rows as both sides of a move have them: whatever the engines make of a value, here it has one form, so that rows can
/// be compared and summed up. Pure.
namespace parley::store::moving {

enum class Type { kI64, kI32, kI16, kText, kBytes, kJson };
struct Column {
  std::string name;
  Type type;
};
using Row = std::vector<SqlValue>;

/// A table of the target.
struct Table {
  std::string name;
  std::vector<Column> columns;
  std::vector<std::size_t> key;  ///< which columns are its primary key, in order; empty: it has none
  /// "a, b, c"
  std::string column_list(const char* prefix = "") const;
};

/// JSON in one form: no blanks, fields sorted, numbers as numbers. Throws std::runtime_error if it is none, or holds a
/// NUL, which PostgreSQL cannot keep.
std::string canonical_json(std::string_view text);
/// The value as a column of this type keeps it. Throws std::runtime_error for what it cannot keep.
SqlValue canonical(SqlValue value, Type type);
/// By the key's columns: < 0, 0 or > 0. Texts by their bytes.
int compare_keys(const Table& table, const Row& a, const Row& b);
bool same(const Row& a, const Row& b);

/// A checksum that does not depend on the order of rows.
struct Sum {
  std::uint64_t rows = 0, hash = 0;
  void add(const Row& row);
  void add(const Sum& other) {
    rows += other.rows;
    hash += other.hash;
  }
  bool operator==(const Sum&) const = default;
};

}  // namespace parley::store::moving
