#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

/// How the word filter sees a text: what counts of it, folded, and where each piece came from.
namespace parley::pipeline {

enum class CharClass : std::uint8_t {
  kLetter,     ///< of a script that writes words apart (Latin, Cyrillic, digits …): matched as whole words
  kOther,      ///< CJK and other scripts without spaces, emoji, currency signs: matched anywhere
  kSeparator,  ///< spaces, punctuation, + = ~ | ^ ` and the like: may be strewn into a word, and ends one
  kInvisible,  ///< zero-width, soft hyphen, controls, overlay marks: may be strewn in, and ends nothing
  kLineBreak,  ///< no word goes across
};
/// Of a code point that is normalised already.
CharClass classify(char32_t c) noexcept;

/// Between two characters of a word.
inline constexpr unsigned kSeparatorsMax = 3;

/// One character that counts.
struct Content {
  char32_t c;           ///< NFKC, case folded
  std::uint32_t begin;  ///< bytes of the original text it came from; a ligature gives several characters one range
  std::uint32_t end;
  bool letter;
  bool joined;    ///< a word may go on from the character before: at most kSeparatorsMax between, no line break
  bool adjacent;  ///< nothing visible stands between: together with two letters, the middle of a word
};

/// Are both in the middle of one word of letters? `right` follows `left`.
inline bool in_one_word(const Content& left, const Content& right) noexcept {
  return left.letter && right.letter && right.adjacent;
}

/// Folds `text` (UTF-8) segment by segment: pieces that no normalisation reaches across, so that their places are
/// known. Ordinary characters take a table; the rest, and combining sequences, go to ICU, at most 32 code points at a
/// time. Source: Unicode UAX #15 (NFKC_Casefold, stream-safe text).
class TextScan {
 public:
  explicit TextScan(std::string_view text) noexcept;
  /// False at the end.
  bool next(Content& out) {
    for (;;) {
      const Step step = pending_at_ < pending_.size() ? take_pending(out) : take_segment(out);
      if (step != Step::kNothing) return step == Step::kContent;
    }
  }
  /// Behind a character that next() gave: what most texts are mostly made of, as far as it follows without anything
  /// between. Writes at most one character per byte that is left, and returns the end of what it wrote.
  Content* take_run(Content* out);
  std::size_t bytes_left() const { return static_cast<std::size_t>(end_ - p_); }

 private:
  enum class Step { kContent, kNothing, kEnd };
  Step take_segment(Content& out);
  Step take_pending(Content& out);
  Step take(char32_t c, CharClass type, const char* begin, const char* end, Content& out);
  void fold_segment(const char* from);

  const char* const start_;
  const char* p_;
  const char* const end_;
  unsigned separators_ = 0;
  bool visible_ = false;
  bool broken_ = true;
  // The rest of a segment that became several characters.
  std::vector<char32_t> pending_;
  std::size_t pending_at_ = 0;
  const char* pending_begin_ = nullptr;
};

/// All that counts of a text.
class Contents {
 public:
  explicit Contents(std::string_view text);
  std::span<const Content> all() const { return {items_.get(), size_}; }

 private:
  void make_room(std::size_t characters);

  std::unique_ptr<Content[]> items_;
  std::size_t size_ = 0, capacity_ = 0;
};

/// One code point of valid UTF-8, and moves on.
inline char32_t decode_utf8(const char*& p) noexcept {
  const auto byte = [&](int i) { return static_cast<unsigned char>(p[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) {
    ++p;
    return lead;
  }
  if (lead < 0xe0) {
    const char32_t c = (lead & 31u) << 6 | (byte(1) & 63u);
    p += 2;
    return c;
  }
  if (lead < 0xf0) {
    const char32_t c = (lead & 15u) << 12 | (byte(1) & 63u) << 6 | (byte(2) & 63u);
    p += 3;
    return c;
  }
  const char32_t c = (lead & 7u) << 18 | (byte(1) & 63u) << 12 | (byte(2) & 63u) << 6 | (byte(3) & 63u);
  p += 4;
  return c;
}

}  // namespace parley::pipeline
