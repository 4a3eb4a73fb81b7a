// What a message costs the standard store on a reactor: the command that appends it, the answer to that, the index of
// entries that are not archived, and the conversation that lists show. One message of each of so many conversations, in
// random order and batches of 500, so that what is looked up is cold, as on a busy reactor.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "samples.hpp"
#include "store/redis/functions.hpp"
#include "store/standard/projections.hpp"
#include "store/standard/unflushed_index.hpp"

namespace parley::micro {
namespace {

using namespace parley::store;

constexpr std::size_t kBatch = 500;
constexpr std::uint64_t kEntriesKept = 8;  // of a conversation, until they are archived

struct Chats {
  explicit Chats(std::size_t count) {
    const std::vector<std::string> texts = mixed_texts(64, 60);
    items.resize(count);
    const std::vector<std::size_t> order = shuffled(count);
    for (std::size_t i = 0; i < count; ++i) {
      Append& item = items[i];
      item.tenant = TenantId{1};
      item.conv = ConversationId{(order[i] + 1) << 12};
      item.id = MessageId{i + 1};
      item.ts_ns = 1;
      item.principal = Principal::visitor(VisitorId{order[i] + 1});
      item.dev.bytes[0] = static_cast<std::uint8_t>(order[i]);
      item.n = 2;
      item.text = texts[i % texts.size()];
      item.bytes = "{\"text\":\"" + item.text + "\"}";
    }
    pointers = redis::item_list(items);
    notes.resize(count);
  }
  redis::ItemList batch(std::size_t begin) const {
    return redis::ItemList(pointers).subspan(begin, std::min(kBatch, pointers.size() - begin));
  }

  std::vector<Append> items;
  std::vector<const Append*> pointers;
  std::vector<redis::ItemNotes> notes;
};

void encode(benchmark::State& state) {
  const Chats chats(static_cast<std::size_t>(state.range(0)));
  const redis::Keys keys("bench", 0);
  for (auto _ : state) {
    for (std::size_t begin = 0; begin < chats.items.size(); begin += kBatch) {
      const redis::ItemList items = chats.batch(begin);
      auto command = redis::encode_append(keys, redis::Writer(), items, {chats.notes.data() + begin, items.size()});
      benchmark::DoNotOptimize(command);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode)->Name("lane/encode")->Arg(2'000)->Arg(20'000);

redis::Reply answer_of(std::size_t items) {
  redis::Reply answer;
  answer.type = redis::Reply::Type::kArray;
  answer.items.resize(4);
  answer.items[0].type = redis::Reply::Type::kInteger;
  answer.items[0].integer = 7;
  std::string record(redis::kResultBytes, '\0');
  record[3] = static_cast<char>(redis::Outcome::Kind::kEntry);
  record[4] = 2;  // its seq
  for (std::size_t i = 0; i < items; ++i) answer.items[1].text += record;
  answer.items[3].text.assign(items * 8, '\1');
  return answer;
}

void decode(benchmark::State& state) {
  const Chats chats(static_cast<std::size_t>(state.range(0)));
  const redis::Keys keys("bench", 0);
  std::vector<redis::AppendCommand> commands;
  for (std::size_t begin = 0; begin < chats.items.size(); begin += kBatch)
    commands.push_back(redis::encode_append(keys, redis::Writer(), chats.batch(begin), {}));
  const redis::Reply answer = answer_of(kBatch);
  for (auto _ : state) {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      auto reply = redis::decode_append(commands[i], chats.batch(i * kBatch), answer);
      if (!reply) state.SkipWithError("the answer is not read");
      benchmark::DoNotOptimize(reply);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(decode)->Name("lane/decode")->Arg(2'000)->Arg(20'000);

/// Adding, and now and then what the archive takes away.
void index(benchmark::State& state) {
  const Chats chats(static_cast<std::size_t>(state.range(0)));
  standard::UnflushedIndex index(1);
  std::vector<std::pair<ConversationId, std::uint64_t>> heads;
  for (const Append& item : chats.items) heads.emplace_back(item.conv, 0);
  standard::IndexEntry entry;
  for (auto _ : state) {
    ++entry.seq;
    entry.counter = entry.seq + kEntriesKept;
    for (const Append& item : chats.items) benchmark::DoNotOptimize(index.add(item.conv, 0, entry));
    if (entry.seq % kEntriesKept != 0) continue;
    state.PauseTiming();
    for (auto& head : heads) head.second = entry.seq - 1;
    index.archived(0, entry.counter - 1, heads);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(index)->Name("lane/index")->Arg(2'000)->Arg(20'000);

void project(benchmark::State& state) {
  const Chats chats(static_cast<std::size_t>(state.range(0)));
  standard::Projections projections(chats.items.size());
  for (const Append& item : chats.items) {
    domain::ConversationMeta meta;
    meta.tenant = item.tenant;
    meta.id = item.conv;
    meta.epoch = "bench1";
    projections.open(std::move(meta));
  }
  domain::EntryFacts facts;
  for (auto _ : state) {
    ++facts.seq;
    for (std::size_t i = 0; i < chats.items.size(); ++i) {
      if (i % kBatch == 0) {
        for (const Append* item : chats.batch(i)) projections.expect(item->conv);
      }
      const Append& item = chats.items[i];
      facts.from = item.principal;
      facts.text = item.text;
      projections.apply(item.tenant, item.conv, facts);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(project)->Name("lane/project")->Arg(2'000)->Arg(20'000);

}  // namespace
}  // namespace parley::micro
