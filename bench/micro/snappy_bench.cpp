// Stored bodies: the compress stage on the way in, what readers do on the way out.
#include <benchmark/benchmark.h>
#include <snappy.h>

#include <algorithm>
#include <string>
#include <vector>

#include "parley/pipeline/pipeline.hpp"
#include "samples.hpp"
#include "store/body_codec.hpp"

namespace parley::micro {
namespace {

using namespace parley::pipeline;
using protocol::Codec;

/// Canonical bodies of `bytes` bytes, give or take a character.
std::vector<std::string> bodies(std::size_t bytes) {
  Random random(17);
  std::vector<std::string> out(256);
  for (std::string& body : out) {
    std::string text = mixed_text(random, bytes);
    std::size_t end = bytes - 11;
    while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    body = "{\"text\":\"" + text.substr(0, end) + "\"}";
  }
  return out;
}

std::string shrinks(std::size_t from, std::size_t to) {
  return std::to_string(from) + " bytes become " + std::to_string(to);
}

std::string packed(const std::string& body) {
  std::string out;
  snappy::Compress(body.data(), body.size(), &out);
  return out;
}

void compress_stage(benchmark::State& state) {
  const auto all = all_stages();
  const Stage& stage = *std::find_if(all.begin(), all.end(), [](const Stage& s) { return s.name == "compress"; });
  const std::vector<std::string> texts = bodies(static_cast<std::size_t>(state.range(0)));
  const TenantPolicy policy;
  Draft draft;
  std::size_t i = 0;
  for (auto _ : state) {
    draft.body = texts[i];
    draft.codec = Codec::kJson;
    StageResult result = stage.run(draft, policy);
    benchmark::DoNotOptimize(result);
    benchmark::DoNotOptimize(draft.body.data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(draft.codec == Codec::kSnappy ? shrinks(texts[0].size(), packed(texts[0]).size())
                                               : std::string("left as it is: too small, or nothing gained"));
}
BENCHMARK(compress_stage)->Name("snappy/compress_stage")->Arg(300)->Arg(4096);

/// Snappy itself: at 300 bytes, what the stage spares by leaving them alone.
void compress(benchmark::State& state) {
  const std::vector<std::string> texts = bodies(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    std::string out = packed(texts[i]);
    benchmark::DoNotOptimize(out.data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(shrinks(texts[0].size(), packed(texts[0]).size()));
}
BENCHMARK(compress)->Name("snappy/compress")->Arg(300)->Arg(4096);

void expand(benchmark::State& state) {
  std::vector<std::string> stored = bodies(static_cast<std::size_t>(state.range(0)));
  for (std::string& body : stored) body = packed(body);
  std::size_t i = 0;
  for (auto _ : state) {
    std::string body = store::plain_body(Codec::kSnappy, stored[i]);
    if (body.empty()) state.SkipWithError("a body that does not expand");
    benchmark::DoNotOptimize(body.data());
    i = i + 1 == stored.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(expand)->Name("snappy/expand")->Arg(300)->Arg(4096);

}  // namespace
}  // namespace parley::micro
