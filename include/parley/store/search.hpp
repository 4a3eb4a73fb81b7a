#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/result.hpp"
#include "parley/protocol/types.hpp"

namespace parley::store {

struct SearchQuery {
  TenantId tenant;
  std::string text;          ///< what somebody typed
  std::uint64_t cursor = 0;  ///< SearchPage::next of the page before; 0: the first page
  unsigned limit = 20;
  bool internal = false;  ///< notes too
};
struct SearchHit {
  ConversationId conv;
  std::uint64_t seq = 0;
  std::int64_t ts_ns = 0;
  protocol::EntryType type = protocol::EntryType::kText;
  protocol::Audience audience = protocol::Audience::kPublic;
  Principal from;
  std::string snippet;  ///< of the present text, at most some 80 characters, on one line
  /// Characters (code points) [begin, end) of `snippet`.
  struct Range {
    std::uint32_t begin = 0, end = 0;
    auto operator<=>(const Range&) const = default;
  };
  std::vector<Range> matches;  ///< in their order, apart from each other
};
struct SearchPage {
  std::vector<SearchHit> hits;
  std::uint64_t next = 0;  ///< 0: that was all. A page may be short, even empty, and still not be the last one
};

/// Has a word of at least two characters: whatever has none finds nothing.
bool is_searchable(std::string_view text);

/// Finds texts and notes of a tenant that hold every word of the query, or a part of a word: first those that have the
/// query as it stands, then the others, each newest first. Cases and widths are one. Single characters only narrow a
/// query that also has a longer word. What was recalled is not found, of what was edited the present text is.
/// Lag:     the index is filled behind the journal; lag_seconds() says how far.
/// Errors:  kOverloaded (too many searches wait), kUnavailable.
/// Threads: find() is awaited on a reactor; searches run on a thread of their own, never where pages are read.
class MessageSearch {
 public:
  virtual ~MessageSearch() = default;
  virtual boost::asio::awaitable<Result<SearchPage>> find(SearchQuery query) = 0;
  /// Age of the oldest entry that is not found yet; 0: none. Any thread.
  virtual double lag_seconds() const = 0;
};

}  // namespace parley::store
