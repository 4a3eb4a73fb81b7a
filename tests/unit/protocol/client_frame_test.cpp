#include "parley/protocol/client_frame.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "parley/protocol/ws.hpp"

namespace parley::protocol {
namespace {

struct Got {
  std::uint64_t id = 0;
  bool ok = false;
  ClientFrame frame;
  FrameError error;
};

/// Remembers what came; views stay valid because the message and the decoder outlive it.
class Recorder : public FrameSink {
 public:
  void on_frame(std::uint64_t id, const ClientFrame& frame) override { got.push_back({id, true, frame, {}}); }
  void on_frame_error(std::uint64_t id, const FrameError& error) override { got.push_back({id, false, {}, error}); }
  bool wants_more() const override { return got.size() < stop_after; }
  std::vector<Got> got;
  std::size_t stop_after = SIZE_MAX;
};

class FrameDecoderTest : public testing::Test {
 protected:
  std::vector<Got> all(std::string_view message, std::size_t stop_after = SIZE_MAX) {
    // An allocation of exactly the promised size, so that AddressSanitizer sees any step too far.
    buffer_.assign(message.begin(), message.end());
    buffer_.resize(message.size() + ws::kPadding, '\x22');
    buffer_.shrink_to_fit();
    Recorder recorder;
    recorder.stop_after = stop_after;
    decoder_.decode({buffer_.data(), message.size()}, recorder);
    return recorder.got;
  }
  Got one(std::string_view message) {
    auto got = all(message);
    EXPECT_EQ(got.size(), 1u) << message;
    return got.empty() ? Got{} : got.front();
  }
  template <class Frame>
  Frame frame(std::string_view message) {
    const Got got = one(message);
    EXPECT_TRUE(got.ok) << message << ": " << got.error.field << " " << got.error.message;
    if (!std::holds_alternative<Frame>(got.frame)) {
      ADD_FAILURE() << "another frame: " << message;
      return {};
    }
    return std::get<Frame>(got.frame);
  }
  FrameError error(std::string_view message) {
    const Got got = one(message);
    EXPECT_FALSE(got.ok) << message;
    EXPECT_FALSE(got.error.message.empty());
    return got.error;
  }
  void expect_error(std::string_view message, std::string_view field, Code code = Code::kBadFrame) {
    const FrameError e = error(message);
    EXPECT_EQ(e.field, field) << message << ": " << e.message;
    EXPECT_EQ(e.code, code) << message;
  }

