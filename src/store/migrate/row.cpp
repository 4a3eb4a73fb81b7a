#include "migrate/row.hpp"

#include <xxhash.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "parley/base/bytes.hpp"

namespace parley::store::moving {
namespace {

using nlohmann::json;

/// PostgreSQL keeps numbers as decimals: 1e2 comes back as 100.
void settle_numbers(json& value) {
  if (value.is_structured()) {
    for (json& part : value) settle_numbers(part);
  } else if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::trunc(number) == number && std::fabs(number) < 9e15) value = static_cast<std::int64_t>(number);
  }
}

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what + " cannot be kept by PostgreSQL"); }

template <class T>
int sign(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int compare(const SqlValue& a, const SqlValue& b) {
  if (a.index() != b.index()) return sign(a.index(), b.index());
  if (auto* number = std::get_if<std::int64_t>(&a)) return sign(*number, std::get<std::int64_t>(b));
  if (auto* text = std::get_if<std::string>(&a)) return sign(*text, std::get<std::string>(b));
  if (auto* blob = std::get_if<Blob>(&a)) return sign(blob->bytes, std::get<Blob>(b).bytes);
  return 0;
}

template <class Number>
void check_range(std::int64_t value) {
  if (value < std::numeric_limits<Number>::min() || value > std::numeric_limits<Number>::max())
    refuse("the number " + std::to_string(value));
}

}  // namespace

std::string Table::column_list(const char* prefix) const {
  std::string list;
  for (const Column& column : columns) {
    if (!list.empty()) list += ", ";
    list += prefix;
    list += column.name;
  }
  return list;
}

std::string canonical_json(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) refuse("a value that is no JSON");
  settle_numbers(value);
  std::string out = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (out.find("\\u0000") != std::string::npos) refuse("a NUL in a text");
  return out;
}

SqlValue canonical(SqlValue value, Type type) {
  if (std::holds_alternative<std::nullptr_t>(value)) return value;
  const bool is_number = std::holds_alternative<std::int64_t>(value);
  const bool wants_number = type == Type::kI64 || type == Type::kI32 || type == Type::kI16;
  if (is_number != wants_number)
    refuse(wants_number ? "a text in a column of numbers" : "a number in a column of texts");
  if (is_number) {
    const std::int64_t number = std::get<std::int64_t>(value);
    if (type == Type::kI32) check_range<std::int32_t>(number);
    if (type == Type::kI16) check_range<std::int16_t>(number);
    return value;
  }
  auto* blob = std::get_if<Blob>(&value);
  std::string bytes = blob ? std::move(blob->bytes) : std::move(std::get<std::string>(value));
  if (type == Type::kBytes) return Blob{std::move(bytes)};
  if (type == Type::kJson) return canonical_json(bytes);
  if (bytes.find('\0') != std::string::npos) refuse("a NUL in a text");
  if (!is_utf8(bytes)) refuse("a text that is no UTF-8");
  return bytes;
}

int compare_keys(const Table& table, const Row& a, const Row& b) {
  for (const std::size_t column : table.key) {
    if (const int order = compare(a[column], b[column]); order != 0) return order;
  }
  return 0;
}

bool same(const Row& a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (compare(a[i], b[i]) != 0) return false;
  }
  return a.size() == b.size();
}

void Sum::add(const Row& row) {
  std::string bytes;
  for (const SqlValue& value : row) {
    bytes.push_back(static_cast<char>('0' + value.index()));
    std::string_view part;
    std::int64_t number = 0;
    if (auto* text = std::get_if<std::string>(&value)) {
      part = *text;
    } else if (auto* blob = std::get_if<Blob>(&value)) {
      part = blob->bytes;
    } else if (auto* integer = std::get_if<std::int64_t>(&value)) {
      number = *integer;
      part = {reinterpret_cast<const char*>(&number), sizeof number};
    }
    const std::uint64_t size = part.size();
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += part;
  }
  ++rows;
  hash += XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace parley::store::moving
