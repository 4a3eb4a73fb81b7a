#include "text_scan.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>
#include <memory>

namespace parley::pipeline {
namespace {

constexpr std::size_t kSegmentMax =
    32;  // code points; a longer run of combining marks is noise, and costs O(n²) to sort

const icu::Normalizer2& folding() {
  static const icu::Normalizer2* const instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* found = icu::Normalizer2::getNFKCCasefoldInstance(status);
    if (U_FAILURE(status)) std::abort();  // part of the ICU library itself: cannot be missing
    return found;
  }();
  return *instance;
}

constexpr bool is_line_break(char32_t c) { return (c >= 0x0a && c <= 0x0d) || c == 0x85 || c == 0x2028 || c == 0x2029; }

constexpr bool is_overlay_mark(char32_t c) {
  return (c >= 0x0300 && c <= 0x036f) || (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x1dc0 && c <= 0x1dff) ||
         (c >= 0x20d0 && c <= 0x20ff);
}

/// Scripts without spaces between words, and Hangul, where particles stick to the word.
bool writes_without_spaces(char32_t c) {
  for (const UScriptCode script :
       {USCRIPT_HAN, USCRIPT_HIRAGANA, USCRIPT_KATAKANA, USCRIPT_HANGUL, USCRIPT_BOPOMOFO, USCRIPT_YI, USCRIPT_THAI,
        USCRIPT_LAO, USCRIPT_KHMER, USCRIPT_MYANMAR, USCRIPT_TIBETAN}) {
    if (uscript_hasScript(static_cast<UChar32>(c), script)) return true;
  }
  return false;
}

CharClass classify_by_icu(char32_t c) {
  if (is_line_break(c)) return CharClass::kLineBreak;
  if (c == '\t') return CharClass::kSeparator;
  const auto code = static_cast<UChar32>(c);
  if (is_overlay_mark(c) || u_hasBinaryProperty(code, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) return CharClass::kInvisible;
  const std::uint32_t category = U_GET_GC_MASK(code);
  if ((category & (U_GC_CC_MASK | U_GC_CF_MASK)) != 0) return CharClass::kInvisible;
  if ((category & (U_GC_Z_MASK | U_GC_P_MASK | U_GC_SM_MASK | U_GC_SK_MASK)) != 0) return CharClass::kSeparator;
  if ((category & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)) == 0) return CharClass::kOther;
  return writes_without_spaces(c) ? CharClass::kOther : CharClass::kLetter;
}

/// What there is to know about a code point that stands alone in its segment.
struct Folded {
  static constexpr std::uint8_t kSeveral = 0xff;
  char16_t c = 0;         ///< its folded form
  std::uint8_t type = 0;  ///< CharClass of the folded form; kSeveral: not one code point, or not of this plane
  bool begins = false;    ///< a segment always begins before it
};

/// The basic plane, a quarter of a megabyte, made once.
class FoldTable {
 public:
  FoldTable() : rows_(std::make_unique<std::array<Folded, 0x10000>>()) {
    for (char32_t c = 0; c < 0x10000; ++c) {
      Folded& row = (*rows_)[c];
      row.type = Folded::kSeveral;
      if (c >= 0xd800 && c <= 0xdfff) continue;
      const auto code = static_cast<UChar32>(c);
      row.begins = folding().hasBoundaryBefore(code);
      icu::UnicodeString folded;
      UErrorCode status = U_ZERO_ERROR;
      folding().normalize(icu::UnicodeString(code), folded, status);
      if (U_FAILURE(status)) continue;
      if (folded.isEmpty()) {
        // ICU lets what vanishes belong to its neighbours; here it is counted, and not masked with them.
        row.begins = true;
        row.type = static_cast<std::uint8_t>(CharClass::kInvisible);
      } else if (folded.length() == 1) {
        row.c = folded[0];
        row.type = static_cast<std::uint8_t>(classify_by_icu(row.c));
      }
    }
  }
  const Folded& operator[](char32_t c) const { return (*rows_)[c]; }

 private:
  std::unique_ptr<std::array<Folded, 0x10000>> rows_;
};

const FoldTable& table() {
  static const FoldTable instance;  // constant data of Unicode, not state
  return instance;
}

/// ASCII, which nothing but a following mark can change.
struct AsciiRow {
  char c;
  CharClass type;
};
constexpr std::array<AsciiRow, 128> kAscii = [] {
  std::array<AsciiRow, 128> rows{};
  for (unsigned i = 0; i < 128; ++i) {
    const char c = static_cast<char>(i);
    const bool upper = c >= 'A' && c <= 'Z', letter = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
    rows[i].c = upper ? static_cast<char>(c + 32) : c;
    rows[i].type = is_line_break(i) ? CharClass::kLineBreak
                   : control        ? CharClass::kInvisible
                   : letter         ? CharClass::kLetter
                   : c == '$'       ? CharClass::kOther
                                    : CharClass::kSeparator;
  }
  return rows;
}();

/// Chinese characters stay as they are and need no table. Leads E4 to E9 are U+4000 to U+9FFF.
constexpr bool is_ideograph_lead(unsigned char lead) { return lead >= 0xe4 && lead <= 0xe9; }
constexpr bool is_ideograph(char32_t c) { return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x4000 && c <= 0x4dbf); }

