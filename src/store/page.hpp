#pragma once
#include <algorithm>
#include <vector>

#include "parley/store/journal.hpp"
#include "parley/store/sql.hpp"

namespace parley::store {

/// The page that `range` asks for, from rows in the direction asked, one more than its limit if there are more.
/// `entry_of` makes a StoredEntry of a row.
template <class EntryOf>
Journal::Page page_of(const std::vector<SqlRow>& rows, const Journal::Range& range, EntryOf entry_of) {
  Journal::Page page;
  std::size_t bytes = 0;
  for (const SqlRow& row : rows) {
    if (page.entries.size() == range.limit) {
      page.more = true;
      break;
    }
    StoredEntry entry = entry_of(row);
    bytes += entry.body.size();
    if (bytes > range.bytes_max && !page.entries.empty()) {
      page.more = true;
      break;
    }
    page.entries.push_back(std::move(entry));
  }
  if (!range.after) std::reverse(page.entries.begin(), page.entries.end());
  return page;
}

}  // namespace parley::store
