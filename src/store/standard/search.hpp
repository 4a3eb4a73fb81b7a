#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/store/search.hpp"
#include "parley/store/sql.hpp"

namespace parley::store::standard {

/// MessageSearch::find for closures of Database::read; throws SqlError. What is not archived and indexed yet is not
/// found.
SearchPage search(Sql&, const SearchQuery& query);

/// Puts one entry's present text into the index, as the reader below would; for those who change entries behind its
/// back. Does nothing if the reader has still to come by. In a write transaction; throws SqlError.
void index_entry(Sql&, unsigned shard, std::uint64_t counter, ConversationId conv, std::uint64_t seq);

struct SearchReaderOptions {
  std::string postgres;  ///< as libpq understands it
  unsigned shards = 1;
  std::chrono::milliseconds idle_wait{250};  ///< between two looks at the archive when there is nothing new
  std::chrono::milliseconds retry_min{200}, retry_max{5000};
};

/// Keeps the search index behind the archive: reads what was archived since its own position, in the order of the
/// journal, and writes the numbers of the texts' pairs. Edits and recalls change what is found. Nothing waits for it.
/// Threads: its own, "store-search"; the functions below may be called from any.
class SearchReader {
 public:
  explicit SearchReader(SearchReaderOptions options);
  ~SearchReader();
  void start();
  void stop();

  struct Stats {
    std::uint64_t indexed = 0;  ///< rows of the archive that were looked at, since the start
    std::uint64_t failures = 0;
    double lag_seconds = 0;  ///< age of the oldest archived entry that is not indexed
  };
  Stats stats() const;
  std::string trouble() const;  ///< empty: all is well
  /// For tests: true when everything that is archived now is indexed.
  bool request_sync(std::chrono::milliseconds patience);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::store::standard