/// Does a segment begin at `p`?
bool segment_begins(const char* p) {
  const auto lead = static_cast<unsigned char>(*p);
  if (lead < 0x80 || is_ideograph_lead(lead)) return true;
  const char32_t c = decode_utf8(p);
  if (c < 0x10000) return table()[c].begins;
  const auto code = static_cast<UChar32>(c);
  return folding().hasBoundaryBefore(code) || u_hasBinaryProperty(code, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

}  // namespace

CharClass classify(char32_t c) noexcept {
  if (c < 0x10000) {
    const Folded& row = table()[c];
    if (row.c == c && row.type != Folded::kSeveral) return static_cast<CharClass>(row.type);
  }
  return classify_by_icu(c);
}

TextScan::TextScan(std::string_view text) noexcept
    : start_(text.data()), p_(text.data()), end_(text.data() + text.size()) {}

TextScan::Step TextScan::take(char32_t c, CharClass type, const char* begin, const char* end, Content& out) {
  switch (type) {
    case CharClass::kLineBreak:
      broken_ = true;
      return Step::kNothing;
    case CharClass::kSeparator:
      visible_ = true;
      ++separators_;
      return Step::kNothing;
    case CharClass::kInvisible:
      ++separators_;
      return Step::kNothing;
    case CharClass::kLetter:
    case CharClass::kOther:
      break;
  }
  out.c = c;
  out.begin = static_cast<std::uint32_t>(begin - start_);
  out.end = static_cast<std::uint32_t>(end - start_);
  out.letter = type == CharClass::kLetter;
  out.joined = !broken_ && separators_ <= kSeparatorsMax;
  out.adjacent = !broken_ && !visible_;
  separators_ = 0;
  visible_ = broken_ = false;
  return Step::kContent;
}

TextScan::Step TextScan::take_segment(Content& out) {
  if (p_ == end_) return Step::kEnd;
  const char* const begin = p_;
  const auto lead = static_cast<unsigned char>(*p_);
  if (lead < 0x80 && (p_ + 1 == end_ || static_cast<unsigned char>(p_[1]) < 0x80)) {
    const AsciiRow& row = kAscii[lead];
    return take(static_cast<unsigned char>(row.c), row.type, begin, ++p_, out);
  }
  const char* after = p_;
  const char32_t c = decode_utf8(after);
  if (after == end_ || segment_begins(after)) {
    if (is_ideograph(c)) {
      p_ = after;
      return take(c, CharClass::kOther, begin, after, out);
    }
    if (c < 0x10000) {
      if (const Folded& row = table()[c]; row.type != Folded::kSeveral) {
        p_ = after;
        return take(row.c, static_cast<CharClass>(row.type), begin, after, out);
      }
    } else if (folding().isInert(static_cast<UChar32>(c))) {  // emoji
      p_ = after;
      return take(c, classify_by_icu(c), begin, after, out);
    }
  }
  fold_segment(after);
  return Step::kNothing;
}

void TextScan::fold_segment(const char* from) {
  const char* last = from;
  for (std::size_t size = 1; size < kSegmentMax && last != end_ && !segment_begins(last); ++size) decode_utf8(last);
  icu::UnicodeString folded;
  UErrorCode status = U_ZERO_ERROR;
  folding().normalize(icu::UnicodeString::fromUTF8({p_, static_cast<std::int32_t>(last - p_)}), folded, status);
  pending_.clear();
  pending_at_ = 0;
  pending_begin_ = p_;
  p_ = last;
  if (U_FAILURE(status) || folded.isEmpty()) {
    ++separators_;
    return;
  }
  for (std::int32_t i = 0; i < folded.length();) {
    const UChar32 c = folded.char32At(i);
    pending_.push_back(static_cast<char32_t>(c));
    i += U16_LENGTH(c);
  }
}

TextScan::Step TextScan::take_pending(Content& out) {
  const char32_t c = pending_[pending_at_++];
  return take(c, classify(c), pending_begin_, p_, out);
}

Content* TextScan::take_run(Content* out) {
  if (pending_at_ < pending_.size()) return out;
  const char* p = p_;
  while (end_ - p >= 4) {
    const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
    const auto at = static_cast<std::uint32_t>(p - start_);
    if (byte(0) < 0x80) {
      const AsciiRow& row = kAscii[byte(0)];
      if (byte(1) >= 0x80 || (row.type != CharClass::kLetter && row.type != CharClass::kOther)) break;
      *out++ = {static_cast<unsigned char>(row.c), at, at + 1, row.type == CharClass::kLetter, true, true};
      p += 1;
    } else {
      if (!is_ideograph_lead(byte(0)) || (byte(3) >= 0x80 && !is_ideograph_lead(byte(3)))) break;
      const char32_t c = (byte(0) & 15u) << 12 | (byte(1) & 63u) << 6 | (byte(2) & 63u);
      if (!is_ideograph(c)) break;
      *out++ = {c, at, at + 3, false, true, true};
      p += 3;
    }
  }
  p_ = p;
  return out;
}

Contents::Contents(std::string_view text) {
  make_room(text.size() + 1);
  TextScan scan(text);
  while (scan.next(items_[size_])) {
    ++size_;
    size_ = static_cast<std::size_t>(scan.take_run(items_.get() + size_) - items_.get());
    // A ligature gives more characters than it has bytes.
    if (capacity_ - size_ <= scan.bytes_left()) make_room(2 * capacity_);
  }
}

void Contents::make_room(std::size_t characters) {
  auto larger = std::make_unique_for_overwrite<Content[]>(characters);
  std::copy_n(items_.get(), size_, larger.get());
  items_ = std::move(larger);
  capacity_ = characters;
}

}  // namespace parley::pipeline
