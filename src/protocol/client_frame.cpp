#include "parley/protocol/client_frame.hpp"

#include <algorithm>

#include "json_fields.hpp"
#include "parley/base/bytes.hpp"
#include "parley/protocol/ws.hpp"

namespace parley::protocol {
namespace {

static_assert(ws::kPadding >= simdjson::SIMDJSON_PADDING);

constexpr std::size_t kFramesMax = 64;
constexpr unsigned kPageMax = 100;
constexpr std::size_t kFieldTextMax = 4096;  // tokens, blobs
using Kind = RawValue::Kind;

/// A frame after decoding, before it is handed out: a message is taken or refused as a whole where it is not JSON.
struct Slot {
  std::uint64_t id = 0;
  bool ok = false;
  ClientFrame frame;
  FrameError error;
};

constexpr std::string_view kLongNames[] = {
    "t",        "id",      "conv",      "n",           "type",        "body",    "if",    "dev",    "ver",
    "role",     "token",   "vis",       "echo",        "resume",      "cursors", "after", "before", "limit",
    "epoch",    "seq",     "view",      "watch",       "since",       "upto",    "on",    "value",  "body.text",
    "body.ref", "body.to", "body.note", "body.reason", "body.target", "if.claim"};
static_assert(std::size(kLongNames) == static_cast<std::size_t>(Field::kCount));
constexpr std::string_view name_of(Field field) { return kLongNames[static_cast<std::size_t>(field)]; }

/// Turns the raw fields of one object into a frame. Each take_… returns false after it has written the error.
class Interpreter {
 public:
  Interpreter(JsonFields& fields, Slot& slot) : f_(fields), slot_(slot) {}

  void run() {
    slot_.id = 0;
    slot_.ok = false;
    slot_.ok = take_id() && dispatch();
  }

 private:
  bool fail(Field field, std::string_view message, Code code = Code::kBadFrame) {
    return fail(std::string(name_of(field)), message, code);
  }
  bool fail(std::string field, std::string_view message, Code code = Code::kBadFrame) {
    FrameError& e = slot_.error;
    e = FrameError{};
    e.code = code;
    e.field = std::move(field);
    e.message = message;
    if (const RawValue* conv = f_.get(Field::kConv); conv && conv->kind == Kind::kString) {
      if (auto id = ConversationId::parse({conv->text, conv->size})) e.conv = *id;
    }
    if (const RawValue* n = f_.get(Field::kN);
        n && n->kind == Kind::kInteger && n->integer >= 1 && n->integer <= kSeqMax) {
      e.n = n->integer;
    }
    return false;
  }

  bool take_id() {
    if (!f_.has(Field::kId)) return true;
    const RawValue* id = f_.get(Field::kId);
    if (id == nullptr || id->kind != Kind::kInteger || id->integer < 1 || id->integer > kSeqMax) {
      return fail(Field::kId, "must be a positive integer below 2^53");
    }
    slot_.id = id->integer;
    return true;
  }

  enum Need { kOptional, kRequired };

  /// A string that is text, in `out`; untouched when absent and optional.
  bool take_string(Field field, std::string_view& out, Need need, std::size_t bytes_max = kFieldTextMax) {
    RawValue* raw = f_.get(field);
    if (raw == nullptr) return need == kOptional || fail(field, "is missing: a string is wanted");
    if (raw->kind != Kind::kString) return fail(field, "must be a string");
    switch (raw->flaw) {
      case RawValue::Flaw::kNone:
        break;
      case RawValue::Flaw::kNul:
        return fail(field, "must not contain NUL");
      case RawValue::Flaw::kSurrogate:
        return fail(field, "contains half of a surrogate pair; send valid Unicode");
    }
    if (raw->size > bytes_max) return fail(field, "is too long");
    out = {raw->text, raw->size};
    return true;
  }

