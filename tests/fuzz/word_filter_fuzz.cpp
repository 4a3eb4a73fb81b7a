// Any words, any text: both searchers find the same, hits lie inside the text and on whole characters, masking keeps
// the length. The input is lines of words, an empty line, and the text.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "parley/base/bytes.hpp"
#include "parley/pipeline/pipeline.hpp"
#include "pipeline/word_engine.hpp"

namespace {

using namespace parley;
using namespace parley::pipeline;

bool starts_character(std::string_view text, std::size_t at) {
  return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  WordListSource list{"fuzz", WordAction::kMask, {}};
  while (list.words.size() < 16) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) break;
    list.words.emplace_back(line);
    if (!compile_words({list}, EngineKind::kPortable)) list.words.pop_back();  // refused, which is an answer too
  }
  if (!is_utf8(rest)) return 0;
  const auto portable = compile_words({list}, EngineKind::kPortable);
  fuzz::require(bool(portable), "words that were taken one by one are taken together");
  const auto hits = (*portable)->find(rest);
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const auto& hit = hits[i];
    fuzz::require(hit.start < hit.end && hit.end <= rest.size(), "inside the text");
    fuzz::require(starts_character(rest, hit.start) && starts_character(rest, hit.end), "on whole characters");
    fuzz::require(i == 0 || hits[i - 1].start <= hit.start, "in order");
    fuzz::require(rest.substr(hit.start, hit.end - hit.start).find('\n') == std::string_view::npos, "on one line");
  }
  const std::string masked = mask(rest, hits);
  fuzz::require(is_utf8(masked) && code_points(masked) == code_points(rest), "masking keeps the number of characters");
  fuzz::require(hits.empty() == (masked == rest) || rest.find('*') != std::string_view::npos,
                "masking hides what was found");

  const auto fast = compile_words({list}, EngineKind::kHyperscan);
  if (fast) {
    const auto others = (*fast)->find(rest);
    fuzz::require(std::equal(hits.begin(), hits.end(), others.begin(), others.end(),
                             [](const auto& a, const auto& b) {
                               return a.start == b.start && a.end == b.end && a.word == b.word;
                             }),
                  "both searchers find the same");
  }

  TenantPolicy policy;
  policy.filter = *portable;
  Draft draft;
  draft.text = rest;
  const StageResult result = run_stages(draft, policy, policy.text_stages, nullptr);
  fuzz::require(is_utf8(draft.text), "stages keep UTF-8");
  fuzz::require(result.code == protocol::Code::kOk || !result.message.empty(), "a refusal says why");
  return 0;
}