  FrameDecoder decoder_;
  std::vector<char> buffer_;
};

const std::string kSendHead = R"("t":"send","conv":"7261402113","n":3,)";
std::string send(const std::string& rest) { return "{" + kSendHead + rest + "}"; }

TEST_F(FrameDecoderTest, Hello) {
  const auto hello = frame<Hello>(
      R"({"t":"hello","id":1,"ver":1,"role":"agent","token":"pat_x","dev":"AAAAAAAAAAAAAAAB","vis":false,"echo":false,"cursors":{"7261402113":["k3f9",12],"5":["a",0]},"resume":"abc.def"})");
  EXPECT_EQ(hello.ver, 1);
  EXPECT_TRUE(hello.agent);
  EXPECT_EQ(hello.token, "pat_x");
  EXPECT_EQ(hello.dev, DevId::parse("AAAAAAAAAAAAAAAB"));
  EXPECT_FALSE(hello.visible);
  EXPECT_FALSE(hello.echo);
  EXPECT_EQ(hello.resume, "abc.def");
  ASSERT_EQ(hello.cursors.size(), 2u);
  EXPECT_EQ(hello.cursors[0].conv, ConversationId{7261402113});
  EXPECT_EQ(hello.cursors[0].epoch, "k3f9");
  EXPECT_EQ(hello.cursors[0].seq, 12u);
  EXPECT_EQ(hello.cursors[1].conv, ConversationId{5});
}

TEST_F(FrameDecoderTest, HelloWithTheLeastThereCanBe) {
  const auto hello = frame<Hello>(
      R"({"t":"hello","role":"visitor","dev":"AAAAAAAAAAAAAAAB","token":null,"resume":null,"cursors":null})");
  EXPECT_FALSE(hello.agent);
  EXPECT_TRUE(hello.visible);
  EXPECT_TRUE(hello.echo);
  EXPECT_TRUE(hello.token.empty());
  EXPECT_TRUE(hello.resume.empty());
  EXPECT_TRUE(hello.cursors.empty());
}

TEST_F(FrameDecoderTest, HelloErrorsNameTheField) {
  const std::string head = R"({"t":"hello","role":"visitor","dev":"AAAAAAAAAAAAAAAB",)";
  expect_error(R"({"t":"hello","dev":"AAAAAAAAAAAAAAAB"})", "role");
  expect_error(R"({"t":"hello","role":"boss","dev":"AAAAAAAAAAAAAAAB"})", "role");
  expect_error(R"({"t":"hello","role":"visitor"})", "dev");
  expect_error(R"({"t":"hello","role":"visitor","dev":"short"})", "dev");
  expect_error(R"({"t":"hello","role":"visitor","dev":"AAAAAAAAAAAAAAA="})", "dev");
  expect_error(head + R"("ver":0})", "ver");
  expect_error(head + R"("ver":"1"})", "ver");
  expect_error(head + R"("token":5})", "token");
  expect_error(head + R"("token":"\ud800"})", "token");
  expect_error(head + "\"token\":\"" + std::string(5000, 'x') + "\"}", "token");
  expect_error(head + R"("vis":1})", "vis");
  expect_error(head + R"("echo":"no"})", "echo");
  expect_error(head + R"("resume":[]})", "resume");
  expect_error(head + R"("cursors":[]})", "cursors");
  expect_error(head + R"("cursors":{"x":["e",1]}})", "cursors");
  expect_error(head + R"("cursors":{"5":"e"}})", "cursors.5");
  expect_error(head + R"("cursors":{"5":["e"]}})", "cursors.5");
  expect_error(head + R"("cursors":{"5":["e",1,2]}})", "cursors.5");
  expect_error(head + R"("cursors":{"5":[1,1]}})", "cursors.5");
  expect_error(head + R"("cursors":{"5":["e",-1]}})", "cursors.5");
  expect_error(head + R"("cursors":{"5":["e",9007199254740992]}})", "cursors.5");
  std::string many;
  for (int i = 1; i <= 51; ++i) many += (i > 1 ? ",\"" : "\"") + std::to_string(i) + "\":[\"e\",1]";
  expect_error(head + "\"cursors\":{" + many + "}}", "cursors");
  many.erase(many.rfind(",\"51\""));
  EXPECT_EQ(frame<Hello>(head + "\"cursors\":{" + many + "}}").cursors.size(), 50u);
}

TEST_F(FrameDecoderTest, SendOfText) {
  const Got got = one(R"({"t":"send","id":9,"conv":"7261402113","n":3,"type":"text","body":{"text":"Hello","ref":7}})");
  ASSERT_TRUE(got.ok);
  EXPECT_EQ(got.id, 9u);
  const auto& sent = std::get<Send>(got.frame);
  EXPECT_EQ(sent.conv, ConversationId{7261402113});
  EXPECT_EQ(sent.n, 3u);
  EXPECT_EQ(sent.type, EntryType::kText);
  EXPECT_FALSE(sent.dev);
  EXPECT_FALSE(sent.if_claim);
  EXPECT_EQ(sent.body.text, "Hello");
  EXPECT_EQ(sent.body.ref, 7u);
}

TEST_F(FrameDecoderTest, SendOfEveryType) {
  EXPECT_EQ(frame<Send>(send(R"("type":"note","body":{"text":"n"})")).body.text, "n");
  const auto claim = frame<Send>(send(R"("type":"claim","if":{"claim":4},"dev":"AAAAAAAAAAAAAAAB","body":{})"));
  EXPECT_EQ(claim.type, EntryType::kClaim);
  EXPECT_EQ(claim.if_claim, 4u);
  EXPECT_EQ(claim.dev, DevId::parse("AAAAAAAAAAAAAAAB"));
  EXPECT_EQ(frame<Send>(send(R"("type":"assign","body":{"to":"72614"})")).body.to, AgentId{72614});
  EXPECT_EQ(frame<Send>(send(R"("type":"assign","body":{"to":null})")).body.to, AgentId{0});
  const auto transfer = frame<Send>(send(R"("type":"transfer","body":{"to":"72614","note":"please"})"));
  EXPECT_EQ(transfer.body.to, AgentId{72614});
  EXPECT_EQ(transfer.body.note, "please");
  EXPECT_EQ(frame<Send>(send(R"("type":"close","body":{"reason":"done"})")).body.reason, "done");
  EXPECT_EQ(frame<Send>(send(R"("type":"close")")).type, EntryType::kClose);
  EXPECT_EQ(frame<Send>(send(R"("type":"reopen","body":{})")).type, EntryType::kReopen);
  const auto edit = frame<Send>(send(R"("type":"edit","body":{"target":5,"text":"new"})"));
  EXPECT_EQ(edit.body.target, 5u);
  EXPECT_EQ(edit.body.text, "new");
  EXPECT_EQ(frame<Send>(send(R"("type":"recall","body":{"target":5})")).body.target, 5u);
  EXPECT_EQ(frame<Send>(send(R"("type":"void")")).type, EntryType::kVoid);
}

TEST_F(FrameDecoderTest, FieldsOfOtherTypesAndUnknownOnesAreIgnored) {
  const auto sent = frame<Send>(
      R"({"x":{"y":[1,2.5e3,{"z":null}],"w":"\u00e9\n"},"body":{"future":[{}],"to":{"not":"looked at"},"text":"hi","format":"md1"},"type":"text","n":3,"conv":"5","t":"send","n2":1})");
  EXPECT_EQ(sent.body.text, "hi");
  EXPECT_FALSE(sent.body.to);
}

TEST_F(FrameDecoderTest, OfEqualKeysTheLastCounts) {
  const auto sent = frame<Send>(
      send(R"("type":"note","type":"text","body":{"text":"a","ref":1},"n":4,"body":{"text":"b","text":"c"})"));
  EXPECT_EQ(sent.type, EntryType::kText);
  EXPECT_EQ(sent.n, 4u);
  EXPECT_EQ(sent.body.text, "c");
  EXPECT_FALSE(sent.body.ref) << "nothing of the first body is left";
  const auto hello =
      frame<Hello>(R"({"t":"hello","role":"visitor","dev":"AAAAAAAAAAAAAAAB","cursors":{"5":["a",1],"5":["b",2]}})");
  ASSERT_EQ(hello.cursors.size(), 1u);
  EXPECT_EQ(hello.cursors[0].epoch, "b");
  expect_error(send(R"("type":"text","body":{"text":"a"},"body":null)"), "body.text");
}

TEST_F(FrameDecoderTest, EscapesInKeysAndValues) {
  const auto sent = frame<Send>(
      R"({"\u0074":"\u0073end","co\u006ev":"\u0035","n":1,"typ\u0065":"text","body":{"\u0074\u0065\u0078\u0074":"\"\\\/\b\f\n\r\t\u00e9\u4f60\ud83d\ude00!"}})");
  EXPECT_EQ(sent.conv, ConversationId{5});
  EXPECT_EQ(sent.body.text, "\"\\/\b\f\n\r\t\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80!");
}

