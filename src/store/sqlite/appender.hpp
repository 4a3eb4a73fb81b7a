#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include "conversations.hpp"
#include "message_rows.hpp"
#include "parley/store/journal.hpp"

namespace parley::store {

/// The rules of the journal: decides what becomes of each item, in the transaction that is open, and keeps the writer's
/// memory in step. A SqlError leaves memory ahead of the file: roll back and call recover(). Threads: the writer.
class Appender {
 public:
  Appender(Connection& db, std::size_t conversations_max);
  void append(Append& item, Appended& answer);
  /// Before the commit: what is written once per batch.
  void finish_batch();
  /// Forgets everything and takes it from the file again.
  void recover();
  Conversations& conversations() noexcept { return conversations_; }
  const Conversations& conversations() const noexcept { return conversations_; }
  std::uint64_t last_pos() const noexcept { return last_pos_; }

 private:
  struct Counter {
    std::uint64_t value = 0;
    bool dirty = false;
  };
  /// True if the item is answered by what its sender did before.
  bool answer_known(const Append& item, Conversation& conversation, Sender* sender, Appended& answer);
  /// False: refused, and `answer` says why.
  bool may_open(const Append& item, Appended& answer);
  void store_entry(Append& item, Conversation& conversation, Appended& answer);
  void store_record(const Append& item, Conversation& conversation, Code code, Appended& answer);
  void remember(const Append& item, Conversation& conversation, std::uint64_t seq, Code code);
  Counter& numbers_of(TenantId tenant);

  Conversations conversations_;
  MessageRows rows_;
  Statement select_number_, save_number_;
  std::unordered_map<TenantId, Counter> numbers_;
  std::uint64_t last_pos_ = 0;
};

}  // namespace parley::store
