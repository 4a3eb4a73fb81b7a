#include "parley/protocol/ws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "protocol/utf8.hpp"

namespace parley::protocol::ws {
namespace {

constexpr std::size_t kMax = 65536;

/// What a browser sends. Everything can be made wrong.
struct Frame {
  unsigned opcode = 1;
  std::string payload{};
  bool fin = true;
  unsigned rsv = 0;
  bool masked = true;
  int length_bytes = 0;       ///< 0: the shortest form; 2 or 8 to force a longer one
  std::uint64_t claimed = 0;  ///< 0: the payload's own length
  bool cut = false;           ///< the payload never comes

  std::string bytes() const {
    std::string out;
    out += static_cast<char>((fin ? 0x80u : 0u) | rsv << 4 | opcode);
    const std::uint64_t length = claimed != 0 ? claimed : payload.size();
    const int width = length_bytes != 0 ? length_bytes : length < 126 ? 0 : length < 65536 ? 2 : 8;
    const unsigned mask_bit = masked ? 0x80 : 0;
    out += static_cast<char>(mask_bit | (width == 0 ? static_cast<unsigned>(length) : width == 2 ? 126u : 127u));
    for (int i = width - 1; i >= 0; --i) out += static_cast<char>(length >> (8 * i) & 0xff);
    const std::string key = "\x37\xfa\x21\x3d";
    if (masked) out += key;
    for (std::size_t i = 0; !cut && i < payload.size(); ++i) {
      out += static_cast<char>(masked ? payload[i] ^ key[i % 4] : payload[i]);
    }
    return out;
  }
};

Frame text(std::string payload) { return {.opcode = 1, .payload = std::move(payload)}; }
Frame binary(std::string payload) { return {.opcode = 2, .payload = std::move(payload)}; }
Frame ping(std::string payload) { return {.opcode = 9, .payload = std::move(payload)}; }
Frame pong(std::string payload) { return {.opcode = 10, .payload = std::move(payload)}; }
Frame part(unsigned opcode, std::string payload, bool fin = false) {
  return {.opcode = opcode, .payload = std::move(payload), .fin = fin};
}
Frame close_frame(int code, std::string reason = {}) {
  std::string payload;
  if (code >= 0) {
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code & 0xff);
  }
  return {.opcode = 8, .payload = payload + reason};
}

std::string stream(std::initializer_list<Frame> frames) {
  std::string out;
  for (const Frame& f : frames) out += f.bytes();
  return out;
}

std::string show(const Event& event) {
  const std::string payload(event.payload.begin(), event.payload.end());
  switch (event.kind) {
    case Event::Kind::kMessage:
      return (event.opcode == Opcode::kText ? "text:" : "binary:") + payload;
    case Event::Kind::kPing:
      return "ping:" + payload;
    case Event::Kind::kPong:
      return "pong:" + payload;
    case Event::Kind::kClose:
      return "close:" + std::to_string(event.close_code) + ":" + std::string(event.reason);
    case Event::Kind::kError:
      return "error:" + std::to_string(event.close_code);
  }
  return "?";
}

/// Feeds the pieces one after the other; each lies in a buffer of its own that is overwritten afterwards.
std::vector<std::string> decode(const std::vector<std::string_view>& pieces, std::size_t max = kMax) {
  Decoder decoder(max);
  std::vector<std::string> seen;
  for (const std::string_view piece : pieces) {
    std::vector<char> buffer(piece.begin(), piece.end());
    buffer.resize(piece.size() + kPadding);
    decoder.feed({buffer.data(), piece.size()});
    Event event;
    while (decoder.next(event)) {
      if (event.kind == Event::Kind::kMessage) {
        volatile char sink = 0;  // under AddressSanitizer: the padding is there
        for (std::size_t i = 0; i < kPadding; ++i) sink = event.payload.data()[event.payload.size() + i];
        (void)sink;
      }
      seen.push_back(show(event));
    }
    std::fill(buffer.begin(), buffer.end(), '\xee');
  }
  return seen;
}

using Events = std::vector<std::string>;

/// The same events however the network cuts the bytes.
void expect_events(const std::string& name, const std::string& bytes, const Events& expected, std::size_t max = kMax) {
  SCOPED_TRACE(name);
  ASSERT_EQ(decode({bytes}, max), expected) << "in one piece";
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(std::string_view(bytes).substr(i, 1));
  ASSERT_EQ(decode(single, max), expected) << "byte by byte";
  const std::string_view all = bytes;
  const std::size_t step = bytes.size() > 2000 ? 61 : 1;
  for (std::size_t cut = 0; cut <= all.size(); cut += step) {
    ASSERT_EQ(decode({all.substr(0, cut), all.substr(cut)}, max), expected) << "cut at " << cut;
  }
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t size = 1 + random() % (1 + all.size() / 3);
      pieces.push_back(all.substr(at, size));
      at += size;
    }
    ASSERT_EQ(decode(pieces, max), expected) << "round " << round;
  }
}

