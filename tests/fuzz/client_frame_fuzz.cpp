// Any message: no crash, nothing read or written outside it, JSON and nothing else is taken, and what is taken keeps
// the limits of docs/protocol.md. The encoder of bodies is held against a second parser.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "parley/base/bytes.hpp"
#include "parley/protocol/client_frame.hpp"
#include "parley/protocol/server_frame.hpp"
#include "parley/protocol/ws.hpp"

namespace {

using namespace parley;
using namespace parley::protocol;

void check_text(std::string_view text) {
  fuzz::require(is_utf8(text), "texts are UTF-8");
  fuzz::require(text.find('\0') == std::string_view::npos, "no NUL");
  fuzz::require(code_points(text) <= kTextCodePointsMax, "length of texts");
}

struct Checker final : FrameSink {
  int frames = 0, errors = 0;
  bool whole_refused = false;

  void on_frame(std::uint64_t id, const ClientFrame& frame) override {
    ++frames;
    fuzz::require(id <= kSeqMax, "ids below 2^53");
    if (const auto* send = std::get_if<Send>(&frame)) {
      fuzz::require(bool(send->conv) && send->n >= 1 && send->n <= kSeqMax, "conv and n");
      check_text(send->body.text);
      check_text(send->body.note);
      check_text(send->body.reason);
      const std::string body = canonical_body(send->type, send->body, send->body.text);
      fuzz::require(body.size() <= kBodyBytesMax, "size of a body");
      const auto parsed = nlohmann::json::parse(body, nullptr, false);
      fuzz::require(parsed.is_object(), "a canonical body is JSON");
      if (send->type == EntryType::kText) {
        fuzz::require(parsed["text"].get<std::string>() == send->body.text, "a canonical body keeps its text");
      }
      fuzz::require(payload_hash(send->type, send->body) == payload_hash(send->type, send->body), "a hash is one");
    }
    if (const auto* hello = std::get_if<Hello>(&frame)) {
      fuzz::require(hello->cursors.size() <= kCursorsMax, "cursors");
      for (const Cursor& c : hello->cursors)
        fuzz::require(bool(c.conv) && c.seq <= kSeqMax && is_utf8(c.epoch), "a cursor");
    }
    if (const auto* sync = std::get_if<Sync>(&frame)) {
      fuzz::require(sync->after.has_value() != sync->before.has_value() && sync->limit >= 1 && sync->limit <= 100,
                    "sync");
    }
  }
  void on_frame_error(std::uint64_t id, const FrameError& error) override {
    ++errors;
    whole_refused |= id == 0 && error.field.empty() && error.code == Code::kBadFrame;
    fuzz::require(!error.message.empty(), "an error says something");
    fuzz::require(!error.consumes_n || (error.conv && error.n), "who consumes n has one");
    std::string out;
    ErrorView view;
    view.message = error.message;
    if (is_utf8(error.field)) view.field = error.field;
    append_error(out, view);
    fuzz::require(nlohmann::json::accept(out), "an error frame is JSON");
  }
};

/// 0 no, 1 yes, 2 opinions may differ (numbers above double, half surrogate pairs, a byte order mark, depth).
int json_by_another(std::string_view text) {
  if (text.substr(0, 3) == "\xef\xbb\xbf" || text.find("\\u") != std::string_view::npos) return 2;
  if (text.find('\0') != std::string_view::npos) return 2;  // the other takes it for the end
  int depth = 0, deepest = 0;
  for (const char c : text) deepest = std::max(deepest, depth += (c == '{' || c == '[') - (c == '}' || c == ']'));
  if (deepest > 10) return 2;
  try {
    return nlohmann::json::parse(text).is_discarded() ? 0 : 1;
  } catch (const nlohmann::json::parse_error&) {
    return 0;
  } catch (const nlohmann::json::out_of_range&) {
    return 2;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kFrameBytesMax) return 0;
  static FrameDecoder decoder;  // as on a reactor: one for all messages, whatever the last one did to it
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<char> buffer(text.begin(), text.end());
  buffer.resize(size + ws::kPadding, size % 2 == 0 ? '"' : '\0');
  buffer.shrink_to_fit();
  Checker checker;
  decoder.decode({buffer.data(), size}, checker);
  fuzz::require(checker.frames + checker.errors >= 1 && checker.frames + checker.errors <= 64,
                "an answer to every message");
  const int json = json_by_another(text);
  if (json == 0)
    fuzz::require(checker.frames == 0 && checker.errors == 1 && checker.whole_refused, "what is not JSON is refused");
  if (json == 1 && checker.frames == 0 && checker.errors == 1 && checker.whole_refused) {
    const auto parsed = nlohmann::json::parse(text);
    fuzz::require(!parsed.is_object(), "an object gets an answer of its own");
  }

  if (is_utf8(text)) {
    std::string quoted;
    append_json_string(quoted, text);
    fuzz::require(nlohmann::json::parse(quoted).get<std::string>() == text, "a JSON string reads back");
  }
  return 0;
}
