#include "parley/protocol/ws.hpp"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "utf8.hpp"

namespace parley::protocol::ws {
namespace {

constexpr std::size_t kControlMax = 125;  // payload of a control frame
constexpr std::size_t kHeaderMax = 14;
using Mask = std::array<char, 4>;

/// Undoes (or applies) a mask whose first byte belongs to the payload's byte `offset` bytes before `data`.
void unmask(char* data, std::size_t size, const Mask& mask, std::size_t offset) noexcept {
  char turned[8];
  for (std::size_t i = 0; i < 8; ++i) turned[i] = mask[(offset + i) & 3];
  std::uint64_t key;
  std::memcpy(&key, turned, sizeof key);
  char* const end = data + size;
  while (end - data >= 32) {
    std::uint64_t words[4];
    std::memcpy(words, data, sizeof words);
    for (std::uint64_t& w : words) w ^= key;
    std::memcpy(data, words, sizeof words);
    data += 32;
  }
  while (end - data >= 8) {
    std::uint64_t w;
    std::memcpy(&w, data, sizeof w);
    w ^= key;
    std::memcpy(data, &w, sizeof w);
    data += 8;
  }
  for (std::size_t i = 0; data < end; ++data, ++i) *data = static_cast<char>(*data ^ turned[i]);
}

struct Header {
  Opcode opcode = Opcode::kText;
  bool fin = false;
  std::uint64_t length = 0;
  Mask mask{};
  std::size_t size = 0;  ///< bytes of the header itself
};

struct Failure {
  std::uint16_t code = 0;  ///< 0: none
  std::string_view reason;
};

constexpr bool is_control(Opcode opcode) { return static_cast<unsigned>(opcode) >= 8; }

enum class Parsed { kIncomplete, kHeader, kFailure };

/// Reads a frame header. Every byte is judged as soon as it is there, in order, so that the verdict does not depend on
/// how the network cut the stream. `room` is what the message may still grow by.
Parsed parse_header(std::span<const char> in, bool in_message, std::size_t room, Header& header, Failure& failure) {
  const auto fail = [&](std::uint16_t code, std::string_view reason) {
    failure = {code, reason};
    return Parsed::kFailure;
  };
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(in[i]); };
  if (in.empty()) return Parsed::kIncomplete;
  if ((byte(0) & 0x70) != 0) return fail(1002, "reserved bits are set");
  const unsigned opcode = byte(0) & 0x0f;
  if ((opcode > 2 && opcode < 8) || opcode > 10) return fail(1002, "reserved opcode");
  header.opcode = static_cast<Opcode>(opcode);
  header.fin = (byte(0) & 0x80) != 0;
  const bool control = is_control(header.opcode);
  if (control && !header.fin) return fail(1002, "a fragmented control frame");
  if (header.opcode == Opcode::kContinuation && !in_message) return fail(1002, "a continuation of nothing");
  if (!control && header.opcode != Opcode::kContinuation && in_message)
    return fail(1002, "a new message inside another");
  if (in.size() < 2) return Parsed::kIncomplete;
  if ((byte(1) & 0x80) == 0) return fail(1002, "a frame without mask");
  header.length = byte(1) & 0x7f;
  if (control && header.length > kControlMax) return fail(1002, "a control frame above 125 bytes");
  const std::size_t extended = header.length == 126 ? 2 : header.length == 127 ? 8 : 0;
  if (extended != 0) {
    if (in.size() < 2 + extended) return Parsed::kIncomplete;
    header.length = 0;
    for (std::size_t i = 0; i < extended; ++i) header.length = header.length << 8 | byte(2 + i);
    if (header.length < (extended == 2 ? 126u : 65536u)) return fail(1002, "a length that is not in its shortest form");
    if (header.length >> 63 != 0) return fail(1002, "a length above 2^63");
  }
  if (!control && header.length > room) return fail(1009, "the message is too large");
  header.size = 2 + extended + 4;
  if (in.size() < header.size) return Parsed::kIncomplete;
  std::memcpy(header.mask.data(), in.data() + 2 + extended, 4);
  return Parsed::kHeader;
}

constexpr bool valid_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void put_header(std::string& out, Opcode opcode, std::size_t size) {
  char header[10];
  out.append(header, write_header(header, opcode, size));
}

}  // namespace

std::size_t write_header(char* to, Opcode opcode, std::size_t payload) noexcept {
  to[0] = static_cast<char>(0x80u | static_cast<unsigned>(opcode));
  const std::size_t used = header_size(payload);
  if (used == 2) {
    to[1] = static_cast<char>(payload);
  } else if (used == 4) {
    to[1] = 126;
    to[2] = static_cast<char>(payload >> 8);
    to[3] = static_cast<char>(payload);
  } else {
    to[1] = 127;
    for (unsigned i = 0; i < 8; ++i) to[2 + i] = static_cast<char>(std::uint64_t{payload} >> (56 - 8 * i));
  }
  return used;
}