TEST_F(FrameDecoderTest, TextThatIsNoTextIsRefusedAndConsumesTheNumber) {
  for (const char* bad : {R"(a\u0000b)", R"(\ud83d)", R"(\ude00)", R"(\ud83dx)", R"(\ud83d\n)", R"(\ud83d\ud83d)",
                          R"(\ude00\ud83d)", R"(x\uDFFF)"}) {
    const FrameError e = error(send(std::string(R"("type":"text","body":{"text":")") + bad + "\"}"));
    EXPECT_EQ(e.code, Code::kBadFrame) << bad;
    EXPECT_EQ(e.field, "body.text") << bad;
    EXPECT_EQ(e.conv, ConversationId{7261402113});
    EXPECT_EQ(e.n, 3u);
    EXPECT_TRUE(e.consumes_n);
  }
}

TEST_F(FrameDecoderTest, TooLongIsRefusedAndConsumesTheNumber) {
  const auto text_of = [](const std::string& piece, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += piece;
    return send(R"("type":"text","dev":"AAAAAAAAAAAAAAAB","body":{"text":")" + text + "\"}");
  };
  for (const std::string& piece :
       std::vector<std::string>{"x", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80", R"(\ud83d\ude00)"}) {
    EXPECT_TRUE(one(text_of(piece, 4000)).ok) << piece;
    const FrameError e = error(text_of(piece, 4001));
    EXPECT_EQ(e.code, Code::kTooLarge);
    EXPECT_EQ(e.field, "body.text");
    EXPECT_TRUE(e.consumes_n);
    EXPECT_EQ(e.n, 3u);
    EXPECT_EQ(e.dev, DevId::parse("AAAAAAAAAAAAAAAB"));
  }
  // 4000 code points that would need 24,000 bytes of JSON.
  const FrameError e = error(text_of(R"(\u0001)", 4000));
  EXPECT_EQ(e.code, Code::kTooLarge);
  EXPECT_EQ(e.field, "body");
  EXPECT_TRUE(e.consumes_n);
}

