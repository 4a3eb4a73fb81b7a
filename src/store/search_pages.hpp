#pragma once
#include <optional>
#include <vector>

#include "parley/store/search.hpp"

/// What the search of all stores has in common: an index names entries that may match, and their texts decide.
namespace parley::store {

struct SearchCandidate {
  std::uint64_t pos = 0;
  ConversationId conv;
  std::uint64_t seq = 0;
  std::int64_t ts_ns = 0;
  protocol::EntryType type = protocol::EntryType::kText;
  protocol::Audience audience = protocol::Audience::kPublic;
  Principal from;
  std::optional<std::string> text;  ///< nothing: it is gone, or not for this reader
};

class SearchSource {
 public:
  virtual ~SearchSource() = default;
  /// The newest `limit` entries below position `before` that have all `tokens` (bigrams.hpp), newest first; fewer:
  /// there are no more. Throws SqlError.
  virtual std::vector<SearchCandidate> candidates(const std::vector<std::int32_t>& tokens, std::uint64_t before,
                                                  std::size_t limit) = 0;
};

/// A page of what the source has for the query. Throws what the source throws.
SearchPage search_page(SearchSource& source, const SearchQuery& query);

}  // namespace parley::store
