#include "search_pages.hpp"

#include "bigrams.hpp"

namespace parley::store {
namespace {

constexpr std::size_t kCandidates = 256;            // of one look into the index
constexpr std::size_t kCandidatesMax = 2048;        // looked at for one page
constexpr std::uint64_t kSecondPhase = 1ULL << 62;  // in a cursor: the query as it stands was looked for to the end
constexpr std::uint64_t kPosMax = kSecondPhase - 1;

/// One way through the index, newest first, collecting entries that match in one way.
class Walk {
 public:
  Walk(SearchSource& source, const SearchQuery& query, std::u32string_view folded)
      : source_(source), limit_(query.limit), folded_(folded), tokens_(tokens_of(query.tenant, folded)) {}

  /// From below `before` on. Returns where to go on, or nothing at the end of the index.
  std::optional<std::uint64_t> run(std::uint64_t before, Match wanted, SearchPage& page) {
    while (page.hits.size() < limit_) {
      if (seen_ >= kCandidatesMax) return before;
      const std::vector<SearchCandidate> found = source_.candidates(tokens_, before, kCandidates);
      for (const SearchCandidate& candidate : found) {
        if (page.hits.size() == limit_) return before;
        ++seen_;
        before = candidate.pos;
        add(candidate, wanted, page);
      }
      if (found.size() < kCandidates) return std::nullopt;
    }
    return before;
  }

 private:
  void add(const SearchCandidate& candidate, Match wanted, SearchPage& page) {
    if (!candidate.text) return;
    const FoldedText folded = fold_text(*candidate.text);
    if (match(folded.text, folded_) != wanted) return;
    SearchHit& hit = page.hits.emplace_back();
    hit.conv = candidate.conv;
    hit.seq = candidate.seq;
    hit.ts_ns = candidate.ts_ns;
    hit.type = candidate.type;
    hit.audience = candidate.audience;
    hit.from = candidate.from;
    hit.snippet = snippet_of(*candidate.text, folded, folded_);
    hit.matches = matches_in(hit.snippet, folded_);
  }

  SearchSource& source_;
  const unsigned limit_;
  const std::u32string_view folded_;
  const std::vector<std::int32_t> tokens_;
  std::size_t seen_ = 0;
};

}  // namespace

bool is_searchable(std::string_view text) { return !tokens_of(TenantId{}, fold_text(text).text).empty(); }

SearchPage search_page(SearchSource& source, const SearchQuery& query) {
  SearchPage page;
  const FoldedText folded = fold_text(query.text);
  if (query.limit == 0 || tokens_of(query.tenant, folded.text).empty()) return page;
  Walk walk(source, query, folded.text);
  std::uint64_t before = (query.cursor & kPosMax) != 0 ? query.cursor & kPosMax : kPosMax;
  if ((query.cursor & kSecondPhase) == 0) {
    if (const auto next = walk.run(before, Match::kPhrase, page)) {
      page.next = *next;
      return page;
    }
    // A single word that is in a text is the query as it stands.
    if (words_of(folded.text).size() == 1) return page;
    before = kPosMax;
  }
  if (const auto next = walk.run(before, Match::kWords, page)) page.next = kSecondPhase | *next;
  return page;
}

}  // namespace parley::store