const std::string kGreek = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
// Of the Autobahn suite: fine up to U+1100000, which does not exist.
const std::string kBeyond = kGreek + "\xf4\x90\x80\x80" + "edited";

TEST(WsDecoder, Framing) {
  for (const std::size_t size : {0u, 1u, 124u, 125u, 126u, 127u, 128u, 65535u, 65536u}) {
    const std::string payload(size, '*');
    expect_events("text of " + std::to_string(size), text(payload).bytes(), {"text:" + payload});
    expect_events("binary of " + std::to_string(size), binary(payload).bytes(), {"binary:" + payload});
  }
  expect_events("many messages", stream({text("a"), text("b"), binary("c"), text("")}),
                {"text:a", "text:b", "binary:c", "text:"});
}

TEST(WsDecoder, Limits) {
  expect_events("the limit itself", text(std::string(100, 'x')).bytes(), {"text:" + std::string(100, 'x')}, 100);
  expect_events("one more", text(std::string(101, 'x')).bytes(), {"error:1009"}, 100);
  expect_events("announced only", Frame{.claimed = 1ull << 40, .cut = true}.bytes(), {"error:1009"}, 100);
  expect_events("over fragments",
                stream({part(1, std::string(60, 'x')), part(0, std::string(40, 'x')), part(0, "y", true)}),
                {"error:1009"}, 100);
  expect_events("fragments up to it", stream({part(1, std::string(60, 'x')), part(0, std::string(40, 'x'), true)}),
                {"text:" + std::string(100, 'x')}, 100);
  expect_events("control frames do not count",
                stream({part(1, "0123456789"), ping(std::string(125, 'p')), part(0, "", true)}),
                {"ping:" + std::string(125, 'p'), "text:0123456789"}, 10);
  expect_events("length with its highest bit", Frame{.claimed = 1ull << 63, .cut = true}.bytes(), {"error:1002"});
}

TEST(WsDecoder, LengthsNotInTheirShortestForm) {
  expect_events("2 for 5", Frame{.payload = "12345", .length_bytes = 2}.bytes(), {"error:1002"});
  expect_events("2 for 125", Frame{.payload = std::string(125, 'x'), .length_bytes = 2}.bytes(), {"error:1002"});
  expect_events("8 for 5", Frame{.payload = "12345", .length_bytes = 8}.bytes(), {"error:1002"});
  expect_events("8 for 65535", Frame{.payload = std::string(65535, 'x'), .length_bytes = 8}.bytes(), {"error:1002"});
}

TEST(WsDecoder, PingsAndPongs) {
  expect_events("empty", ping("").bytes(), {"ping:"});
  expect_events("with payload", ping("Hello").bytes(), {"ping:Hello"});
  expect_events("binary payload", ping(std::string("\x00\xff\xfe\xfd", 4)).bytes(),
                {std::string("ping:\x00\xff\xfe\xfd", 9)});
  expect_events("125 bytes", ping(std::string(125, '\xfe')).bytes(), {"ping:" + std::string(125, '\xfe')});
  expect_events("126 bytes", Frame{.opcode = 9, .payload = std::string(126, 'x')}.bytes(), {"error:1002"});
  expect_events("unasked pong", stream({pong(""), pong("x"), ping("y")}), {"pong:", "pong:x", "ping:y"});
  expect_events("fragmented ping", part(9, "x").bytes(), {"error:1002"});
  expect_events("fragmented pong", part(10, "x").bytes(), {"error:1002"});
  expect_events("fragmented close", Frame{.opcode = 8, .fin = false}.bytes(), {"error:1002"});
}

