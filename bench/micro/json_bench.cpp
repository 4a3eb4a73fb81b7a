// Frames as JSON: a send on its way in (simdjson, in place), entry and ack on their way out.
#include <benchmark/benchmark.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "parley/domain/conversation.hpp"
#include "parley/protocol/client_frame.hpp"
#include "parley/protocol/server_frame.hpp"
#include "parley/protocol/ws.hpp"
#include "samples.hpp"
#include "store/body_codec.hpp"

namespace parley::micro {
namespace {

using namespace parley::protocol;

constexpr std::size_t kFrames = 256;
constexpr std::size_t kCharacters = 120;  // about 260 bytes of text, 350 of frame

class CountingSink final : public FrameSink {
 public:
  void on_frame(std::uint64_t id, const ClientFrame& frame) override {
    good += id != 0 && !frame.valueless_by_exception();
    benchmark::DoNotOptimize(&frame);
  }
  void on_frame_error(std::uint64_t, const FrameError&) override { ++bad; }
  std::size_t good = 0, bad = 0;
};

std::string send_frame(Random& random, std::uint64_t id, const std::string& json_text) {
  return "{\"t\":\"send\",\"id\":" + std::to_string(id) + ",\"conv\":\"" +
         std::to_string(100'000'000'000'000 + random() % 1'000'000) + "\",\"n\":" + std::to_string(1 + random() % 500) +
         ",\"type\":\"text\",\"body\":{\"text\":" + json_text + "}}";
}

std::vector<std::string> send_frames(bool escaped) {
  Random random(23);
  std::vector<std::string> frames(kFrames);
  std::uint64_t id = 0;
  for (std::string& frame : frames) {
    // A client that escapes everything but ASCII, as some libraries do.
    const std::string text = mixed_text(random, kCharacters);
    frame = send_frame(random, ++id, nlohmann::json(text).dump(-1, ' ', escaped));
  }
  return frames;
}

std::vector<std::string> read_receipts() {
  Random random(29);
  std::vector<std::string> frames(kFrames);
  std::uint64_t id = 0;
  for (std::string& frame : frames) {
    frame = "{\"t\":\"read\",\"id\":" + std::to_string(++id) + ",\"conv\":\"" +
            std::to_string(100'000'000'000'000 + random() % 1'000'000) +
            "\",\"upto\":" + std::to_string(random() % 5000) + "}";
  }
  return frames;
}

/// Parse and check. The copy of the message, which is decoded in place, is part of the figure (some ns).
void decode(benchmark::State& state, const std::vector<std::string>& frames) {
  std::vector<char> buffer(4 * kFrameBytesMax + ws::kPadding);
  FrameDecoder decoder;
  CountingSink sink;
  std::size_t i = 0;
  for (auto _ : state) {
    std::memcpy(buffer.data(), frames[i].data(), frames[i].size());
    decoder.decode({buffer.data(), frames[i].size()}, sink);
    i = i + 1 == frames.size() ? 0 : i + 1;
  }
  if (sink.bad != 0 || sink.good == 0) state.SkipWithError("a frame was refused");
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(frames[0].size()) + " bytes");
}
void decode_send(benchmark::State& state) { decode(state, send_frames(false)); }
BENCHMARK(decode_send)->Name("json/decode_send");
void decode_send_escaped(benchmark::State& state) { decode(state, send_frames(true)); }
BENCHMARK(decode_send_escaped)->Name("json/decode_send_escaped");
void decode_read(benchmark::State& state) { decode(state, read_receipts()); }
BENCHMARK(decode_read)->Name("json/decode_read");

/// The same sends through nlohmann/json, which serves the parts that are not on the path of each message. No field is
/// checked yet.
void nlohmann_send(benchmark::State& state) {
  const std::vector<std::string> frames = send_frames(false);
  std::size_t i = 0;
  for (auto _ : state) {
    const nlohmann::json frame = nlohmann::json::parse(frames[i], nullptr, false);
    if (!frame.is_object()) state.SkipWithError("a frame was refused");
    benchmark::DoNotOptimize(&frame);
    i = i + 1 == frames.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(frames[0].size()) + " bytes, for comparison");
}
BENCHMARK(nlohmann_send)->Name("json/nlohmann_send");

/// Identity of a send, for the duplicate check.
void hash(benchmark::State& state) {
  const std::vector<std::string> texts = mixed_texts(kFrames, kCharacters);
  SendBody body;
  std::size_t i = 0;
  for (auto _ : state) {
    body.text = texts[i];
    benchmark::DoNotOptimize(payload_hash(EntryType::kText, body));
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hash)->Name("json/payload_hash");

void canonical(benchmark::State& state) {
  const std::vector<std::string> texts = mixed_texts(kFrames, kCharacters);
  std::size_t i = 0;
  for (auto _ : state) {
    std::string body = canonical_body(EntryType::kText, SendBody{}, texts[i]);
    benchmark::DoNotOptimize(body.data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(canonical)->Name("json/canonical_body");

/// An entry for its receivers, in a string of its own as the home makes it.
void entry(benchmark::State& state) {
  std::vector<std::string> bodies;
  for (const std::string& text : mixed_texts(kFrames, kCharacters))
    bodies.push_back(canonical_body(EntryType::kText, SendBody{}, text));
  EntryView view;
  view.conv = ConversationId{100'000'000'000'000};
  view.from = Principal::visitor(VisitorId{77'000'000'000});
  view.from_name = "王小明";
  view.ts_ms = 1'790'000'000'000;
  std::size_t i = 0;
  for (auto _ : state) {
    view.seq = view.rev = ++view.n;
    view.id = MessageId{900'000'000'000'000'000 + view.n * 4096};
    view.body = bodies[i];
    std::string json;
    append_entry(json, view);
    benchmark::DoNotOptimize(json.data());
    i = i + 1 == bodies.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(entry)->Name("json/append_entry");

void ack(benchmark::State& state) {
  std::uint64_t n = 0;
  for (auto _ : state) {
    ++n;
    std::string json;
    append_ack(json, n, ConversationId{100'000'000'000'000 + n % 64}, std::nullopt, n, 2 * n, "k3x9q2",
               MessageId{900'000'000'000'000'000 + n * 4096}, static_cast<std::int64_t>(1'790'000'000'000 + n), n,
               false);
    benchmark::DoNotOptimize(json.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ack)->Name("json/append_ack");

/// What a member gets when it comes back: the conversation and who has read how far.
void resumed(benchmark::State& state) {
  ConversationView view;
  view.conv = ConversationId{100'000'000'000'000};
  view.epoch = "k3x9q2";
  view.status = Status::kActive;
  view.assignee = {55'000'000'000, "李雷"};
  view.visitor = {77'000'000'000, "王小明"};
  view.channel = ChannelId{33'000'000'000};
  view.created_ms = view.last_ts_ms = 1'790'000'000'000;
  view.last_text = "好的，我看一下 order 4711";
  view.last_from = 'v';
  view.pos = "1790000000000-3";
  const MarkView marks[] = {{Principal::visitor(VisitorId{77'000'000'000}), 812, 811},
                            {Principal::agent(AgentId{55'000'000'000}), 812, 812}};
  for (auto _ : state) {
    view.last_seq = ++view.head;
    std::string json;
    append_resumed(json, view.head, view, false, marks, false, view.head);
    benchmark::DoNotOptimize(json.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(resumed)->Name("json/append_resumed");

/// What a list shows of a text.
void preview(benchmark::State& state) {
  const std::vector<std::string> texts = mixed_texts(kFrames, kCharacters + 60);
  std::size_t i = 0;
  for (auto _ : state) {
    std::string text = domain::preview_of(texts[i]);
    benchmark::DoNotOptimize(text.data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(preview)->Name("json/preview_of");

/// The text of a stored body, as edits, search and the archive read it (nlohmann/json).
void stored_text(benchmark::State& state) {
  std::vector<std::string> bodies;
  for (const std::string& text : mixed_texts(kFrames, kCharacters))
    bodies.push_back(canonical_body(EntryType::kText, SendBody{}, text));
  std::size_t i = 0;
  for (auto _ : state) {
    std::string text = store::text_field(bodies[i], "text");
    benchmark::DoNotOptimize(text.data());
    i = i + 1 == bodies.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(stored_text)->Name("json/text_of_stored_body");

}  // namespace
}  // namespace parley::micro