std::string accept_key(std::string_view sec_websocket_key) {
  std::string text(sec_websocket_key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char encoded[4 * ((SHA_DIGEST_LENGTH + 2) / 3) + 1];
  const int size = EVP_EncodeBlock(encoded, digest, sizeof digest);
  return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size)};
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  assert(!is_control(opcode) || payload.size() <= kControlMax);
  put_header(out, opcode, payload.size());
  out.append(payload);
}

void append_close(std::string& out, std::uint16_t code, std::string_view reason) {
  if (code == 0) return put_header(out, Opcode::kClose, 0);
  if (reason.size() > kControlMax - 2) {
    std::size_t cut = kControlMax - 2;
    while (cut > 0 && (static_cast<unsigned char>(reason[cut]) & 0xc0) == 0x80) --cut;
    reason = reason.substr(0, cut);
  }
  put_header(out, Opcode::kClose, reason.size() + 2);
  out += static_cast<char>(code >> 8);
  out += static_cast<char>(code & 0xff);
  out.append(reason);
}

/// What cannot be handed out yet: a message in fragments, and the frame of which only a part arrived.
struct Decoder::Partial {
  std::vector<char> message;  // unmasked payloads so far; grows with what arrives, not with what a header announces
  std::size_t checked = 0;    // bytes of it known to be UTF-8
  bool in_message = false;
  bool handed_out = false;  // `message` is what the last next() gave away
  Opcode message_opcode = Opcode::kText;

  bool in_frame = false;  // what follows belongs to a frame in parts
  bool header_done = false;
  std::uint8_t header_bytes = 0;
  std::array<char, kHeaderMax> raw_header{};
  Header header;
  std::uint64_t got = 0;
  std::array<char, kControlMax> control{};

  bool in_control() const { return header_done && is_control(header.opcode); }

  void begin_header(std::span<const char> bytes) {
    in_frame = true;
    header_done = false;
    header_bytes = static_cast<std::uint8_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), raw_header.begin());
  }
  void begin_payload(const Header& of) {
    in_frame = true;
    header_done = true;
    header_bytes = 0;
    header = of;
    got = 0;
    if (header.opcode == Opcode::kText || header.opcode == Opcode::kBinary) {
      in_message = true;
      message_opcode = header.opcode;
    }
  }
  void end_frame() {
    in_frame = false;
    header_done = false;
    got = 0;
  }
  /// The text so far, up to the last code point that can still be completed; to its end if `complete`.
  bool check_text(bool complete) {
    const std::string_view rest{message.data() + checked, message.size() - checked};
    const std::size_t open = complete ? 0 : unfinished_utf8(rest);
    if (open == std::string_view::npos || !valid_utf8(rest.substr(0, rest.size() - open))) return false;
    checked += rest.size() - open;
    return true;
  }
};

namespace {

Event failed(std::uint16_t code, std::string_view reason) {
  Event event;
  event.kind = Event::Kind::kError;
  event.close_code = code;
  event.reason = reason;
  return event;
}

Event message_event(Opcode opcode, std::span<char> payload) {
  Event event;
  event.kind = Event::Kind::kMessage;
  event.opcode = opcode;
  event.payload = payload;
  return event;
}

Event control_event(Opcode opcode, std::span<char> payload) {
  Event event;
  event.opcode = opcode;
  event.payload = payload;
  if (opcode != Opcode::kClose) {
    event.kind = opcode == Opcode::kPing ? Event::Kind::kPing : Event::Kind::kPong;
    return event;
  }
  event.kind = Event::Kind::kClose;
  event.close_code = 1005;
  if (payload.empty()) return event;
  if (payload.size() == 1) return failed(1002, "a close frame of one byte");
  const unsigned code =
      static_cast<unsigned>(static_cast<std::uint8_t>(payload[0])) << 8 | static_cast<std::uint8_t>(payload[1]);
  if (!valid_close_code(code)) return failed(1002, "a close code that must not be sent");
  event.close_code = static_cast<std::uint16_t>(code);
  event.reason = {payload.data() + 2, payload.size() - 2};
  if (!valid_utf8(event.reason)) return failed(1007, "a close reason that is not UTF-8");
  return event;
}

}  // namespace

Decoder::Decoder(std::size_t message_bytes_max)
    : message_bytes_max_(static_cast<std::uint32_t>(std::min<std::size_t>(message_bytes_max, UINT32_MAX))) {}
Decoder::~Decoder() { delete partial_; }
Decoder::Decoder(Decoder&& other) noexcept
    : partial_(std::exchange(other.partial_, nullptr)),
      input_(std::exchange(other.input_, {})),
      message_bytes_max_(other.message_bytes_max_),
      failed_(other.failed_) {}
Decoder& Decoder::operator=(Decoder&& other) noexcept {
  if (this != &other) {
    delete partial_;
    partial_ = std::exchange(other.partial_, nullptr);
    input_ = std::exchange(other.input_, {});
    message_bytes_max_ = other.message_bytes_max_;
    failed_ = other.failed_;
  }
  return *this;
}

void Decoder::feed(std::span<char> bytes) {
  assert(input_.empty() || failed_);
  input_ = bytes;
}