TEST(WsDecoder, ReservedBitsAndOpcodesAndMissingMasks) {
  for (unsigned rsv = 1; rsv < 8; ++rsv) {
    expect_events("rsv", stream({text("ok"), {.payload = "x", .rsv = rsv}, ping("")}), {"text:ok", "error:1002"});
    expect_events("rsv in a ping", Frame{.opcode = 9, .rsv = rsv}.bytes(), {"error:1002"});
    expect_events("rsv in a close", Frame{.opcode = 8, .rsv = rsv}.bytes(), {"error:1002"});
  }
  for (const unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
    expect_events("opcode", stream({text("ok"), {.opcode = opcode}, ping("")}), {"text:ok", "error:1002"});
    expect_events("opcode with payload", Frame{.opcode = opcode, .payload = "reserved"}.bytes(), {"error:1002"});
  }
  expect_events("no mask", Frame{.payload = "x", .masked = false}.bytes(), {"error:1002"});
  expect_events("no mask in a ping", Frame{.opcode = 9, .masked = false}.bytes(), {"error:1002"});
}

TEST(WsDecoder, Fragments) {
  expect_events("two", stream({part(1, "frag"), part(0, "ment", true)}), {"text:fragment"});
  expect_events("binary", stream({part(2, "\xff"), part(0, "\xfe", true)}), {"binary:\xff\xfe"});
  expect_events("empty ones", stream({part(1, ""), part(0, ""), part(0, "", true)}), {"text:"});
  expect_events("middle not empty", stream({part(1, ""), part(0, "middle"), part(0, "", true)}), {"text:middle"});
  expect_events("pings between",
                stream({part(1, "a"), ping("1"), part(0, "b"), ping("2"), pong("3"), part(0, "c", true), ping("4")}),
                {"ping:1", "ping:2", "pong:3", "text:abc", "ping:4"});
  expect_events("close between", stream({part(1, "a"), close_frame(1000)}), {"close:1000:"});
  expect_events("continuation of nothing", part(0, "x", true).bytes(), {"error:1002"});
  expect_events("continuation of nothing, unfinished", stream({part(0, "x"), part(0, "y", true)}), {"error:1002"});
  expect_events("continuation after the end", stream({part(1, "a"), part(0, "b", true), part(0, "c", true)}),
                {"text:ab", "error:1002"});
  expect_events("text inside text", stream({part(1, "a"), text("b")}), {"error:1002"});
  expect_events("binary inside text", stream({part(1, "a"), part(2, "b")}), {"error:1002"});
  expect_events("two messages", stream({part(1, "a"), part(0, "b", true), part(1, "c"), part(0, "d", true), text("e")}),
                {"text:ab", "text:cd", "text:e"});
  std::string many, whole;
  for (int i = 0; i < 300; ++i) {
    many += part(i == 0 ? 1 : 0, "x", i == 299).bytes();
    whole += "x";
  }
  expect_events("300 fragments", many, {"text:" + whole});
}

TEST(WsDecoder, TextMustBeUtf8) {
  const Events bad{"error:1007"};
  expect_events("Greek", text(kGreek).bytes(), {"text:" + kGreek});
  expect_events("beyond U+10FFFF", text(kBeyond).bytes(), bad);
  for (const char* wrong : {"\x80",
                            "\xbf",
                            "\xc0\xaf",
                            "\xc1\xbf",
                            "\xe0\x80\xaf",
                            "\xe0\x9f\xbf",
                            "\xf0\x80\x80\xaf",
                            "\xf0\x8f\xbf\xbf",
                            "\xed\xa0\x80",
                            "\xed\xbf\xbf",
                            "\xf4\x90\x80\x80",
                            "\xf5\x80\x80\x80",
                            "\xf8\x88\x80\x80\x80",
                            "\xfe",
                            "\xff",
                            "\xce",
                            "\xe1\xbd",
                            "\xf0\x9f\x98",
                            "a\xce",
                            "\xce\xce\xba",
                            "\xe1\x28\xb9"}) {
    expect_events("wrong", text(wrong).bytes(), bad);
    expect_events("fine as binary", binary(wrong).bytes(), {"binary:" + std::string(wrong)});
    expect_events("wrong in the last fragment", stream({part(1, "ok"), part(0, wrong, true)}), bad);
  }
  for (const char* right : {"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbe",
                            "\xef\xbf\xbf", "\xf0\x90\x80\x80"}) {
    expect_events("right", text(right).bytes(), {"text:" + std::string(right)});
    const std::string all(right);
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
      expect_events("cut inside a code point",
                    stream({part(1, all.substr(0, cut)), ping(""), part(0, all.substr(cut), true)}),
                    {"ping:", "text:" + all});
    }
  }
}

