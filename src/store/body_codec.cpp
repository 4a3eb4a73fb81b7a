#include "body_codec.hpp"

#include <snappy.h>

#include <nlohmann/json.hpp>

#include "parley/protocol/types.hpp"

namespace parley::store {

using nlohmann::json;

std::string plain_body(protocol::Codec codec, std::string_view bytes) {
  if (codec == protocol::Codec::kJson) return std::string(bytes);
  std::size_t size = 0;
  std::string out;
  if (!snappy::GetUncompressedLength(bytes.data(), bytes.size(), &size) || size > protocol::kInternalBodyBytesMax)
    return out;
  if (!snappy::Uncompress(bytes.data(), bytes.size(), &out)) out.clear();
  return out;
}

std::string text_field(std::string_view text, const char* name) {
  const json body = json::parse(text, nullptr, false);
  if (!body.is_object()) return {};
  const auto field = body.find(name);
  return field != body.end() && field->is_string() ? field->get<std::string>() : std::string();
}

std::string with_text_of(std::string_view text, std::string_view edit) {
  json body = json::parse(text, nullptr, false);
  if (!body.is_object()) body = json::object();
  body["text"] = text_field(edit, "text");
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace parley::store