TEST_F(FrameDecoderTest, SendErrorsNameTheFieldAndSayWhetherTheNumberIsSpent) {
  struct Case {
    std::string frame, field;
    bool consumes;
  };
  const std::vector<Case> cases{
      {R"({"t":"send","n":3,"type":"text","body":{"text":"x"}})", "conv", false},
      {R"({"t":"send","conv":7,"n":3,"type":"text","body":{"text":"x"}})", "conv", false},
      {R"({"t":"send","conv":"-7","n":3,"type":"text","body":{"text":"x"}})", "conv", false},
      {R"({"t":"send","conv":"9999999999999999999","n":3,"type":"text","body":{"text":"x"}})", "conv", false},
      {R"({"t":"send","conv":"7","type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":0,"type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":-1,"type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":1.0,"type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":1e0,"type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":"1","type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":9007199254740992,"type":"text","body":{"text":"x"}})", "n", false},
      {R"({"t":"send","conv":"7","n":18446744073709551617,"type":"text","body":{"text":"x"}})", "n", false},
      {send(R"("body":{"text":"x"})"), "type", false},
      {send(R"("type":7,"body":{"text":"x"})"), "type", false},
      {send(R"("type":"text","dev":"?","body":{"text":"x"})"), "dev", false},
      {send(R"("type":"sticker","body":{"text":"x"})"), "type", true},
      {send(R"("type":"event","body":{"text":"x"})"), "type", true},
      {send(R"("type":"text")"), "body.text", true},
      {send(R"("type":"text","body":"x")"), "body", true},
      {send(R"("type":"text","body":[])"), "body", true},
      {send(R"("type":"text","body":{})"), "body.text", true},
      {send(R"("type":"text","body":{"text":5})"), "body.text", true},
      {send(R"("type":"text","body":{"text":null})"), "body.text", true},
      {send(R"("type":"text","body":{"text":{}})"), "body.text", true},
      {send(R"("type":"text","body":{"text":"x","ref":0})"), "body.ref", true},
      {send(R"("type":"text","body":{"text":"x","ref":"1"})"), "body.ref", true},
      {send(R"("type":"claim","if":4)"), "if", true},
      {send(R"("type":"claim","if":{})"), "if.claim", true},
      {send(R"("type":"claim","if":{"claim":-4})"), "if.claim", true},
      {send(R"("type":"assign","body":{})"), "body.to", true},
      {send(R"("type":"assign","body":{"to":5})"), "body.to", true},
      {send(R"("type":"assign","body":{"to":"x"})"), "body.to", true},
      {send(R"("type":"assign","body":{"to":"0"})"), "body.to", true},
      {send(R"("type":"transfer","body":{"to":"5","note":5})"), "body.note", true},
      {send(R"("type":"close","body":{"reason":{}})"), "body.reason", true},
      {send(R"("type":"edit","body":{"text":"x"})"), "body.target", true},
      {send(R"("type":"edit","body":{"target":5})"), "body.text", true},
      {send(R"("type":"recall","body":{"target":0})"), "body.target", true},
  };
  for (const Case& c : cases) {
    const FrameError e = error(c.frame);
    EXPECT_EQ(e.field, c.field) << c.frame << ": " << e.message;
    EXPECT_EQ(e.code, Code::kBadFrame) << c.frame;
    EXPECT_EQ(e.consumes_n, c.consumes) << c.frame;
  }
}