  bool take_integer(Field field, std::uint64_t& out, Need need, std::uint64_t low, std::uint64_t high,
                    std::string_view wanted) {
    const RawValue* raw = f_.get(field);
    if (raw == nullptr && need == kOptional) return true;
    if (raw == nullptr || raw->kind != Kind::kInteger || raw->integer < low || raw->integer > high)
      return fail(field, wanted);
    out = raw->integer;
    return true;
  }
  bool take_position(Field field, std::uint64_t& out, Need need) {
    return take_integer(field, out, need, 0, kSeqMax, "must be an integer from 0, below 2^53");
  }
  bool take_limit(unsigned& out) {
    std::uint64_t limit = out;
    if (!take_integer(Field::kLimit, limit, kOptional, 1, kPageMax, "must be an integer from 1 to 100")) return false;
    out = static_cast<unsigned>(limit);
    return true;
  }

  bool take_bool(Field field, bool& out, Need need) {
    const RawValue* raw = f_.get(field);
    if (raw == nullptr && need == kOptional) return true;
    if (raw == nullptr || (raw->kind != Kind::kTrue && raw->kind != Kind::kFalse))
      return fail(field, "must be true or false");
    out = raw->kind == Kind::kTrue;
    return true;
  }

  bool take_conv(ConversationId& out) {
    std::string_view text;
    if (!take_string(Field::kConv, text, kRequired)) return false;
    const auto id = ConversationId::parse(text);
    if (!id) return fail(Field::kConv, "must be a conversation's id, a string of decimal digits");
    out = *id;
    return true;
  }

  bool take_dev(DevId& out) {
    std::string_view text;
    if (!take_string(Field::kDev, text, kRequired)) return false;
    const auto dev = DevId::parse(text);
    if (!dev) return fail(Field::kDev, "must be 16 characters of base64url");
    out = *dev;
    return true;
  }

  bool dispatch() {
    std::string_view t;
    if (!take_string(Field::kT, t, kRequired)) return false;
    switch (t.size()) {
      case 3:
        if (t == "rcv") return receipt(false);
        if (t == "vis") return visibility();
        break;
      case 4:
        if (t == "send") return send();
        if (t == "pong") return simple<Pong>();
        if (t == "sync") return sync();
        if (t == "read") return receipt(true);
        break;
      case 5:
        if (t == "hello") return hello();
        if (t == "watch") return watch();
        if (t == "inbox") return inbox();
        if (t == "probe") return simple<Probe>();
        break;
      case 6:
        if (t == "typing") return typing();
        if (t == "status") return status();
        break;
      case 7:
        if (t == "unwatch") return unwatch();
        if (t == "refresh") return refresh();
        break;
      default:
        break;
    }
    return fail(Field::kT, "is not a type of frame known here", Code::kUnknownFrame);
  }

  template <class Frame>
  bool simple() {
    slot_.frame.emplace<Frame>();
    return true;
  }

  bool hello() {
    auto& hello = slot_.frame.emplace<Hello>();
    std::uint64_t ver = 1;
    std::string_view role;
    if (!take_integer(Field::kVer, ver, kOptional, 1, 1'000'000, "must be a positive integer")) return false;
    hello.ver = static_cast<int>(ver);
    if (!take_string(Field::kRole, role, kRequired)) return false;
    if (role != "visitor" && role != "agent") return fail(Field::kRole, "must be \"visitor\" or \"agent\"");
    hello.agent = role == "agent";
    return take_string(Field::kToken, hello.token, kOptional) && take_dev(hello.dev) &&
           take_bool(Field::kVis, hello.visible, kOptional) && take_bool(Field::kEcho, hello.echo, kOptional) &&
           take_string(Field::kResume, hello.resume, kOptional) && cursors(hello);
  }

