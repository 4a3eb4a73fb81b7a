#pragma once
#include <charconv>
#include <cstdint>
#include <limits>
#include <string_view>

#include "parley/net/http.hpp"

/// Parameters behind the question mark.
namespace parley::net::api {

inline constexpr std::uint64_t kNoNumber = std::numeric_limits<std::uint64_t>::max();

/// A number of the query: `otherwise` if it is not there, kNoNumber if it is none.
inline std::uint64_t number_of(const HttpRequest& request, std::string_view key, std::uint64_t otherwise) {
  const auto text = request.query_value(key);
  if (!text) return otherwise;
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool whole = ec == std::errc{} && end == text->data() + text->size();
  return whole && value <= static_cast<std::uint64_t>(INT64_MAX) ? value : kNoNumber;
}

inline HttpResponse bad_query(std::string_view field, std::string_view sentence) {
  return HttpResponse::problem(400, "bad_field", sentence, field);
}

}  // namespace parley::net::api
