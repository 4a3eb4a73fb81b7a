#include "bigrams.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <stdexcept>

#include "parley/domain/conversation.hpp"

namespace parley::store {
namespace {

const icu::Normalizer2& normalizer() {
  static const icu::Normalizer2& instance = []() -> const icu::Normalizer2& {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* found = icu::Normalizer2::getNFKCCasefoldInstance(error);
    if (U_FAILURE(error)) throw std::runtime_error("ICU has no data for NFKC_Casefold");
    return *found;
  }();
  return instance;
}

bool is_plain(UChar32 c) { return c < 0x80 || (c >= 0x4E00 && c <= 0x9FFF); }

bool in_word(UChar32 c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
  return u_isalnum(c) || (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0;
}

/// Collects folded characters; whatever is in no word becomes one space between words.
class Folding {
 public:
  explicit Folding(FoldedText& out) : out_(out) {}
  void add(UChar32 c, FoldedText::Span origin) {
    if (!in_word(c)) {
      gap_ = true;
      return;
    }
    if (gap_ && !out_.text.empty()) {
      out_.text.push_back(U' ');
      out_.origin.push_back({origin.begin, origin.begin});
    }
    gap_ = false;
    out_.text.push_back(static_cast<char32_t>(c));
    out_.origin.push_back(origin);
  }

 private:
  FoldedText& out_;
  bool gap_ = false;
};

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// The character at `at`, which moves behind it; U+FFFD for what is no UTF-8.
UChar32 next_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (more == 0 || lead > 0xF4) return 0xFFFD;
  UChar32 c = lead & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if (at == text.size() || !continues(text[at])) return 0xFFFD;
    c = (c << 6) | (static_cast<unsigned char>(text[at++]) & 0x3F);
  }
  return c;
}

std::size_t find_first(std::u32string_view folded, std::u32string_view query) {
  const std::size_t whole = folded.find(query);
  if (whole != std::u32string_view::npos || query.empty()) return whole;
  std::size_t first = std::u32string_view::npos;
  for (std::u32string_view word : words_of(query)) first = std::min(first, folded.find(word));
  return first;
}

/// Adds every place of `part` in `folded`, in bytes of the original.
void add_places(std::vector<FoldedText::Span>& places, const FoldedText& folded, std::u32string_view part) {
  for (std::size_t at = folded.text.find(part); at != std::u32string::npos; at = folded.text.find(part, at + 1))
    places.push_back({folded.origin[at].begin, folded.origin[at + part.size() - 1].end});
}

}  // namespace

FoldedText fold_text(std::string_view utf8) {
  FoldedText out;
  out.text.reserve(utf8.size());
  out.origin.reserve(utf8.size());
  Folding folding(out);
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    const UChar32 first = next_point(utf8, at);
    // A piece ends where the next character cannot combine with it.
    bool plain = is_plain(first);
    for (std::size_t end = at; end < utf8.size(); at = end) {
      const UChar32 c = next_point(utf8, end);
      if (is_plain(c) || normalizer().hasBoundaryBefore(c)) break;
      plain = false;
    }
    const FoldedText::Span origin{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at)};
    if (plain) {
      folding.add(first >= 'A' && first <= 'Z' ? first + ('a' - 'A') : first, origin);
      continue;
    }
    UErrorCode error = U_ZERO_ERROR;
    const icu::UnicodeString piece = normalizer().normalize(
        icu::UnicodeString::fromUTF8(icu::StringPiece(utf8.data() + begin, static_cast<std::int32_t>(at - begin))),
        error);
    if (U_FAILURE(error)) continue;
    for (std::int32_t i = 0; i < piece.length(); i = piece.moveIndex32(i, 1)) folding.add(piece.char32At(i), origin);
  }
  return out;
}

std::vector<std::u32string_view> words_of(std::u32string_view folded) {
  std::vector<std::u32string_view> words;
  while (!folded.empty()) {
    const std::size_t end = std::min(folded.find(U' '), folded.size());
    if (end > 0) words.push_back(folded.substr(0, end));
    folded.remove_prefix(std::min(end + 1, folded.size()));
  }
  return words;
}

std::vector<std::int32_t> tokens_of(TenantId tenant, std::u32string_view folded) {
  std::vector<std::int32_t> tokens;
  for (std::u32string_view word : words_of(folded)) {
    for (std::size_t i = 0; i + 1 < word.size(); ++i) {
      const std::uint64_t pair = (std::uint64_t{word[i]} << 32) | word[i + 1];
      tokens.push_back(static_cast<std::int32_t>(static_cast<std::uint32_t>(mix64(pair ^ mix64(tenant.value)))));
    }
  }
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

Match match(std::u32string_view folded, std::u32string_view query) {
  if (query.empty()) return Match::kNone;
  if (folded.find(query) != std::u32string_view::npos) return Match::kPhrase;
  for (std::u32string_view word : words_of(query)) {
    if (folded.find(word) == std::u32string_view::npos) return Match::kNone;
  }
  return Match::kWords;
}

std::string snippet_of(std::string_view original, const FoldedText& folded, std::u32string_view query,
                       std::size_t points) {
  const std::size_t found = find_first(folded.text, query);
  std::size_t begin = found < folded.origin.size() ? folded.origin[found].begin : 0;
  // A third of the room stands before the match, the rest from it on.
  for (std::size_t i = 0; i < points / 3 && begin > 0; ++i) {
    do --begin;
    while (begin > 0 && continues(original[begin]));
  }
  std::string out = begin > 0 ? "…" : "";
  out += domain::preview_of(original.substr(begin), points);
  return out;
}

std::vector<SearchHit::Range> matches_in(std::string_view snippet, std::u32string_view query) {
  if (query.empty()) return {};
  const FoldedText folded = fold_text(snippet);
  std::vector<FoldedText::Span> places;
  add_places(places, folded, query);
  if (places.empty()) {
    for (std::u32string_view word : words_of(query)) add_places(places, folded, word);
  }
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });

  std::vector<SearchHit::Range> ranges;
  std::size_t byte = 0;
  std::uint32_t point = 0;
  const auto point_at = [&](std::size_t end) {
    for (; byte < end; ++byte) point += continues(snippet[byte]) ? 0 : 1;
    return point;
  };
  for (std::size_t i = 0; i < places.size();) {
    const std::size_t begin = places[i].begin;
    std::size_t end = places[i].end;
    while (++i < places.size() && places[i].begin <= end) end = std::max<std::size_t>(end, places[i].end);
    const std::uint32_t first = point_at(begin);
    ranges.push_back({first, point_at(end)});
  }
  return ranges;
}

}  // namespace parley::store
