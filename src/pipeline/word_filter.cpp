#include "parley/pipeline/word_filter.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>

#include "parley/base/bytes.hpp"
#include "word_beginnings.hpp"
#include "word_engine.hpp"

namespace parley::pipeline {
namespace {

constexpr std::size_t kWordsMax = 200'000;
constexpr std::size_t kWordLengthMax = 64;

/// A listed word; several may share a form.
struct Entry {
  std::string word;
  std::uint32_t list = 0;
};
struct List {
  std::string name;
  WordAction action;
};
struct Form {
  std::uint32_t first = 0, count = 0;  ///< its entries
  std::uint32_t length = 0;            ///< characters
};

class CompiledFilter final : public WordFilter {
 public:
  std::vector<List> lists_;
  std::vector<Entry> entries_;  // of equal forms side by side
  std::vector<Form> forms_;
  WordBeginnings beginnings_;
  std::unique_ptr<WordEngine> engine_;  // null: no words

  std::size_t words() const noexcept override { return entries_.size(); }

  std::vector<Hit> find(std::string_view text) const override {
    std::vector<Hit> hits;
    if (engine_ == nullptr) return hits;
    const Contents walked(text);
    const std::span<const Content> contents = walked.all();
    const WordBeginnings::Range range = beginnings_.range_in(contents);
    if (range.size == 0) return hits;  // nearly always
    std::vector<RawHit> raw;
    engine_->find(contents.subspan(range.first, range.size), raw);
    for (const RawHit& hit : raw) {
      const Form& form = forms_[hit.word];
      const std::size_t last = range.first + hit.last, first = last + 1 - form.length;
      if (!stands_alone(contents, first, last)) continue;
      for (std::uint32_t i = 0; i < form.count; ++i) {
        const Entry& entry = entries_[form.first + i];
        const List& list = lists_[entry.list];
        hits.push_back({contents[first].begin, contents[last].end, entry.word, list.name, list.action});
      }
    }
    std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
      return std::tie(a.start, a.end, a.list, a.word) < std::tie(b.start, b.end, b.list, b.word);
    });
    return hits;
  }

 private:
  /// A word that begins or ends with a letter does not begin or end inside another word.
  static bool stands_alone(std::span<const Content> contents, std::size_t first, std::size_t last) {
    if (first > 0 && in_one_word(contents[first - 1], contents[first])) return false;
    return last + 1 == contents.size() || !in_one_word(contents[last], contents[last + 1]);
  }
};

struct FormOf {
  std::u32string text;
  bool had_separators = false;
  bool letter = false;  ///< its only character is one
};

FormOf form_of(std::string_view word) {
  FormOf form;
  // What surrounds a word in a list is an accident of copying.
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t from = word.find_first_not_of(blanks);
  if (from == std::string_view::npos) return form;
  word = word.substr(from, word.find_last_not_of(blanks) + 1 - from);
  TextScan scan(word);
  std::uint32_t end = 0;
  for (Content content; scan.next(content);) {
    form.had_separators |= content.begin > end;
    end = content.end;
    form.letter = content.letter;
    form.text += content.c;
  }
  form.had_separators |= end < word.size();
  return form;
}

Result<FormOf> checked_form(const WordListSource& list, std::size_t index) {
  const std::string& word = list.words[index];
  const auto refuse = [&](const std::string& why) {
    return Error(Errc::kBadInput, "word " + std::to_string(index + 1) + " of list \"" + list.name + "\" " + why,
                 "words[" + std::to_string(index) + "]");
  };
  if (!is_utf8(word)) return refuse("is not UTF-8");
  if (word.size() > 64 * kWordLengthMax) return refuse("has more than 64 characters");
  FormOf form = form_of(word);
  if (form.text.empty()) return refuse("consists of spaces, punctuation and invisible characters only");
  if (form.text.size() > kWordLengthMax) return refuse("has more than 64 characters");
  if (form.text.size() == 1 && form.letter && form.had_separators) {
    return refuse("is a single letter when punctuation is left out, and would be found nearly everywhere");
  }
  return form;
}

}  // namespace

Result<std::shared_ptr<const WordFilter>> compile_words(const std::vector<WordListSource>& lists, EngineKind kind) {
  std::size_t total = 0;
  for (const WordListSource& list : lists) total += list.words.size();
  if (total > kWordsMax) return Error(Errc::kBadInput, "more than 200,000 words", "words");

  auto filter = std::make_shared<CompiledFilter>();
  std::vector<std::u32string> forms;
  std::vector<std::vector<Entry>> entries_of;  // by form
  std::unordered_map<std::u32string, std::uint32_t> index_of;
  index_of.reserve(total);
  for (std::uint32_t l = 0; l < lists.size(); ++l) {
    const WordListSource& list = lists[l];
    filter->lists_.push_back({list.name, list.action});
    for (std::size_t w = 0; w < list.words.size(); ++w) {
      Result<FormOf> form = checked_form(list, w);
      if (!form) return form.error();
      const auto [at, is_new] = index_of.try_emplace(form->text, static_cast<std::uint32_t>(forms.size()));
      if (is_new) {
        forms.push_back(form->text);
        entries_of.emplace_back();
      }
      std::vector<Entry>& entries = entries_of[at->second];
      // Within a list the first spelling stands for the others.
      if (entries.empty() || entries.back().list != l) entries.push_back({list.words[w], l});
    }
  }
  for (std::size_t i = 0; i < forms.size(); ++i) {
    filter->forms_.push_back({static_cast<std::uint32_t>(filter->entries_.size()),
                              static_cast<std::uint32_t>(entries_of[i].size()),
                              static_cast<std::uint32_t>(forms[i].size())});
    for (Entry& entry : entries_of[i]) filter->entries_.push_back(std::move(entry));
  }
  if (!forms.empty()) {
    filter->beginnings_ = WordBeginnings(forms);
    if (kind != EngineKind::kPortable) filter->engine_ = make_hyperscan(forms);
    if (kind == EngineKind::kHyperscan && filter->engine_ == nullptr) {
      return Error(Errc::kUnavailable, "no Hyperscan here");
    }
    if (filter->engine_ == nullptr) filter->engine_ = make_aho_corasick(forms);
  }
  return std::shared_ptr<const WordFilter>(std::move(filter));
}

Result<std::shared_ptr<const WordFilter>> WordFilter::compile(const std::vector<WordListSource>& lists) {
  return compile_words(lists, EngineKind::kBest);
}

std::string mask(std::string_view text, const std::vector<WordFilter::Hit>& hits) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;  // what is before is done
  for (const WordFilter::Hit& hit : hits) {
    if (hit.action != WordAction::kMask || hit.end <= at) continue;
    if (hit.start > at) out += text.substr(at, hit.start - at);
    at = std::max(at, hit.start);
    out.append(code_points(text.substr(at, hit.end - at)), '*');
    at = hit.end;
  }
  return out += text.substr(at);
}

}  // namespace parley::pipeline
