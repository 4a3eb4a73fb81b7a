#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/result.hpp"

namespace parley::pipeline {

enum class WordAction : std::uint8_t { kFlag = 0, kMask = 1, kBlock = 2 };

struct WordListSource {
  std::string name;
  WordAction action = WordAction::kMask;
  std::vector<std::string> words;  ///< UTF-8
};

/// Compiled lists of sensitive words of one tenant. Immutable and shared by all reactors.
///
/// A word is found in a text whatever its case, full or half width, and with up to 3 separators inserted between two of
/// its characters, but across no line break. Separators are spaces, punctuation and signs like + = ~ | ^, and what
/// cannot be seen (zero-width characters, controls, overlay marks); those in a listed word are left out too. Matching
/// runs on normalised text (NFKC, case folded) with a map back, so that exactly the original characters are masked.
/// Every hit is exact. Words that begin or end with a letter or digit of a script with spaces (Latin, Cyrillic …) do
/// not begin or end inside another word ("ass" not in "class"); CJK matches anywhere. Memory and time: see
/// docs/benchmarks.md. Errors of compile: kBadInput, with the field "words[index]" (not UTF-8; empty after
/// normalisation; above 64 characters; a single letter that only the loss of its punctuation left, like "c#"; more than
/// 200,000 words in all). Source: Aho and Corasick 1975; Hyperscan (hs_compile_lit_multi) where the machine has it;
/// Unicode UAX #15.
class WordFilter {
 public:
  static Result<std::shared_ptr<const WordFilter>> compile(const std::vector<WordListSource>& lists);
  virtual ~WordFilter() = default;

  struct Hit {
    std::size_t start = 0, end = 0;  ///< bytes in the original text
    std::string_view word;           ///< as listed
    std::string_view list;
    WordAction action = WordAction::kMask;
  };
  /// All hits, by start, also those that overlap. `text` must be UTF-8. Views point into the filter. Any thread.
  virtual std::vector<Hit> find(std::string_view text) const = 0;
  /// Listed words; within a list those that mean the same count once.
  virtual std::size_t words() const noexcept = 0;
};

/// Replaces each character (code point) of every hit with action kMask by '*', separators between them included. `hits`
/// in the order of find().
std::string mask(std::string_view text, const std::vector<WordFilter::Hit>& hits);

}  // namespace parley::pipeline
