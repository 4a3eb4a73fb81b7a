#include "body_codec.hpp"

#include <simdjson.h>
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
  // Asked for every message on its way into the archive or the search index; nlohmann takes ten times as long.
  thread_local simdjson::dom::parser parser;
  simdjson::dom::object body;
  if (parser.parse(text.data(), text.size()).get(body)) return {};
  std::string_view found;
  for (const auto field : body) {
    // Of equal keys the last counts, as in browsers and in PostgreSQL.
    if (field.key == name && field.value.get(found)) found = {};
  }
  return std::string(found);
}

std::string with_text_of(std::string_view text, std::string_view edit) {
  json body = json::parse(text, nullptr, false);
  if (!body.is_object()) body = json::object();
  body["text"] = text_field(edit, "text");
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace parley::store