TEST(WsDecoder, BadTextEndsWithTheFrameThatCannotBecomeGoodAnyMore) {
  // No further byte is needed: the message itself is not complete in any of these.
  expect_events("bad byte", part(1, "\xff").bytes(), {"error:1007"});
  expect_events("bad second byte", part(1, "x\xed\xa0").bytes(), {"error:1007"});
  expect_events("overlong", part(1, "\xe0\x9f").bytes(), {"error:1007"});
  expect_events("overlong of four", part(1, "\xf0\x8f").bytes(), {"error:1007"});
  expect_events("above", part(1, "\xf4\x90").bytes(), {"error:1007"});
  expect_events("impossible lead", part(1, "\xf5").bytes(), {"error:1007"});
  expect_events("impossible lead of two", part(1, "\xc1").bytes(), {"error:1007"});
  expect_events("in the second fragment", stream({part(1, "\xf4"), part(0, "\x90")}), {"error:1007"});
  expect_events("a ping before it", stream({part(1, "\xf4"), ping("p"), part(0, "\x90")}), {"ping:p", "error:1007"});
  expect_events("still possible", stream({part(1, "\xf4"), part(0, "\x8f"), part(0, "\xbf"), part(0, "\xbf")}), {});
}

TEST(WsDecoder, Close) {
  expect_events("empty", close_frame(-1).bytes(), {"close:1005:"});
  expect_events("one byte", Frame{.opcode = 8, .payload = "\x03"}.bytes(), {"error:1002"});
  expect_events("code", close_frame(1000).bytes(), {"close:1000:"});
  expect_events("reason", close_frame(1000, "bye " + kGreek).bytes(), {"close:1000:bye " + kGreek});
  expect_events("longest", close_frame(1000, std::string(123, 'r')).bytes(), {"close:1000:" + std::string(123, 'r')});
  expect_events("too long", close_frame(1000, std::string(124, 'r')).bytes(), {"error:1002"});
  expect_events("bad reason", close_frame(1000, kBeyond).bytes(), {"error:1007"});
  expect_events("cut reason", close_frame(1000, "\xce").bytes(), {"error:1007"});
  expect_events("nothing after it", stream({close_frame(1000), text("late"), ping("late"), close_frame(1000)}),
                {"close:1000:"});
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4505, 4999}) {
    expect_events("good " + std::to_string(code), close_frame(code, "r").bytes(),
                  {"close:" + std::to_string(code) + ":r"});
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    expect_events("bad " + std::to_string(code), close_frame(code, "r").bytes(), {"error:1002"});
  }
}

TEST(WsDecoder, GoesSilentAfterAnError) {
  Decoder decoder(kMax);
  std::string bytes = Frame{.payload = "x", .rsv = 1}.bytes() + text("y").bytes();
  bytes.resize(bytes.size() + kPadding);
  decoder.feed({bytes.data(), bytes.size() - kPadding});
  Event event;
  ASSERT_TRUE(decoder.next(event));
  EXPECT_EQ(event.kind, Event::Kind::kError);
  EXPECT_FALSE(event.reason.empty());
  EXPECT_FALSE(decoder.next(event));
  std::string more = text("z").bytes() + std::string(kPadding, ' ');
  decoder.feed({more.data(), more.size() - kPadding});
  EXPECT_FALSE(decoder.next(event));
}

TEST(WsDecoder, KeepsNothingWhileNoMessageIsIncomplete) {
  static_assert(sizeof(Decoder) <= 48);
  Decoder decoder(kMax);
  std::string bytes = stream({part(1, "abc"), part(0, "d", true)});
  bytes.resize(bytes.size() + kPadding);
  Event event;
  const std::size_t size = bytes.size() - kPadding;
  decoder.feed({bytes.data(), size - 3});
  while (decoder.next(event)) {
  }
  EXPECT_GT(decoder.held(), 0u) << "half a message";
  decoder.feed({bytes.data() + size - 3, 3});
  ASSERT_TRUE(decoder.next(event));
  EXPECT_EQ(show(event), "text:abcd");
  EXPECT_FALSE(decoder.next(event));
  EXPECT_EQ(decoder.held(), 0u);
}

