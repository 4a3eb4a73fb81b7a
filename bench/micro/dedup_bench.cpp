// Is this send new? What a home does for each, before and after the journal; and the id that it gives.
#include <benchmark/benchmark.h>

#include <unordered_map>
#include <vector>

#include "parley/base/snowflake.hpp"
#include "parley/domain/sender.hpp"
#include "samples.hpp"

namespace parley::micro {
namespace {

using domain::SenderKey;
using domain::SenderState;
using Senders = std::unordered_map<SenderKey, SenderState, domain::SenderKeyHash>;

SenderKey key_of(std::uint64_t sender) {
  SenderKey key{Principal::visitor(VisitorId{70'000'000'000 + sender}), {}};
  for (std::size_t i = 0; i < key.dev.bytes.size(); ++i)
    key.dev.bytes[i] = static_cast<std::uint8_t>(mix64(sender + 1) >> (5 * i));
  return key;
}

/// Find the sender, look, and remember the answer: `conversations` conversations with two senders each, in no order.
void next_send(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<Senders> conversations(count);
  std::vector<SenderKey> keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back(key_of(i));
    conversations[i].try_emplace(keys[i]);
    conversations[i].try_emplace(key_of(i % 8 + 1'000'000));  // the agent
  }
  const std::vector<std::size_t> order = shuffled(count);
  std::size_t i = 0;
  std::uint64_t refused = 0;
  for (auto _ : state) {
    const std::size_t which = order[i];
    SenderState& sender = conversations[which].find(keys[which])->second;
    const std::uint64_t n = sender.expected(), hash = mix64(n ^ which);
    const SenderState::Look look = sender.look(n, hash, false);
    refused += look.kind != SenderState::Kind::kNext;
    sender.remember({n, hash, 2 * n, static_cast<std::int64_t>(n), MessageId{n}});
    i = i + 1 == count ? 0 : i + 1;
  }
  if (refused != 0) state.SkipWithError("a new send was refused");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(next_send)->Name("dedup/new_send")->ArgName("conversations")->Arg(1)->Arg(10'000);

/// A send that came again, one of the last 16: its answer is found.
void repeated_send(benchmark::State& state) {
  SenderState sender;
  for (std::uint64_t n = 1; n <= 1000; ++n) sender.remember({n, mix64(n), n, 1, MessageId{n}});
  Random random(41);
  std::vector<std::uint64_t> asked(1024);
  for (std::uint64_t& n : asked) n = 1000 - random() % 16;
  std::size_t i = 0;
  std::uint64_t found = 0;
  for (auto _ : state) {
    const std::uint64_t n = asked[i++ % asked.size()];
    const SenderState::Look look = sender.look(n, mix64(n), false);
    found += look.kind == SenderState::Kind::kDuplicate && look.result->seq == n;
    benchmark::DoNotOptimize(found);
  }
  if (found != static_cast<std::uint64_t>(state.iterations())) state.SkipWithError("an answer was forgotten");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(repeated_send)->Name("dedup/repeated_send");

void message_id(benchmark::State& state) {
  Snowflake ids(1, 1);
  std::int64_t now = 1'790'000'000'000'000'000;
  for (auto _ : state) benchmark::DoNotOptimize(ids.next(now += 1000));
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("one id every µs, without reading the clock");
}
BENCHMARK(message_id)->Name("id/snowflake");

}  // namespace
}  // namespace parley::micro
