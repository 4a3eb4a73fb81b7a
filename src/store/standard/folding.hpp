#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "parley/store/journal.hpp"
#include "unflushed_index.hpp"

namespace parley::store::standard {

/// What edits and recalls that are not archived yet do to entries, archived or not: the rules of the archive, applied
/// when something is read. Pure.
class Folding {
 public:
  /// What the archive says of an entry that an unarchived edit or recall names.
  struct Archived {
    std::uint64_t rev = 0;
    bool erased = false;
  };
  /// `entries`: all unarchived ones of a conversation. `targets`: those of their targets that are archived and were
  /// found there.
  Folding(const std::vector<IndexEntry>& entries, const std::unordered_map<std::uint64_t, Archived>& targets);

  /// What becomes of an entry; `edit` is the seq of the edit whose text it has now (0: its own text, or none).
  struct Change {
    std::uint64_t rev = 0;
    bool erased = false;
    std::uint64_t edit = 0;
  };
  const Change* of(std::uint64_t seq) const;
  /// Changes the entry accordingly, unless it already stands behind that. `edit_body`: JSON of the edit that of()
  /// names.
  static void apply(const Change& change, const std::string& edit_body, StoredEntry& entry);

 private:
  std::unordered_map<std::uint64_t, Change> changes_;
};

/// Targets of unarchived edits and recalls that lie below `first`, the first unarchived seq.
std::vector<std::uint64_t> archived_targets(const std::vector<IndexEntry>& entries);

}  // namespace parley::store::standard
