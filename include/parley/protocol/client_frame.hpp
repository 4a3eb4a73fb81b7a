#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/protocol/types.hpp"

/// Frames from clients, decoded and checked. All string_views point into the message: valid while it stays, and until
/// the decoder's next call. Rules: unknown fields are ignored, but everything must be JSON (RFC 8259) at most 16 levels
/// deep; of equal keys the last counts; null in an optional field means absent; integers have no sign, fraction or
/// exponent; strings hold neither NUL nor half a surrogate pair.
namespace parley::protocol {

struct Cursor {
  ConversationId conv;
  std::string_view epoch;
  std::uint64_t seq = 0;
};

struct Hello {
  int ver = 1;
  bool agent = false;      ///< role
  std::string_view token;  ///< empty: cookie
  DevId dev;
  bool visible = true;
  bool echo = true;  ///< own sends come back as entries, too
  std::string_view resume;
  std::vector<Cursor> cursors;
};
/// The body of a send, typed; which fields count depends on the type.
struct SendBody {
  std::string_view text;             ///< text, note, edit; checked: UTF-8, no NUL, no lone surrogate escapes
  std::optional<std::uint64_t> ref;  ///< text: seq it replies to
  std::optional<AgentId> to;         ///< assign, transfer; AgentId{0} means null: back to the queue
  std::string_view note;             ///< transfer
  std::string_view reason;           ///< close
  std::uint64_t target = 0;          ///< edit, recall
};
struct Send {
  ConversationId conv;
  std::uint64_t n = 0;
  EntryType type = EntryType::kText;
  std::optional<DevId> dev;
  std::optional<std::uint64_t> if_claim;
  SendBody body;
};
struct Sync {
  ConversationId conv;
  std::optional<std::uint64_t> after, before;
  unsigned limit = 50;
};
struct WatchConversation {
  ConversationId conv;
  std::optional<Cursor> cursor;
};
enum class View : std::uint8_t { kWaiting, kMine, kOpen, kClosed };
struct WatchView {
  View view = View::kOpen;
  unsigned limit = 100;
};
struct UnwatchConversation {
  ConversationId conv;
};
struct UnwatchView {
  std::uint64_t watch = 0;
};
struct Inbox {
  std::uint64_t since = 0;
  unsigned limit = 100;
};
struct Receipt {
  ConversationId conv;
  std::uint64_t upto = 0;
  bool read = false;
};
struct Typing {
  ConversationId conv;
  bool on = false;
};
struct SetStatus {
  AgentStatus status = AgentStatus::kOnline;
};
struct Pong {};
struct Probe {};
struct Refresh {
  std::string_view token;
};
struct Visibility {
  bool on = true;
};

using ClientFrame = std::variant<Hello, Send, Sync, WatchConversation, WatchView, UnwatchConversation, UnwatchView,
                                 Inbox, Receipt, Typing, SetStatus, Pong, Probe, Refresh, Visibility>;

/// A frame that could not be decoded; goes back as an error frame. conv and n are filled when they could be read.
struct FrameError {
  Code code = Code::kBadFrame;
  std::string field;    ///< e.g. "body.text"
  std::string message;  ///< what is wrong and what is accepted
  ConversationId conv{};
  std::optional<std::uint64_t> n;
  /// A send whose conv, n, dev and type could be read and whose content was refused (too long, bad text, a missing
  /// field, an unknown type): the refusal consumes n and must be remembered.
  bool consumes_n = false;
  std::optional<DevId> dev;
};

class FrameSink {
 public:
  virtual void on_frame(std::uint64_t id, const ClientFrame& frame) = 0;  ///< id 0 = none given
  virtual void on_frame_error(std::uint64_t id, const FrameError& error) = 0;
  /// False stops the decoding of an array (the connection is closing).
  virtual bool wants_more() const { return true; }

 protected:
  ~FrameSink() = default;
};

/// Decodes one WebSocket text message: an object, or an array of 1 to 64 objects. Not thread-safe: one per reactor.
/// A message that is not JSON, too deep or too long as an array is refused as a whole, by one error without id and
/// field; nothing of it is handed out. Otherwise each frame gets one call of the sink, in order. simdjson on demand, in
/// place (escapes are undone inside the message); the message must be followed by ws::kPadding readable bytes. No
/// allocation per frame, hello and errors excepted. Source: https://simdjson.org, Langdale and Lemire 2019.
class FrameDecoder {
 public:
  FrameDecoder();
  ~FrameDecoder();
  void decode(std::span<char> message, FrameSink& sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The canonical body that is hashed, stored and shown: compact JSON of the known fields in a fixed order. `text`
/// stands in for body.text (the filter may have changed it).
std::string canonical_body(EntryType type, const SendBody& body, std::string_view text);
/// XXH3-64 over type and the typed fields of the body as sent, the same in all versions because journals keep it; the
/// identity of a payload for duplicate checks, taken before any stage changes the text.
std::uint64_t payload_hash(EntryType type, const SendBody& body);

}  // namespace parley::protocol
