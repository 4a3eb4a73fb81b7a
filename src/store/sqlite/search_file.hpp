#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "connection.hpp"

namespace parley::store {

/// The file search.db: which pairs of characters (bigrams.hpp) stand in the texts at which journal positions. Full-text
/// index FTS5 without contents; texts cannot be read from it. It follows from the journal, so it may be lost at any
/// time and is then made anew: its commits are not synced. Threads: one at a time. All functions throw SqlError.
class SearchFile {
 public:
  /// Whether this SQLite has FTS5.
  static bool available();
  /// Removes the file and what SQLite keeps beside it.
  static void erase(const std::filesystem::path& file);
  /// Opens it, or makes an empty one (also if its format is another one).
  explicit SearchFile(const std::filesystem::path& file);

  /// The last row of the journal that is in it.
  struct Progress {
    std::uint64_t pos = 0;  ///< 0: none
    std::uint64_t id = 0;   ///< of the entry at that position, so that another journal is noticed
  };
  Progress progress();

  void begin() { db_.execute("begin immediate"); }
  void commit(const Progress& progress);
  void rollback() noexcept { db_.rollback(); }
  /// `tokens` as tokens_of() gives them, not empty. To be removed they must be the same that were added.
  void add(std::uint64_t pos, const std::vector<std::int32_t>& tokens);
  void remove(std::uint64_t pos, const std::vector<std::int32_t>& tokens);

  /// The newest `limit` positions below `before` that have all tokens, newest first.
  std::vector<std::uint64_t> find(const std::vector<std::int32_t>& tokens, std::uint64_t before, std::size_t limit);

 private:
  /// Declared before the statements that belong to it.
  Connection db_;
  std::optional<Statement> progress_, save_, add_, remove_, find_;
  std::string words_;
};

}  // namespace parley::store
