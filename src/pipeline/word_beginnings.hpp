#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text_scan.hpp"

/// Where in a text a listed word may begin. Hardly any place is left in most texts, and then none of it need be
/// searched: with 100,000 words that costs a quarter of a search, whose tables do not fit into the near caches.
namespace parley::pipeline {

class WordBeginnings {
 public:
  WordBeginnings() = default;  ///< no words
  /// `forms`: 1 to 64 characters each.
  explicit WordBeginnings(const std::vector<std::u32string>& forms);

  struct Range {
    std::size_t first = 0, size = 0;
  };
  /// All occurrences of forms in `text` that do not begin inside a word of letters lie within; empty: there are none.
  /// Linear in the text, whatever the words.
  Range range_in(std::span<const Content> text) const noexcept;

 private:
  static constexpr std::size_t kSingles = 1 << 16;

  // Of these three a yes may be wrong, a no never is.
  bool is_single(char32_t c) const noexcept;
  bool is_pair(char32_t first, char32_t second) const noexcept;
  bool has_prefix(std::span<const Content> text) const noexcept;
  std::size_t prefix_slot(std::uint64_t hash) const noexcept;

  std::size_t longest_ = 0;
  std::array<std::uint32_t, 2> lengths_{};  // bit n: there are prefixes of n characters; [1]: in Chinese and the like
  std::vector<std::uint64_t> singles_;      // bits: words of one character; empty if there are none
  std::vector<std::uint64_t> pairs_;        // two bits in one of these words: the first two characters of longer ones
  std::vector<std::uint16_t> prefixes_;     // a piece of a hash each, 0 is empty; at most a quarter full
};

}  // namespace parley::pipeline