TEST(WsDecoder, HandsWholeMessagesOutInPlaceAndMovesWithItsState) {
  std::string bytes = text("in place").bytes();
  const std::size_t size = bytes.size();
  bytes.resize(size + kPadding);
  Decoder decoder(kMax);
  decoder.feed({bytes.data(), size});
  Event event;
  ASSERT_TRUE(decoder.next(event));
  EXPECT_EQ(event.payload.data(), bytes.data() + size - 8);
  ASSERT_FALSE(decoder.next(event));

  std::string first = part(1, "mo").bytes() + std::string(kPadding, ' '),
              second = part(0, "ved", true).bytes() + std::string(kPadding, ' ');
  decoder.feed({first.data(), first.size() - kPadding});
  ASSERT_FALSE(decoder.next(event));
  Decoder other(std::move(decoder));
  Decoder third(1);
  third = std::move(other);
  third.feed({second.data(), second.size() - kPadding});
  ASSERT_TRUE(third.next(event));
  EXPECT_EQ(show(event), "text:moved");
}

TEST(WsEncoder, FramesAreUnmaskedAndOfTheShortestLength) {
  std::string out;
  append_frame(out, Opcode::kText, "Hello");
  EXPECT_EQ(out, "\x81\x05Hello");  // RFC 6455 section 5.7
  out.clear();
  append_frame(out, Opcode::kPong, "");
  EXPECT_EQ(out, std::string("\x8a\x00", 2));
  for (const std::size_t size : {125u, 126u, 65535u, 65536u}) {
    out = "kept";
    append_frame(out, Opcode::kBinary, std::string(size, 'x'));
    const std::size_t header = size < 126 ? 2 : size < 65536 ? 4 : 10;
    ASSERT_EQ(out.size(), 4 + header + size);
    EXPECT_EQ(out.substr(0, 5), "kept\x82");
    EXPECT_EQ(static_cast<unsigned char>(out[5]), size < 126 ? size : size < 65536 ? 126 : 127);
    std::uint64_t length = 0;
    for (std::size_t i = 2; i < header; ++i) length = length << 8 | static_cast<unsigned char>(out[4 + i]);
    EXPECT_EQ(length, header > 2 ? size : 0);
  }
}

TEST(WsEncoder, CloseCutsItsReasonAtACodePoint) {
  std::string out;
  append_close(out, 4003, R"({"code":"heartbeat"})");
  EXPECT_EQ(out, std::string("\x88\x16\x0f\xa3") + R"({"code":"heartbeat"})");
  out.clear();
  append_close(out, 0, "not sent");
  EXPECT_EQ(out, std::string("\x88\x00", 2));
  out.clear();
  std::string reason;
  for (int i = 0; i < 50; ++i) reason += "\xe4\xbd\xa0";
  append_close(out, 1000, reason);
  EXPECT_EQ(out.size(), 2 + 2 + 123u) << "41 characters of three bytes";
  out.clear();
  append_close(out, 1000, "x" + reason);
  EXPECT_EQ(out.size(), 2 + 2 + 121u);
  EXPECT_TRUE(valid_utf8(std::string_view(out).substr(4)));
}

TEST(WsEncoder, AcceptKeyOfTheRfc) {
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(Utf8, KnowsWhatCanStillBecomeACodePoint) {
  EXPECT_EQ(unfinished_utf8(""), 0u);
  EXPECT_EQ(unfinished_utf8("abc"), 0u);
  EXPECT_EQ(unfinished_utf8(kGreek), 0u);
  EXPECT_EQ(unfinished_utf8("a\xce"), 1u);
  EXPECT_EQ(unfinished_utf8("a\xe1\xbd"), 2u);
  EXPECT_EQ(unfinished_utf8("\xf0\x9f\x98"), 3u);
  EXPECT_EQ(unfinished_utf8("\xf4\x90"), std::string_view::npos);
  EXPECT_EQ(unfinished_utf8("\xc0"), std::string_view::npos);
  EXPECT_EQ(unfinished_utf8("\xff"), std::string_view::npos);
  EXPECT_EQ(unfinished_utf8("\x80\x80\x80\x80"), 0u) << "wrong, but nothing to wait for";
}

}  // namespace
}  // namespace parley::protocol::ws
