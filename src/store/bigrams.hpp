#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/store/search.hpp"

/// How texts become findable without knowing their language: compatibility forms and cases folded (NFKC_Casefold), then
/// words (runs of letters, digits and their marks), then every two neighbouring characters of a word. Chinese needs no
/// dictionary that way, and a part of a word is found as well. Pure functions; any thread.
namespace parley::store {

/// A text as it is compared: its words with one space between them, and where each character came from.
struct FoldedText {
  std::u32string text;
  struct Span {
    std::uint32_t begin = 0, end = 0;  ///< bytes of the original
  };
  std::vector<Span> origin;  ///< of each character of `text`
};
FoldedText fold_text(std::string_view utf8);

/// The words of a folded text.
std::vector<std::u32string_view> words_of(std::u32string_view folded);

/// The numbers under which the index keeps the pairs of a folded text, sorted, each once. The tenant is part of them,
/// so one tenant's frequent pairs cost the others nothing. Different pairs may share a number: whoever searches looks
/// at the text again.
std::vector<std::int32_t> tokens_of(TenantId tenant, std::u32string_view folded);

/// How well a folded text answers a folded query.
enum class Match {
  kNone,
  kWords,   ///< every word of the query is somewhere in it
  kPhrase,  ///< the query as it stands, whatever is between its words
};
Match match(std::u32string_view folded, std::u32string_view query);

/// About `points` characters of `original` around the place that answers `query`, on one line, with "…" where something
/// was left out.
std::string snippet_of(std::string_view original, const FoldedText& folded, std::u32string_view query,
                       std::size_t points = 80);
/// Where a snippet answers `query`: the query as it stands, or else its words.
std::vector<SearchHit::Range> matches_in(std::string_view snippet, std::u32string_view query);

}  // namespace parley::store
