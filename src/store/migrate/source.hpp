#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "migrate/row.hpp"
#include "migrate/target.hpp"
#include "sqlite/connection.hpp"

/// The embedded store that is moved, read beside the daemon that writes it. Everything throws SqlError, or
/// std::runtime_error about a value that cannot be moved.
namespace parley::store::moving {

struct Batch {
  std::vector<Row> messages;  ///< of the target's table message
  std::vector<Row> changed;   ///< the present rows of messages that entries of this batch edited or recalled
  std::uint64_t upto = 0;     ///< the last position looked at
  std::uint64_t seen = 0;     ///< positions looked at, remembered answers too
};

class Source {
 public:
  explicit Source(const std::filesystem::path& folder);

  /// Tells one embedded store from another; empty if there is none.
  std::string identity();
  std::int64_t schema_version();
  std::optional<std::string> moved_to();
  std::int64_t meta(const char* key);  ///< a number of store_meta; 0 if it is missing
  std::uint64_t last_pos();
  std::uint64_t messages_after(std::uint64_t pos);  ///< estimated by the positions
  /// Tables whose rows are the same on both sides, those first that others refer to.
  std::vector<std::string> plain_tables();

  /// Up to `limit` rows of message after `pos`, as one moment shows them. `message`: the target's table.
  Batch batch(const Table& message, std::uint64_t after, std::size_t limit);
  /// All messages of these conversations, or (null) of all; no order.
  std::unique_ptr<RowStream> messages(const Table& message, const std::vector<std::uint64_t>* conversations,
                                      std::uint64_t upto);
  /// A whole table in the order of its key.
  std::unique_ptr<RowStream> rows(const Table& table);
  /// Conversations with positions after `pos`.
  std::unordered_set<std::uint64_t> conversations_after(std::uint64_t pos);

 private:
  Connection db_;
};

}  // namespace parley::store::moving