TEST_F(FrameDecoderTest, OtherFrames) {
  auto sync = frame<Sync>(R"({"t":"sync","conv":"5","after":12})");
  EXPECT_EQ(sync.after, 12u);
  EXPECT_FALSE(sync.before);
  EXPECT_EQ(sync.limit, 50u);
  sync = frame<Sync>(R"({"t":"sync","conv":"5","before":12,"limit":100})");
  EXPECT_EQ(sync.before, 12u);
  EXPECT_EQ(sync.limit, 100u);
  expect_error(R"({"t":"sync","conv":"5"})", "after");
  expect_error(R"({"t":"sync","conv":"5","after":1,"before":2})", "after");
  expect_error(R"({"t":"sync","conv":"5","after":1,"limit":0})", "limit");
  expect_error(R"({"t":"sync","conv":"5","after":1,"limit":101})", "limit");
  expect_error(R"({"t":"sync","after":1})", "conv");

  const auto watch = frame<WatchConversation>(R"({"t":"watch","conv":"5","epoch":"k","seq":3})");
  EXPECT_EQ(watch.conv, ConversationId{5});
  ASSERT_TRUE(watch.cursor);
  EXPECT_EQ(watch.cursor->epoch, "k");
  EXPECT_EQ(watch.cursor->seq, 3u);
  EXPECT_FALSE(frame<WatchConversation>(R"({"t":"watch","conv":"5"})").cursor);
  expect_error(R"({"t":"watch","conv":"5","epoch":"k"})", "seq");
  expect_error(R"({"t":"watch","conv":"5","seq":3})", "epoch");
  const Got list = one(R"({"t":"watch","view":"mine","id":4,"limit":20})");
  ASSERT_TRUE(list.ok);
  EXPECT_EQ(list.id, 4u);
  EXPECT_EQ(std::get<WatchView>(list.frame).view, View::kMine);
  EXPECT_EQ(std::get<WatchView>(list.frame).limit, 20u);
  EXPECT_EQ(frame<WatchView>(R"({"t":"watch","view":"closed","id":4})").limit, 100u);
  expect_error(R"({"t":"watch","view":"mine"})", "id");
  expect_error(R"({"t":"watch","view":"all","id":4})", "view");
  expect_error(R"({"t":"watch","id":4})", "conv");
  expect_error(R"({"t":"watch","id":4,"view":"open","conv":"5"})", "conv");
  EXPECT_EQ(frame<UnwatchConversation>(R"({"t":"unwatch","conv":"5"})").conv, ConversationId{5});
  EXPECT_EQ(frame<UnwatchView>(R"({"t":"unwatch","watch":4})").watch, 4u);
  expect_error(R"({"t":"unwatch"})", "conv");
  expect_error(R"({"t":"unwatch","watch":"4"})", "watch");

  const auto inbox = frame<Inbox>(R"({"t":"inbox","since":99,"limit":7})");
  EXPECT_EQ(inbox.since, 99u);
  EXPECT_EQ(inbox.limit, 7u);
  EXPECT_EQ(frame<Inbox>(R"({"t":"inbox"})").since, 0u);
  expect_error(R"({"t":"inbox","since":-1})", "since");

  const auto rcv = frame<Receipt>(R"({"t":"rcv","conv":"5","upto":8})");
  EXPECT_FALSE(rcv.read);
  EXPECT_EQ(rcv.upto, 8u);
  EXPECT_TRUE(frame<Receipt>(R"({"t":"read","conv":"5","upto":8})").read);
  expect_error(R"({"t":"read","conv":"5"})", "upto");
  expect_error(R"({"t":"rcv","upto":5})", "conv");
  EXPECT_TRUE(frame<Typing>(R"({"t":"typing","conv":"5","on":true})").on);
  expect_error(R"({"t":"typing","conv":"5","on":"true"})", "on");
  EXPECT_EQ(frame<SetStatus>(R"({"t":"status","value":"busy"})").status, AgentStatus::kBusy);
  expect_error(R"({"t":"status","value":"gone"})", "value");
  expect_error(R"({"t":"status"})", "value");
  frame<Pong>(R"({"t":"pong"})");
  EXPECT_EQ(one(R"({"t":"probe","id":77})").id, 77u);
  EXPECT_EQ(frame<Refresh>(R"({"t":"refresh","token":"x"})").token, "x");
  expect_error(R"({"t":"refresh"})", "token");
  EXPECT_FALSE(frame<Visibility>(R"({"t":"vis","on":false})").on);
  expect_error(R"({"t":"vis"})", "on");
}

TEST_F(FrameDecoderTest, UnknownTypesAndIds) {
  const Got got = one(R"({"t":"dance","id":5})");
  EXPECT_FALSE(got.ok);
  EXPECT_EQ(got.id, 5u);
  EXPECT_EQ(got.error.code, Code::kUnknownFrame);
  expect_error(R"({})", "t");
  expect_error(R"({"t":7})", "t");
  expect_error(R"({"t":"pong","id":0})", "id");
  expect_error(R"({"t":"pong","id":null})", "id");
  expect_error(R"({"t":"pong","id":"5"})", "id");
  expect_error(R"({"t":"pong","id":9007199254740992})", "id");
}

