#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parley/pipeline/word_filter.hpp"
#include "text_scan.hpp"

/// The two searchers behind WordFilter. Both see a text as TextScan gives it, and pass nowhere where a word may not go
/// on, so what they find needs no check but the one of word ends.
namespace parley::pipeline {

struct RawHit {
  std::uint32_t word = 0;  ///< index of the form
  std::uint32_t last = 0;  ///< index of its last character in the text searched
};

/// Immutable; find() from any thread.
class WordEngine {
 public:
  virtual ~WordEngine() = default;
  /// Appends every occurrence of every form, in any order.
  virtual void find(std::span<const Content> text, std::vector<RawHit>& out) const = 0;
};

/// `forms`: different from each other, 1 to 64 characters each.
std::unique_ptr<WordEngine> make_aho_corasick(const std::vector<std::u32string>& forms);
/// Null if this program or this processor has no Hyperscan, or if it cannot take these words.
std::unique_ptr<WordEngine> make_hyperscan(const std::vector<std::u32string>& forms);

enum class EngineKind { kBest, kPortable, kHyperscan };
/// WordFilter::compile() with a searcher of choice; kUnavailable if there is no such one here.
Result<std::shared_ptr<const WordFilter>> compile_words(const std::vector<WordListSource>& lists, EngineKind kind);

}  // namespace parley::pipeline
