#include "standard/archive_search.hpp"

namespace parley::store::standard {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kQueueMax = 64;

PostgresDatabaseOptions options_of(const std::string& conninfo) {
  PostgresDatabaseOptions options;
  options.conninfo = conninfo;
  options.readers = 1;
  options.queue_max = kQueueMax;
  options.statement = 5s;
  return options;
}

}  // namespace

ArchiveSearch::ArchiveSearch(const std::string& conninfo, const SearchReader& reader)
    : database_(make_postgres_database(options_of(conninfo))), reader_(reader) {}

boost::asio::awaitable<Result<SearchPage>> ArchiveSearch::find(SearchQuery query) {
  auto work = [query = std::move(query)](Sql& sql) -> Result<SearchPage> {
    // Readers never sort. Here that would mean to go through all texts, newest first, for a pair that stands in few of
    // them; so the plan is made for the very pairs of this query.
    sql.query("set local enable_sort = on", {});
    sql.query("set local plan_cache_mode = force_custom_plan", {});
    return search(sql, query);
  };
  return database_->read(std::move(work));
}

}  // namespace parley::store::standard
