#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "calls.hpp"
#include "connection.hpp"
#include "parley/store/search.hpp"

namespace parley::store {

struct SearchIndexOptions {
  std::filesystem::path log;                 ///< parley.db
  Connection::Options log_options;           ///< of the one who writes it
  std::filesystem::path index;               ///< search.db
  std::chrono::milliseconds idle_wait{250};  ///< between two looks at the journal when there is nothing new
  std::chrono::milliseconds retry_min{200}, retry_max{5000};
  std::size_t queue_max = 64;  ///< searches that wait
};

/// Search of the embedded store: keeps search.db behind the journal and answers from it. It reads the journal as any
/// reader does, so appends do not know of it. An index that belongs to another journal, or is damaged, is made anew.
/// Threads: its own, "store-search", of low priority, which indexes and searches; the functions may be called from any.
class SearchIndex final : public MessageSearch {
 public:
  /// Opens nothing yet.
  explicit SearchIndex(SearchIndexOptions options);
  ~SearchIndex() override;
  void start();
  void stop();

  boost::asio::awaitable<Result<SearchPage>> find(SearchQuery query) override;
  double lag_seconds() const override;
  std::string trouble() const;  ///< empty: all is well
  /// For tests: true when everything that is in the journal now is indexed.
  bool request_sync(std::chrono::milliseconds patience);

  /// What a search looks into.
  struct Files;
  /// Any thread. False if too many wait, or this is stopping.
  bool enqueue(std::unique_ptr<Call<Files>> search);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::store