  bool cursors(Hello& hello) {
    const RawValue* raw = f_.get(Field::kCursors);
    if (raw == nullptr) return true;
    if (raw->kind != Kind::kObject)
      return fail(Field::kCursors, "must be an object of conversation id to [epoch, seq]");
    if (f_.cursors().size() > kCursorsMax) return fail(Field::kCursors, "may have at most 50 conversations");
    for (RawCursor& from : f_.cursors()) {
      const auto bad = [&](std::string_view message) { return fail("cursors." + std::string(from.conv), message); };
      const auto conv = ConversationId::parse(from.conv);
      if (!conv) return fail(Field::kCursors, "must have conversation ids, strings of decimal digits, as names");
      if (from.kind != Kind::kArray || from.items != 2) return bad("must be [epoch, seq]");
      if (from.epoch.kind != Kind::kString || from.epoch.flaw != RawValue::Flaw::kNone)
        return bad("must begin with the epoch, a string");
      if (from.seq.kind != Kind::kInteger || from.seq.integer > kSeqMax)
        return bad("must end with a seq, an integer from 0, below 2^53");
      const Cursor cursor{*conv, {from.epoch.text, from.epoch.size}, from.seq.integer};
      const auto same = std::find_if(hello.cursors.begin(), hello.cursors.end(),
                                     [&](const Cursor& c) { return c.conv == cursor.conv; });
      if (same != hello.cursors.end()) {
        *same = cursor;
      } else {
        hello.cursors.push_back(cursor);
      }
    }
    return true;
  }

  bool send() {
    auto& send = slot_.frame.emplace<Send>();
    if (!take_conv(send.conv)) return false;
    if (!take_integer(Field::kN, send.n, kRequired, 1, kSeqMax, "must be a positive integer below 2^53")) return false;
    if (f_.get(Field::kDev) != nullptr && !take_dev(send.dev.emplace())) return false;
    std::string_view type;
    if (!take_string(Field::kType, type, kRequired)) return false;
    // From here on the sender is known and the number is spent: docs/protocol.md section 4, a refusal without retry
    // consumes n.
    if (send_content(send, type)) return true;
    slot_.error.consumes_n = true;
    slot_.error.dev = send.dev;
    return false;
  }

  bool send_content(Send& send, std::string_view type) {
    const auto known = entry_type_of(type);
    if (!known) return fail(Field::kType, "is not a type a client may send");
    send.type = *known;
    if (const RawValue* condition = f_.get(Field::kIf)) {
      if (condition->kind != Kind::kObject) return fail(Field::kIf, "must be an object with a claim");
      if (!take_position(Field::kIfClaim, send.if_claim.emplace(), kRequired)) return false;
    }
    const RawValue* body = f_.get(Field::kBody);
    if (body != nullptr && body->kind != Kind::kObject) return fail(Field::kBody, "must be an object");
    return send_body(send, body != nullptr) && size_fits(send);
  }

  bool send_body(Send& send, bool has_body) {
    SendBody& body = send.body;
    switch (send.type) {
      case EntryType::kText:
        if (f_.get(Field::kBodyRef) != nullptr &&
            !take_integer(Field::kBodyRef, body.ref.emplace(), kRequired, 1, kSeqMax, "must be the seq of an entry")) {
          return false;
        }
        return take_text(Field::kBodyText, body.text, kRequired);
      case EntryType::kNote:
        return take_text(Field::kBodyText, body.text, kRequired);
      case EntryType::kAssign:
        return take_to(body);
      case EntryType::kTransfer:
        return take_to(body) && take_text(Field::kBodyNote, body.note, kOptional);
      case EntryType::kClose:
        return !has_body || take_text(Field::kBodyReason, body.reason, kOptional);
      case EntryType::kEdit:
        return take_target(body) && take_text(Field::kBodyText, body.text, kRequired);
      case EntryType::kRecall:
        return take_target(body);
      case EntryType::kClaim:
      case EntryType::kReopen:
      case EntryType::kEvent:
      case EntryType::kVoid:
      case EntryType::kRefusal:
        return true;
    }
    return true;
  }

  bool take_target(SendBody& body) {
    return take_integer(Field::kBodyTarget, body.target, kRequired, 1, kSeqMax, "must be the seq of an entry");
  }

  bool take_to(SendBody& body) {
    if (!f_.has(Field::kBodyTo)) return fail(Field::kBodyTo, "is missing: an agent's id, or null for the queue");
    body.to = AgentId{};
    if (f_.get(Field::kBodyTo) == nullptr) return true;
    std::string_view text;
    if (!take_string(Field::kBodyTo, text, kRequired)) return false;
    const auto agent = AgentId::parse(text);
    if (!agent) return fail(Field::kBodyTo, "must be an agent's id, a string of decimal digits, or null");
    body.to = *agent;
    return true;
  }

