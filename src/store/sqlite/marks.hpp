#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "connection.hpp"
#include "conversations.hpp"
#include "parley/store/journal.hpp"

namespace parley::store {

/// Receipts on their way to the table receipt: the highest of each (conversation, principal). Lost in a crash, which
/// the protocol allows.
class Marks {
 public:
  explicit Marks(Connection& db);
  /// Any thread. False if too many wait already (they are dropped) or these are not the first to wait.
  bool add(std::vector<Journal::Mark> marks);
  /// Writer thread, all below.
  bool pending();
  /// Writes all in the open transaction; call written() after its commit. Marks of conversations that do not exist are
  /// dropped.
  void write(Conversations& conversations);
  void written() { pending_.clear(); }
  std::vector<Journal::Mark> of(ConversationId conv);

 private:
  struct Position {
    std::uint64_t rcv = 0, read = 0;
  };
  void take_inbox();
  std::mutex mutex_;  // leaf lock, guards inbox_
  std::vector<Journal::Mark> inbox_;
  std::map<std::pair<ConversationId, Principal>, Position> pending_;
  Statement upsert_, select_;
};

}  // namespace parley::store
