#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::net::api {

/// A JSON value, to build answers and to look into requests and stored settings. nlohmann::json stands behind it, so
/// that only json.cpp pays for its header.
class Json {
 public:
  static Json object();
  static Json array();
  /// nullopt unless `text` is one JSON value in valid UTF-8, nested at most 16 deep.
  static std::optional<Json> parse(std::string_view text);

  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(Json other) noexcept;
  ~Json();

  Json& set(std::string_view key, std::string_view value);
  Json& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
  Json& set(std::string_view key, bool value);
  Json& set(std::string_view key, std::int64_t value);
  Json& set(std::string_view key, Json value);
  Json& set(std::string_view key, const std::vector<std::string>& values);
  Json& set_null(std::string_view key);
  Json& erase(std::string_view key);
  Json& push(Json value);
  /// Compact; bytes that are not UTF-8 are replaced.
  std::string text() const;

  bool is_object() const;
  bool has(std::string_view key) const;      ///< also if it is null
  bool is_null(std::string_view key) const;  ///< there, and null
  std::optional<std::string> text_at(std::string_view key) const;
  std::optional<bool> flag_at(std::string_view key) const;
  std::optional<std::int64_t> number_at(std::string_view key) const;  ///< a whole number
  std::optional<std::vector<std::string>> texts_at(std::string_view key) const;
  std::optional<Json> object_at(std::string_view key) const;

 private:
  struct Value;
  explicit Json(std::unique_ptr<Value> value);
  std::unique_ptr<Value> value_;
};

/// A stored settings column; what is not an object counts as an empty one.
Json settings_of(std::string_view stored);
/// {"items":[…]}
std::string items_text(Json items);

}  // namespace parley::net::api