  bool take_text(Field field, std::string_view& out, Need need) {
    if (!take_string(field, out, need, kFrameBytesMax)) return false;
    // Counting is left out where it cannot matter: a text has no more code points than bytes.
    if (out.size() > kTextCodePointsMax && code_points(out) > kTextCodePointsMax) {
      return fail(field, "may have at most 4000 characters", Code::kTooLarge);
    }
    return true;
  }

  bool size_fits(const Send& send) {
    const SendBody& body = send.body;
    // An escape makes six bytes of one, names and numbers need less than 128.
    if ((body.text.size() + body.note.size() + body.reason.size()) * 6 + 128 <= kBodyBytesMax) return true;
    if (canonical_body(send.type, body, body.text).size() <= kBodyBytesMax) return true;
    return fail(Field::kBody, "may have at most 16384 bytes as JSON", Code::kTooLarge);
  }

  bool sync() {
    auto& sync = slot_.frame.emplace<Sync>();
    if (!take_conv(sync.conv) || !take_limit(sync.limit)) return false;
    const bool after = f_.get(Field::kAfter) != nullptr, before = f_.get(Field::kBefore) != nullptr;
    if (after == before) return fail(Field::kAfter, "exactly one of after and before is wanted");
    return after ? take_position(Field::kAfter, sync.after.emplace(), kRequired)
                 : take_position(Field::kBefore, sync.before.emplace(), kRequired);
  }

  bool watch() {
    const bool conv = f_.get(Field::kConv) != nullptr, view = f_.get(Field::kView) != nullptr;
    if (conv == view) return fail(Field::kConv, "exactly one of conv and view is wanted");
    if (view) {
      auto& watch = slot_.frame.emplace<WatchView>();
      return take_view(watch.view) && take_limit(watch.limit) &&
             (slot_.id != 0 || fail(Field::kId, "is missing: it names the watch"));
    }
    auto& watch = slot_.frame.emplace<WatchConversation>();
    if (!take_conv(watch.conv)) return false;
    const bool epoch = f_.get(Field::kEpoch) != nullptr, seq = f_.get(Field::kSeq) != nullptr;
    if (!epoch && !seq) return true;
    watch.cursor.emplace().conv = watch.conv;
    return take_string(Field::kEpoch, watch.cursor->epoch, kRequired) &&
           take_position(Field::kSeq, watch.cursor->seq, kRequired);
  }

  bool take_view(View& out) {
    std::string_view name;
    if (!take_string(Field::kView, name, kRequired)) return false;
    constexpr std::string_view names[] = {"waiting", "mine", "open", "closed"};
    const auto* const at = std::find(std::begin(names), std::end(names), name);
    if (at == std::end(names)) return fail(Field::kView, "must be waiting, mine, open or closed");
    out = static_cast<View>(at - std::begin(names));
    return true;
  }

  bool unwatch() {
    const bool conv = f_.get(Field::kConv) != nullptr, watch = f_.get(Field::kWatch) != nullptr;
    if (conv == watch) return fail(Field::kConv, "exactly one of conv and watch is wanted");
    if (conv) return take_conv(slot_.frame.emplace<UnwatchConversation>().conv);
    return take_integer(Field::kWatch, slot_.frame.emplace<UnwatchView>().watch, kRequired, 1, kSeqMax,
                        "must be the id of a watch");
  }

  bool inbox() {
    auto& inbox = slot_.frame.emplace<Inbox>();
    return take_position(Field::kSince, inbox.since, kOptional) && take_limit(inbox.limit);
  }

  bool receipt(bool read) {
    auto& receipt = slot_.frame.emplace<Receipt>();
    receipt.read = read;
    return take_conv(receipt.conv) && take_position(Field::kUpto, receipt.upto, kRequired);
  }

  bool typing() {
    auto& typing = slot_.frame.emplace<Typing>();
    return take_conv(typing.conv) && take_bool(Field::kOn, typing.on, kRequired);
  }

