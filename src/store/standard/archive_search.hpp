#pragma once
#include <memory>
#include <string>

#include "parley/store/search.hpp"
#include "postgres/postgres_database.hpp"
#include "standard/search.hpp"

namespace parley::store::standard {

/// Search of the standard store: asks PostgreSQL over a connection of its own, so that pages and lists never wait for a
/// search.
class ArchiveSearch final : public MessageSearch {
 public:
  ArchiveSearch(const std::string& conninfo, const SearchReader& reader);
  void stop() { database_->stop(); }
  boost::asio::awaitable<Result<SearchPage>> find(SearchQuery query) override;
  double lag_seconds() const override { return reader_.stats().lag_seconds; }

 private:
  std::unique_ptr<PostgresDatabase> database_;
  const SearchReader& reader_;
};

}  // namespace parley::store::standard
