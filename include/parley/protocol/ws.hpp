#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// RFC 6455 framing for the server side, without I/O: bytes in, messages out; frames out as bytes. Server frames are
/// unmasked, so one encoded frame serves every receiver.
namespace parley::protocol::ws {

enum class Opcode : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
std::string accept_key(std::string_view sec_websocket_key);

/// Readable bytes behind every message the codec hands out, so that a parser may read past its end
/// (simdjson::SIMDJSON_PADDING).
inline constexpr std::size_t kPadding = 64;

/// Bytes of a server frame's header: 2, 4 or 10.
constexpr std::size_t header_size(std::size_t payload) noexcept { return payload < 126 ? 2 : payload < 65536 ? 4 : 10; }
/// Writes the header of a complete, unfragmented, unmasked frame in front of its payload; the same number of bytes.
std::size_t write_header(char* to, Opcode opcode, std::size_t payload) noexcept;
/// Appends one complete, unfragmented, unmasked frame; at most 125 bytes for kClose, kPing and kPong.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
/// Appends a close frame; `code` 0 means an empty body; `reason` is cut at a code point to 123 bytes.
void append_close(std::string& out, std::uint16_t code, std::string_view reason);

/// What the decoder found. Views are valid until the next call of the decoder or until the buffer given to it changes.
struct Event {
  enum class Kind { kMessage, kPing, kPong, kClose, kError };
  Kind kind = Kind::kError;
  Opcode opcode = Opcode::kText;  ///< kMessage: kText (checked UTF-8) or kBinary
  std::span<char> payload;        ///< kMessage, kPing, kPong; followed by at least kPadding readable bytes for kMessage
  std::uint16_t close_code =
      0;  ///< kClose: what the peer sent (1005 if nothing); kError: what to close with (1002, 1007, 1009)
  std::string_view reason;  ///< kClose: the peer's reason; kError: what was wrong
};

/// Decoder of one connection. It keeps nothing while no message is incomplete (an idle connection costs this object
/// only, at most 48 bytes).
///
/// Use: `feed()` once with what was read into the reactor's shared buffer, then `next()` until it returns false. Whole
/// messages are unmasked in place and handed out as views into that buffer; an incomplete one is kept in an own
/// allocation until its rest arrives. After kClose or kError nothing more comes. Checks: mask present, RSV bits zero,
/// known opcodes, control frames whole and ≤ 125 bytes, minimal length encoding, UTF-8 of text over fragments as early
/// as a frame ends, close codes and UTF-8 of their reasons, size of the message over all fragments.
class Decoder {
 public:
  explicit Decoder(std::size_t message_bytes_max);
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// `bytes` must stay in place, and have kPadding readable bytes behind it, until next() has returned false.
  void feed(std::span<char> bytes);
  bool next(Event& event);
  /// Bytes held for an incomplete message.
  std::size_t held() const noexcept;

 private:
  struct Partial;  // exists only while a frame or message is incomplete
  enum class Step { kAgain, kEvent, kNeedsInput };
  Step begin_frame(Event& event);
  Step continue_frame(Event& event);
  Step end_data_frame(Event& event);
  Partial& partial();
  void release() noexcept;

  Partial* partial_ = nullptr;
  std::span<char> input_;
  std::uint32_t message_bytes_max_;
  bool failed_ = false;
};

}  // namespace parley::protocol::ws