  bool status() {
    auto& status = slot_.frame.emplace<SetStatus>();
    std::string_view name;
    if (!take_string(Field::kValue, name, kRequired)) return false;
    const auto value = agent_status_of(name);
    if (!value) return fail(Field::kValue, "must be online, busy or away");
    status.status = *value;
    return true;
  }

  bool refresh() { return take_string(Field::kToken, slot_.frame.emplace<Refresh>().token, kRequired); }
  bool visibility() { return take_bool(Field::kOn, slot_.frame.emplace<Visibility>().on, kRequired); }

  JsonFields& f_;
  Slot& slot_;
};

}  // namespace

struct FrameDecoder::Impl {
  simdjson::ondemand::parser parser;
  JsonFields fields;
  std::vector<Slot> slots;  // grows to the longest array seen; what was said of the memory per frame rests on it
  std::size_t used = 0;
  const char* refusal = nullptr;

  Impl() : slots(1) {
    // Memory for the largest message, so that no frame has to wait for it.
    if (parser.allocate(kFrameBytesMax)) throw std::bad_alloc();
  }

  Slot& next_slot() {
    if (used == slots.size()) slots.emplace_back();
    return slots[used++];
  }

  bool refuse(const char* why) {
    refusal = why;
    return false;
  }

  bool decode_object(JsonFields::Object& object) {
    if (!fields.read(object)) return refuse("not JSON, or nested too deeply");
    Interpreter(fields, next_slot()).run();
    return true;
  }

  bool decode_array(simdjson::ondemand::array array) {
    for (auto next : array) {
      simdjson::ondemand::value value;
      if (std::move(next).get(value)) return refuse("not JSON");
      if (used == kFramesMax) return refuse("more than 64 frames in one message");
      if (value.raw_json_token().substr(0, 1) != "{") {
        if (!JsonFields::consume(value, 1)) return refuse("not JSON, or nested too deeply");
        Slot& slot = next_slot();
        slot.id = 0;
        slot.ok = false;
        slot.error = FrameError{};
        slot.error.message = "an array must hold frames, which are objects";
        continue;
      }
      simdjson::ondemand::object object;
      if (value.get_object().get(object)) return refuse("not JSON");
      if (!decode_object(object)) return false;
    }
    return used > 0 || refuse("an empty array: one frame is wanted at least");
  }

  bool decode_document(std::span<char> message) {
    simdjson::ondemand::document document;
    if (parser.iterate(message.data(), message.size(), message.size() + ws::kPadding).get(document))
      return refuse("not JSON");
    simdjson::ondemand::json_type type{};
    if (document.type().get(type)) return refuse("not JSON");
    if (type == simdjson::ondemand::json_type::object) {
      simdjson::ondemand::object object;
      if (document.get_object().get(object)) return refuse("not JSON");
      if (!decode_object(object)) return false;
    } else if (type == simdjson::ondemand::json_type::array) {
      simdjson::ondemand::array array;
      if (document.get_array().get(array)) return refuse("not JSON");
      if (!decode_array(array)) return false;
    } else {
      return refuse("a message must be an object or an array of objects");
    }
    // On demand the parser stops where it was told to: whatever follows was not looked at yet.
    return document.current_location().error() == simdjson::OUT_OF_BOUNDS || refuse("something follows the JSON");
  }
};

FrameDecoder::FrameDecoder() : impl_(std::make_unique<Impl>()) {}
FrameDecoder::~FrameDecoder() = default;

void FrameDecoder::decode(std::span<char> message, FrameSink& sink) {
  impl_->used = 0;
  if (message.size() > kFrameBytesMax) {
    FrameError error;
    error.code = Code::kTooLarge;
    error.message = "a message may have at most 65536 bytes";
    sink.on_frame_error(0, error);
    return;
  }
  if (!impl_->decode_document(message)) {
    FrameError error;
    error.message = impl_->refusal;
    sink.on_frame_error(0, error);
    return;
  }
  for (std::size_t i = 0; i < impl_->used && sink.wants_more(); ++i) {
    const Slot& slot = impl_->slots[i];
    if (slot.ok) {
      sink.on_frame(slot.id, slot.frame);
    } else {
      sink.on_frame_error(slot.id, slot.error);
    }
  }
}

}  // namespace parley::protocol
