// WebSocket framing: bytes of a socket to messages, messages to bytes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "parley/protocol/types.hpp"
#include "parley/protocol/ws.hpp"
#include "samples.hpp"

namespace parley::micro {
namespace {

using namespace parley::protocol;

/// A frame as browsers send it: masked.
std::string masked_frame(Random& random, const std::string& payload) {
  std::string out = "\x81";
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  char mask[4];
  for (char& byte : mask) byte = static_cast<char>(random());
  out.append(mask, sizeof mask);
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

/// One read of `frames` frames with `characters` characters each: find the frames, unmask, check UTF-8. The copy into
/// the read buffer, which a socket would do, is part of the figure.
void decode(benchmark::State& state) {
  const auto frames = static_cast<std::size_t>(state.range(0)), characters = static_cast<std::size_t>(state.range(1));
  Random random(19);
  std::vector<std::string> reads(64);
  std::size_t longest = 0;
  for (std::string& read : reads) {
    for (std::size_t i = 0; i < frames; ++i) read += masked_frame(random, mixed_text(random, characters));
    longest = std::max(longest, read.size());
  }
  std::vector<char> buffer(longest + ws::kPadding);
  ws::Decoder decoder(kFrameBytesMax);
  std::size_t i = 0, messages = 0;
  for (auto _ : state) {
    std::memcpy(buffer.data(), reads[i].data(), reads[i].size());
    decoder.feed({buffer.data(), reads[i].size()});
    for (ws::Event event; decoder.next(event);) {
      messages += event.kind == ws::Event::Kind::kMessage;
      benchmark::DoNotOptimize(event.payload.data());
    }
    i = i + 1 == reads.size() ? 0 : i + 1;
  }
  if (messages != frames * static_cast<std::size_t>(state.iterations())) state.SkipWithError("a frame was not decoded");
  state.SetItemsProcessed(static_cast<std::int64_t>(messages));
  state.SetLabel(std::to_string(frames) + " frames of " + std::to_string(reads[0].size() / frames) + " bytes");
}
BENCHMARK(decode)
    ->Name("ws/decode")
    ->ArgNames({"frames", "chars"})
    ->Args({1, 40})
    ->Args({1, 200})
    ->Args({16, 200})
    ->Args({1, 2000});

/// A frame of its own allocation, as it is made once for all receivers.
void encode(benchmark::State& state) {
  const std::vector<std::string> texts = mixed_texts(64, static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    auto frame = std::make_shared<std::string>();
    frame->reserve(texts[i].size() + 10);
    ws::append_frame(*frame, ws::Opcode::kText, texts[i]);
    benchmark::DoNotOptimize(frame->data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(texts[0].size()) + " bytes");
}
BENCHMARK(encode)->Name("ws/encode")->ArgNames({"chars"})->Arg(40)->Arg(200)->Arg(2000);

}  // namespace
}  // namespace parley::micro