TEST_F(FrameDecoderTest, Arrays) {
  const auto got = all(R"([ {"t":"pong","id":1}, {"t":"nope","id":2}, 5, {"t":"probe","id":3} ])");
  ASSERT_EQ(got.size(), 4u);
  EXPECT_TRUE(got[0].ok);
  EXPECT_EQ(got[1].error.code, Code::kUnknownFrame);
  EXPECT_EQ(got[1].id, 2u);
  EXPECT_FALSE(got[2].ok);
  EXPECT_EQ(got[2].id, 0u);
  EXPECT_TRUE(got[3].ok);
  EXPECT_EQ(all(R"([{"t":"pong"},{"t":"pong"},{"t":"pong"}])", 2).size(), 2u) << "the sink wanted no more";
  const auto texts = all(
      R"([{"t":"send","conv":"1","n":1,"type":"text","body":{"text":"\u0061"}},{"t":"send","conv":"1","n":2,"type":"text","body":{"text":"\u0062"}}])");
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(std::get<Send>(texts[0].frame).body.text, "a");
  EXPECT_EQ(std::get<Send>(texts[1].frame).body.text, "b");
  std::string many = "[";
  for (int i = 0; i < 64; ++i) many += R"({"t":"pong"},)";
  many.back() = ']';
  EXPECT_EQ(all(many).size(), 64u);
  many.insert(1, R"({"t":"pong"},)");
  expect_error(many, "");
  expect_error("[]", "");
}

TEST_F(FrameDecoderTest, WhatIsNotJsonIsRefusedAsAWhole) {
  const std::string deep = std::string(20, '[') + std::string(20, ']');
  for (const std::string& bad : std::vector<std::string>{std::string(""),
                                                         std::string(" "),
                                                         std::string("x"),
                                                         std::string("5"),
                                                         std::string("\"t\""),
                                                         std::string("null"),
                                                         std::string("{"),
                                                         std::string("}"),
                                                         std::string("["),
                                                         std::string(R"({"t":"pong"}})"),
                                                         std::string(R"({"t":"pong"} x)"),
                                                         std::string(R"({"t":"pong"}{"t":"pong"})"),
                                                         std::string(R"({"t":"pong"},{"t":"pong"})"),
                                                         std::string(R"([{"t":"pong"}] 5)"),
                                                         std::string(R"([{"t":"pong"}]])"),
                                                         std::string(R"([{"t":"pong"},])"),
                                                         std::string(R"([,{"t":"pong"}])"),
                                                         std::string(R"([{"t":"pong"} {"t":"pong"}])"),
                                                         std::string(R"({"t":"pong",})"),
                                                         std::string(R"({,"t":"pong"})"),
                                                         std::string(R"({"t" "pong"})"),
                                                         std::string(R"({"t":})"),
                                                         std::string(R"({"t":"pong" "x":1})"),
                                                         std::string(R"({t:"pong"})"),
                                                         std::string(R"({'t':'pong'})"),
                                                         std::string(R"({"t":"pong","x":tru})"),
                                                         std::string(R"({"t":"pong","x":truex})"),
                                                         std::string(R"({"t":"pong","x":nul})"),
                                                         std::string(R"({"t":"pong","x":01})"),
                                                         std::string(R"({"t":"pong","x":+1})"),
                                                         std::string(R"({"t":"pong","x":.5})"),
                                                         std::string(R"({"t":"pong","x":1.})"),
                                                         std::string(R"({"t":"pong","x":1e})"),
                                                         std::string(R"({"t":"pong","x":-})"),
                                                         std::string(R"({"t":"pong","x":0x1})"),
                                                         std::string(R"({"t":"pong","x":1 2})"),
                                                         std::string(R"({"t":"pong","x":NaN})"),
                                                         std::string(R"({"t":"pong","x":[1 2]})"),
                                                         std::string(R"({"t":"pong","x":[1,]})"),
                                                         std::string(R"({"t":"pong","x":[})"),
                                                         std::string(R"({"t":"pong","x":{]})"),
                                                         std::string(R"({"t":"pong","x":{"a"}})"),
                                                         std::string(R"({"t":"pong","x":{"a":1,}})"),
                                                         std::string(R"({"t":"pong","x":"\q"})"),
                                                         std::string(R"({"t":"pong","x":"\u12g4"})"),
                                                         std::string(R"({"t":"pong","x":"\u12"})"),
                                                         std::string(R"({"t":"pong","\q":1})"),
                                                         std::string(R"({"t":"pong","x":"a"b})"),
                                                         std::string(R"({"t":"pong","x":"a":"b"})"),
                                                         std::string(R"({"t":"pong","x":["a":"b"]})"),
                                                         std::string(R"({"t":"pong","x":1:2})"),
                                                         std::string(R"({"t":"pong","x":true"b"})"),
                                                         std::string(R"({"t":"pong","x":"unclosed})"),
                                                         std::string("{\"t\":\"pong\",\"x\":\"a\nb\"}"),
                                                         std::string("{\"t\":\"pong\",\"x\":\"\xff\"}"),
                                                         std::string("{\"t\":\"pong\",\"x\":\"\xed\xa0\x80\"}"),
                                                         std::string("{\"t\":\"pong\",\"x\":\"a\0b\"}", 23),
                                                         std::string("\xef\xbb\xbf{\"t\":\"pong\"}"),
                                                         "{\"t\":\"pong\",\"x\":" + deep + "}",
                                                         "[" + deep + "]",
                                                         std::string(R"({"t":"pong","body":{"text":"x","y":[tru]}})"),
                                                         std::string(R"({"t":"pong","cursors":{"\q":1}})"),
                                                         std::string(R"({"t":"pong","if":{"claim":01}})")}) {
    const FrameError e = error(bad);
    EXPECT_EQ(e.code, Code::kBadFrame) << bad;
    EXPECT_TRUE(e.field.empty()) << bad;
    EXPECT_FALSE(e.consumes_n);
  }
  EXPECT_EQ(error(std::string(65537, ' ')).code, Code::kTooLarge);
  EXPECT_TRUE(one(R"({"t":"pong"})" + std::string(65536 - 12, ' ')).ok);
}

