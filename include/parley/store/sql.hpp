#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// A small synchronous SQL interface with one driver per engine (SQLite's own, libpqxx). SQL is written once,
/// in the common subset with `?` parameters. Threads: one connection is used by one worker thread at a time.
namespace parley::store {

struct Blob {
  std::string bytes;
};
using SqlValue = std::variant<std::nullptr_t, std::int64_t, std::string, Blob>;

class SqlError : public std::runtime_error {
 public:
  enum class Kind { kUnique, kFull, kBusy, kCorrupt, kOther };
  SqlError(Kind k, const std::string& what) : std::runtime_error(what), kind(k) {}
  Kind kind;
};

class SqlRow {
 public:
  explicit SqlRow(std::vector<SqlValue> values) : values_(std::move(values)) {}
  bool null(std::size_t i) const { return std::holds_alternative<std::nullptr_t>(values_[i]); }
  std::int64_t i64(std::size_t i) const { return null(i) ? 0 : std::get<std::int64_t>(values_[i]); }
  std::uint64_t u64(std::size_t i) const { return static_cast<std::uint64_t>(i64(i)); }
  std::string text(std::size_t i) const {  ///< also of a blob; "" for NULL
    if (auto* t = std::get_if<std::string>(&values_[i])) return *t;
    if (auto* b = std::get_if<Blob>(&values_[i])) return b->bytes;
    return {};
  }

 private:
  std::vector<SqlValue> values_;
};

class Sql {
 public:
  virtual ~Sql() = default;
  /// Runs one statement (prepared and cached by its text). Throws SqlError.
  virtual std::vector<SqlRow> query(std::string_view statement, std::span<const SqlValue> parameters = {}) = 0;
  virtual std::int64_t changes() const = 0;  ///< rows changed by the last statement
  std::vector<SqlRow> query(std::string_view statement, std::initializer_list<SqlValue> parameters) {
    return query(statement, std::span<const SqlValue>(parameters.begin(), parameters.size()));
  }
};

}  // namespace parley::store
