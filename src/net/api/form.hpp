#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "parley/base/result.hpp"
#include "parley/tenant/roles.hpp"

namespace parley::net::api {

/// The body of a request, field by field. A wrong or missing field is remembered (the first one counts) and reads as an
/// empty value; look at error() after the last field was asked for. Unknown fields are ignored, as everywhere on the
/// wire.
class Form {
 public:
  /// `body` must be a JSON object.
  explicit Form(std::string_view body);

  struct Length {
    std::size_t min = 0, max = 0;
  };  ///< in code points, after spaces at both ends were cut off
  /// One line of text: no control characters.
  std::string line(std::string_view key, Length length);
  std::optional<std::string> line_if(std::string_view key, Length length);
  /// The same, with line breaks and tabs allowed.
  std::string lines(std::string_view key, Length length);
  /// Exactly what was sent, any characters, at most `bytes_max`: passwords, tokens.
  std::string raw(std::string_view key, std::size_t bytes_max);
  std::optional<std::string> raw_if(std::string_view key, std::size_t bytes_max);
  bool flag(std::string_view key, bool otherwise);
  std::optional<bool> flag_if(std::string_view key);
  std::optional<std::int64_t> number_if(std::string_view key, std::int64_t min, std::int64_t max);
  std::vector<std::string> list(std::string_view key, std::size_t items_max);
  std::optional<std::vector<std::string>> list_if(std::string_view key, std::size_t items_max);
  std::optional<Json> object_if(std::string_view key);

  std::string email(std::string_view key);   ///< normalised
  std::string locale(std::string_view key);  ///< zh-CN or en
  std::optional<std::string> locale_if(std::string_view key);
  std::string time_zone(std::string_view key);  ///< a name of the IANA database
  std::optional<std::string> time_zone_if(std::string_view key);
  tenant::Role role(std::string_view key);
  std::optional<tenant::Role> role_if(std::string_view key);
  std::string slug(std::string_view key);

  bool has(std::string_view key) const { return json_.has(key); }
  void refuse(std::string_view key, std::string sentence);
  const std::optional<Error>& error() const { return error_; }

 private:
  std::string checked(std::string_view key, std::string text, Length length, bool breaks);
  /// What stands there, or the sentence that a text is missing.
  std::string needed(std::string_view key);
  Json json_;
  std::optional<Error> error_;
};

}  // namespace parley::net::api