TEST_F(FrameDecoderTest, DeliversNothingOfAMessageThatBreaksOffLater) {
  const auto got = all(R"([{"t":"send","conv":"1","n":1,"type":"text","body":{"text":"a"}},{"t":)");
  ASSERT_EQ(got.size(), 1u);
  EXPECT_FALSE(got[0].ok);
}

TEST_F(FrameDecoderTest, WorksOnAfterAnyError) {
  EXPECT_FALSE(one("{").ok);
  EXPECT_EQ(frame<Send>(send(R"("type":"text","body":{"text":"x","ref":2})")).body.ref, 2u);
  EXPECT_FALSE(frame<Send>(send(R"("type":"text","body":{"text":"x"})")).body.ref)
      << "nothing is left of the frame before";
  EXPECT_FALSE(one(R"({"t":"pong","x":[)").ok);
  EXPECT_TRUE(one(R"({"t":"pong"})").ok);
}

/// Against another parser: damaged frames are called JSON by both or by neither.
TEST_F(FrameDecoderTest, AgreesWithAnotherParserOnWhatIsJson) {
  const std::vector<std::string> seeds{
      R"({"t":"hello","id":1,"role":"agent","dev":"AAAAAAAAAAAAAAAB","vis":false,"cursors":{"72":["k3",12]}})",
      R"([{"t":"send","id":9,"conv":"72","n":3,"type":"text","body":{"text":"a\"\n\u00e9","ref":7}},{"t":"pong","x":[1,-2.5,null,true]}])",
      R"({"t":"watch","view":"open","id":1,"if":{"claim":1},"y":{"a":{"b":[[]]}}})"};
  const std::string alphabet = "{}[]:,\"\\ntrue0-.e5 x";
  std::mt19937 random(42);
  int refused = 0, taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    const auto changes = 1 + random() % 3;
    for (std::size_t i = 0; i < changes; ++i) {
      const std::size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1);
      }
    }
    if (text.find("\\u") != std::string::npos && text.find("\\u00e9") == std::string::npos)
      continue;  // half escapes: opinions differ on surrogates
    const auto parsed = nlohmann::json::parse(text, nullptr, false);
    const auto got = all(text);
    const bool called_json = !(got.size() == 1 && !got[0].ok && got[0].id == 0 && got[0].error.field.empty());
    if (parsed.is_discarded()) {
      ASSERT_FALSE(called_json) << text;
      ++refused;
    } else if (parsed.is_object() || (parsed.is_array() && !parsed.empty() && parsed.size() > 1)) {
      ASSERT_TRUE(called_json) << text << ": " << got[0].error.message;
      ++taken;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(taken, 1000);
}

