#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "connection.hpp"
#include "search_pages.hpp"

namespace parley::store {

/// The journal as the search index reads it. Threads: one at a time. All functions throw SqlError.
class SearchableLog {
 public:
  SearchableLog(const std::filesystem::path& file, const Connection::Options& options);

  /// One snapshot for what is read until end().
  void begin() { db_.execute("begin"); }
  void end() noexcept { db_.rollback(); }

  /// What one row of the journal does to what can be found: the text at `pos` goes, or comes, or both.
  struct Change {
    std::uint64_t pos = 0;
    TenantId tenant;
    std::optional<std::string> gone, come;
  };
  struct Rows {
    std::vector<Change> changes;
    std::uint64_t last_pos = 0, last_id = 0;  ///< 0: there was no row
    std::int64_t last_ts_ns = 0;
    bool more = false;
  };
  /// The next rows behind `pos`. What a row did is the same whenever it is asked for, whatever came after it.
  Rows after(std::uint64_t pos);

  /// Id of the entry at `pos`, 0 if it is damaged; nothing: there is no such row.
  std::optional<std::uint64_t> id_at(std::uint64_t pos);
  /// The text or note at `pos` as it is now.
  SearchCandidate candidate(std::uint64_t pos, const SearchQuery& query);

 private:
  struct Row {
    std::uint64_t pos = 0, seq = 0, rev = 0;
    ConversationId conv;
    std::uint32_t flags = 0;
    std::string pack;
  };
  std::optional<Row> row_of(ConversationId conv, std::uint64_t seq);
  std::optional<std::string> body_after(const Row& row, std::uint64_t by);
  void add_edit(const Row& row, protocol::EntryType kind, Rows& rows);

  Connection db_;
  Statement next_, row_, at_, taken_, kept_;
};

}  // namespace parley::store
