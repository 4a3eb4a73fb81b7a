#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "parley/store/journal.hpp"

namespace parley::store::standard {

/// Receipts on their way to the archive: the highest of each (conversation, principal). Those that wait longer than the
/// archive is down are lost, which the protocol allows. Threads: any.
class PendingMarks {
 public:
  /// Dropped if too many wait.
  void add(const std::vector<Journal::Mark>& marks);
  /// All that wait; they still count in merge() until written() was called.
  std::vector<Journal::Mark> take();
  void written();
  /// Raises `marks`, those of `conv`, to what waits here.
  void merge(ConversationId conv, std::vector<Journal::Mark>& marks) const;

 private:
  struct Position {
    std::uint64_t rcv = 0, read = 0;
  };
  using Positions = std::map<std::pair<ConversationId, Principal>, Position>;
  mutable std::mutex mutex_;  // leaf lock, guards both
  Positions waiting_, writing_;
};

}  // namespace parley::store::standard
