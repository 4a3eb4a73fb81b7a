// The text stages on 200 characters of Chinese and English, with lists of 10,000 and 100,000 words.
// Target: the filter stage with 100,000 words takes at most 2.5 µs, normalisation included: filter/100k/clean. Its
// 1,024 texts lead all over the tables of the list, which are larger than the near caches, and so do the messages of a
// server; clean_16_texts is the same where the caches have all that is needed.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parley/pipeline/pipeline.hpp"
#include "parley/pipeline/word_filter.hpp"
#include "pipeline/text_scan.hpp"
#include "pipeline/word_beginnings.hpp"
#include "pipeline/word_engine.hpp"
#include "samples.hpp"

namespace parley::micro {
namespace {

using namespace parley::pipeline;
using Filter = std::shared_ptr<const WordFilter>;

constexpr std::size_t kCharacters = 200;
constexpr std::size_t kTexts = 1024, kFewTexts = 16;

/// Compiled once per process, since that takes seconds.
struct Compiled {
  Filter filter;  // null: this engine is not there
  std::vector<std::string> words;
  double seconds = 0;
};
const Compiled& compiled(std::size_t words, EngineKind kind) {
  static std::map<std::pair<std::size_t, EngineKind>, Compiled> known;
  const auto [at, is_new] = known.try_emplace({words, kind});
  Compiled& out = at->second;
  if (is_new) {
    out.words = word_list(words);
    const auto begin = std::chrono::steady_clock::now();
    Result<Filter> made = compile_words({{"bench", WordAction::kMask, out.words}}, kind);
    out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (made) out.filter = *made;
  }
  return out;
}

/// Texts in which no word is found.
std::vector<std::string> clean_texts(const WordFilter& filter, std::size_t count = kTexts) {
  Random random(11);
  std::vector<std::string> texts;
  while (texts.size() < count) {
    std::string text = mixed_text(random, kCharacters);
    if (filter.find(text).empty()) texts.push_back(std::move(text));
  }
  return texts;
}

/// The same with one listed word in the middle.
std::vector<std::string> texts_with_a_word(const Compiled& with) {
  Random random(13);
  std::vector<std::string> texts = clean_texts(*with.filter);
  for (std::string& text : texts) {
    const std::string start = first_characters(text, kCharacters / 2);
    const std::string& word = with.words[random() % with.words.size()];
    text = first_characters(start + " " + word + " " + text.substr(start.size()), kCharacters);
  }
  return texts;
}

const Stage& stage_named(std::string_view name) {
  const auto stages = all_stages();
  return *std::find_if(stages.begin(), stages.end(), [&](const Stage& stage) { return stage.name == name; });
}

void run_stage(benchmark::State& state, std::string_view name, const TenantPolicy& policy,
               const std::vector<std::string>& texts) {
  const Stage& stage = stage_named(name);
  std::vector<Draft> drafts(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) drafts[i].text = texts[i];
  std::size_t i = 0;
  for (auto _ : state) {
    drafts[i].text = texts[i];  // a few ns: an earlier round may have masked it
    StageResult result = stage.run(drafts[i], policy);
    benchmark::DoNotOptimize(result);
    benchmark::DoNotOptimize(drafts[i].text.data());
    i = i + 1 == drafts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
}

void filter(benchmark::State& state, std::size_t words, EngineKind kind, bool with_a_word, std::size_t texts) {
  const Compiled& list = compiled(words, kind);
  if (list.filter == nullptr) return state.SkipWithError("no such engine here");
  TenantPolicy policy;
  policy.filter = list.filter;
  run_stage(state, "filter", policy, with_a_word ? texts_with_a_word(list) : clean_texts(*list.filter, texts));
  char label[96];
  std::snprintf(label, sizeof label, "200 characters, %s; list compiled in %.1f s",
                with_a_word ? "one word found and masked" : "no word found", list.seconds);
  state.SetLabel(label);
}
BENCHMARK_CAPTURE(filter, 10k_clean, 10'000, EngineKind::kBest, false, kTexts)->Name("filter/10k/clean");
BENCHMARK_CAPTURE(filter, 10k_clean_16_texts, 10'000, EngineKind::kBest, false, kFewTexts)
    ->Name("filter/10k/clean_16_texts");
BENCHMARK_CAPTURE(filter, 10k_one_word, 10'000, EngineKind::kBest, true, kTexts)->Name("filter/10k/one_word");
BENCHMARK_CAPTURE(filter, 100k_clean, 100'000, EngineKind::kBest, false, kTexts)->Name("filter/100k/clean");
BENCHMARK_CAPTURE(filter, 100k_clean_16_texts, 100'000, EngineKind::kBest, false, kFewTexts)
    ->Name("filter/100k/clean_16_texts");
BENCHMARK_CAPTURE(filter, 100k_one_word, 100'000, EngineKind::kBest, true, kTexts)->Name("filter/100k/one_word");
// The own automaton, which processors without Hyperscan get.
BENCHMARK_CAPTURE(filter, 100k_portable_clean, 100'000, EngineKind::kPortable, false, kTexts)
    ->Name("filter/100k_portable/clean");
BENCHMARK_CAPTURE(filter, 100k_portable_one_word, 100'000, EngineKind::kPortable, true, kTexts)
    ->Name("filter/100k_portable/one_word");

std::vector<std::u32string> forms_of(const Compiled& list) {
  std::vector<std::u32string> forms;
  for (const std::string& word : list.words) {
    forms.emplace_back();
    for (const Content& content : Contents(word).all()) forms.back() += content.c;
  }
  return forms;
}

/// The searcher alone; made once, too.
const WordEngine* engine_of(const Compiled& list, EngineKind kind) {
  static std::map<const Compiled*, std::unique_ptr<WordEngine>> known;
  const auto [at, is_new] = known.try_emplace(&list);
  if (is_new) {
    const std::vector<std::u32string> forms = forms_of(list);
    at->second = kind == EngineKind::kPortable ? make_aho_corasick(forms) : make_hyperscan(forms);
  }
  return at->second.get();
}

/// A search through the whole text by the engine alone, as if a listed word might begin anywhere in it.
void search(benchmark::State& state, std::size_t words, EngineKind kind) {
  const Compiled& list = compiled(words, kind);
  if (list.filter == nullptr) return state.SkipWithError("no such engine here");
  const WordEngine* const engine = engine_of(list, kind);
  if (engine == nullptr) return state.SkipWithError("no such engine here");
  std::vector<Contents> texts;
  for (const std::string& text : clean_texts(*list.filter)) texts.emplace_back(text);
  std::vector<RawHit> hits;
  std::size_t i = 0;
  for (auto _ : state) {
    hits.clear();
    engine->find(texts[i].all(), hits);
    benchmark::DoNotOptimize(hits.data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("without normalisation");
}
BENCHMARK_CAPTURE(search, 10k, 10'000, EngineKind::kHyperscan)->Name("filter/10k/search");
BENCHMARK_CAPTURE(search, 100k, 100'000, EngineKind::kHyperscan)->Name("filter/100k/search");
BENCHMARK_CAPTURE(search, 100k_portable, 100'000, EngineKind::kPortable)->Name("filter/100k_portable/search");

/// What of it is normalisation: folding the text and classing its characters, without any search.
void filter_normalisation(benchmark::State& state) {
  const std::vector<std::string> texts = mixed_texts(kTexts, kCharacters);
  std::size_t i = 0;
  for (auto _ : state) {
    const Contents contents(texts[i]);
    benchmark::DoNotOptimize(contents.all().data());
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("200 characters, part of each filter stage");
}
BENCHMARK(filter_normalisation)->Name("filter/normalisation");

/// What of it is the look at where words may begin.
void filter_beginnings(benchmark::State& state) {
  const Compiled& list = compiled(100'000, EngineKind::kBest);
  const WordBeginnings beginnings(forms_of(list));
  std::vector<Contents> texts;
  for (const std::string& text : clean_texts(*list.filter)) texts.emplace_back(text);
  std::size_t i = 0, searched = 0;
  for (auto _ : state) {
    searched += beginnings.range_in(texts[i].all()).size != 0;
    i = i + 1 == texts.size() ? 0 : i + 1;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel(std::to_string(100 * searched / static_cast<std::size_t>(state.iterations())) +
                 " % of the texts are searched");
}
BENCHMARK(filter_beginnings)->Name("filter/100k/beginnings");

void validate(benchmark::State& state) {
  run_stage(state, "validate", {}, mixed_texts(kTexts, kCharacters));
  state.SetLabel("200 characters");
}
BENCHMARK(validate)->Name("validate");

}  // namespace
}  // namespace parley::micro