TEST(CanonicalBody, HasTheKnownFieldsInAFixedOrder) {
  SendBody body;
  EXPECT_EQ(canonical_body(EntryType::kText, body, "a\"b"), R"({"text":"a\"b"})");
  body.ref = 7;
  EXPECT_EQ(canonical_body(EntryType::kText, body, "x"), R"({"text":"x","ref":7})");
  EXPECT_EQ(canonical_body(EntryType::kNote, body, "x"), R"({"text":"x"})");
  EXPECT_EQ(canonical_body(EntryType::kClaim, body, ""), "{}");
  body.to = AgentId{72614};
  EXPECT_EQ(canonical_body(EntryType::kAssign, body, ""), R"({"to":"72614"})");
  body.note = "n";
  EXPECT_EQ(canonical_body(EntryType::kTransfer, body, ""), R"({"to":"72614","note":"n"})");
  body.to = AgentId{};
  EXPECT_EQ(canonical_body(EntryType::kAssign, body, ""), R"({"to":null})");
  EXPECT_EQ(canonical_body(EntryType::kClose, body, ""), "{}");
  body.reason = "r";
  EXPECT_EQ(canonical_body(EntryType::kClose, body, ""), R"({"reason":"r"})");
  body.target = 5;
  EXPECT_EQ(canonical_body(EntryType::kEdit, body, "t"), R"({"target":5,"text":"t"})");
  EXPECT_EQ(canonical_body(EntryType::kRecall, body, ""), R"({"target":5})");
  EXPECT_EQ(canonical_body(EntryType::kVoid, body, ""), "{}");
}

TEST(PayloadHash, DependsOnEveryFieldAndStaysWhatItWas) {
  SendBody a;
  a.text = "Hello";
  const std::uint64_t hash = payload_hash(EntryType::kText, a);
  EXPECT_EQ(hash, 0x63a92a094bd31400u) << "journals keep it";
  SendBody full = a;
  full.ref = 7;
  full.to = AgentId{5};
  full.target = 9;
  full.note = "n";
  full.reason = "r";
  EXPECT_EQ(payload_hash(EntryType::kTransfer, full), 0x353641816cff06acu);
  EXPECT_NE(hash, payload_hash(EntryType::kNote, a));
  SendBody b = a;
  b.ref = 0;
  EXPECT_NE(hash, payload_hash(EntryType::kText, b));
  b = a;
  b.to = AgentId{};
  EXPECT_NE(hash, payload_hash(EntryType::kText, b));
  b = a;
  b.target = 1;
  EXPECT_NE(hash, payload_hash(EntryType::kText, b));
  SendBody note, reason;
  note.note = "Hello";
  reason.reason = "Hello";
  EXPECT_NE(payload_hash(EntryType::kText, note), payload_hash(EntryType::kText, reason));
  EXPECT_NE(payload_hash(EntryType::kText, note), hash);
}

TEST_F(FrameDecoderTest, UndoesEscapesAsAnotherParserDoes) {
  const std::vector<std::string> pieces{
      R"(\u4f60)", R"(\u597D)",    R"(\u00e9)", R"(\u0041)", R"(\ud83d\ude00)",
      R"(\n)",     R"(\\)",        R"(\")",     R"(\/)",     "plain text of some length",
      "x",         "\xe4\xbd\xa0", " ",         R"(\u001f)", R"(\t)"};
  std::mt19937 random(9);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::size_t left = 1 + random() % 12; left > 0; --left) text += pieces[random() % pieces.size()];
    const std::string message =
        R"({"t":"send","\u0063onv":"12","n":1,"\u0069d":3,"type":"te\u0078t","body":{"text":")" + text + R"("}})";
    const auto send = frame<Send>(message);
    ASSERT_EQ(send.body.text, nlohmann::json::parse(message)["body"]["text"].get<std::string>()) << message;
  }
}

TEST_F(FrameDecoderTest, WhatIsNotJsonIsRefusedAsAWholeAlsoBehindAFlawOfTheText) {
  const auto with = [&](std::string_view text) {
    return error(R"({"t":"send","conv":"12","n":1,"type":"text","body":{"text":")" + std::string(text) + R"("}})");
  };
  EXPECT_EQ(with(R"(\u0000 \ud83d)").field, "body.text");
  EXPECT_NE(with(R"(\u0000 \ud83d)").message.find("NUL"), std::string::npos) << "the first flaw is told";
  EXPECT_EQ(with(R"(\ud83d\u0041)").field, "body.text");
  for (const char* bad : {R"(\u0000\x)", R"(\ud83d\u00g0)", R"(\ud83d\u00)", R"(\u12)", R"(\a)", R"(12345678\u)"}) {
    EXPECT_EQ(with(bad).field, "") << bad;
  }
}

}  // namespace
}  // namespace parley::protocol