std::size_t Decoder::held() const noexcept {
  if (partial_ == nullptr || partial_->handed_out) return 0;
  const std::size_t of_control = partial_->in_control() ? static_cast<std::size_t>(partial_->got) : 0;
  return partial_->message.size() + partial_->header_bytes + of_control;
}

bool Decoder::next(Event& event) {
  if (failed_) {
    release();
    return false;
  }
  if (partial_ != nullptr && partial_->handed_out) release();
  for (;;) {
    const Step step = partial_ != nullptr && partial_->in_frame ? continue_frame(event) : begin_frame(event);
    if (step == Step::kAgain) continue;
    if (step == Step::kNeedsInput) return false;
    failed_ = event.kind == Event::Kind::kClose || event.kind == Event::Kind::kError;
    return true;
  }
}

void Decoder::release() noexcept {
  delete partial_;
  partial_ = nullptr;
}

Decoder::Partial& Decoder::partial() {
  if (partial_ == nullptr) partial_ = new Partial;
  return *partial_;
}

Decoder::Step Decoder::begin_frame(Event& event) {
  const bool in_message = partial_ != nullptr && partial_->in_message;
  if (input_.empty()) {
    if (!in_message) release();  // a control frame was kept, nothing else
    return Step::kNeedsInput;
  }
  Header header;
  Failure failure;
  const std::size_t room = message_bytes_max_ - (in_message ? partial_->message.size() : 0);
  switch (parse_header(input_, in_message, room, header, failure)) {
    case Parsed::kFailure:
      event = failed(failure.code, failure.reason);
      return Step::kEvent;
    case Parsed::kIncomplete:
      partial().begin_header(input_);
      input_ = {};
      return Step::kNeedsInput;
    case Parsed::kHeader:
      break;
  }
  input_ = input_.subspan(header.size);
  if (input_.size() < header.length) {
    partial().begin_payload(header);
    return Step::kAgain;
  }
  const std::span<char> payload = input_.first(static_cast<std::size_t>(header.length));
  input_ = input_.subspan(payload.size());
  unmask(payload.data(), payload.size(), header.mask, 0);
  if (is_control(header.opcode)) {
    event = control_event(header.opcode, payload);
    return Step::kEvent;
  }
  if (header.fin && !in_message) {  // nearly always: the whole message is here and stays where it is
    if (header.opcode == Opcode::kText && !valid_utf8({payload.data(), payload.size()})) {
      event = failed(1007, "a text that is not UTF-8");
    } else {
      event = message_event(header.opcode, payload);
    }
    return Step::kEvent;
  }
  Partial& part = partial();
  part.begin_payload(header);
  part.message.insert(part.message.end(), payload.begin(), payload.end());
  return end_data_frame(event);
}

Decoder::Step Decoder::continue_frame(Event& event) {
  Partial& part = *partial_;
  if (!part.header_done) {
    const std::size_t had = part.header_bytes;
    const std::size_t copied = std::min(kHeaderMax - had, input_.size());
    std::copy_n(input_.data(), copied, part.raw_header.data() + had);
    Header header;
    Failure failure;
    const std::span<const char> bytes{part.raw_header.data(), had + copied};
    switch (parse_header(bytes, part.in_message, message_bytes_max_ - part.message.size(), header, failure)) {
      case Parsed::kFailure:
        event = failed(failure.code, failure.reason);
        return Step::kEvent;
      case Parsed::kIncomplete:
        part.header_bytes = static_cast<std::uint8_t>(bytes.size());
        input_ = {};
        return Step::kNeedsInput;
      case Parsed::kHeader:
        break;
    }
    input_ = input_.subspan(header.size - had);
    part.begin_payload(header);
  }
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(part.header.length - part.got, input_.size()));
  char* target;
  if (part.in_control()) {
    target = part.control.data() + part.got;
  } else {
    part.message.resize(part.message.size() + taken);
    target = part.message.data() + part.message.size() - taken;
  }
  if (taken != 0) std::memcpy(target, input_.data(), taken);
  unmask(target, taken, part.header.mask, static_cast<std::size_t>(part.got & 3));
  part.got += taken;
  input_ = input_.subspan(taken);
  if (part.got < part.header.length) return Step::kNeedsInput;
  if (!part.in_control()) return end_data_frame(event);
  event = control_event(part.header.opcode, {part.control.data(), static_cast<std::size_t>(part.got)});
  part.end_frame();
  return Step::kEvent;
}

Decoder::Step Decoder::end_data_frame(Event& event) {
  Partial& part = *partial_;
  const bool fin = part.header.fin;
  part.end_frame();
  if (part.message_opcode == Opcode::kText && !part.check_text(fin)) {
    event = failed(1007, "a text that is not UTF-8");
    return Step::kEvent;
  }
  if (!fin) return Step::kAgain;
  const std::size_t size = part.message.size();
  part.message.resize(size + kPadding);
  part.handed_out = true;
  event = message_event(part.message_opcode, {part.message.data(), size});
  return Step::kEvent;
}

}  // namespace parley::protocol::ws
