#pragma once
#include <unordered_map>
#include <vector>

#include "messages.hpp"

namespace parley::sim {

/// One item for the journal: an entry, a void or a remembered refusal.
struct Item {
  Send send;
  EntryType kind = EntryType::kText;
  Actor actor{};
  Audience audience = Audience::kPublic;
  domain::Change change{};
  std::int64_t ts_ns = 0;
  Code refusal = Code::kOk;
};
struct Appended {
  Code code = Code::kOk;
  bool dup = false;
  std::uint64_t seq = 0, skip = 0, expected = 0;
};

/// What survives every crash: the log, and what follows from it.
class JournalModel {
 public:
  explicit JournalModel(const Flaws& flaws) : flaws_(flaws) {}
  Appended append(const Item& item);
  /// Folded entries after `after`, at most `limit`; for visitors the public ones with their skips.
  std::vector<Entry> read(std::uint64_t after, std::size_t limit, bool internal) const;

  const domain::ConversationMeta& meta() const { return meta_; }
  const std::unordered_map<domain::SenderKey, domain::SenderState, domain::SenderKeyHash>& senders() const {
    return senders_;
  }
  const std::vector<Entry>& entries() const { return entries_; }  ///< folded; seq is index + 1
  const std::vector<Item>& items() const { return items_; }       ///< as appended, one per entry
  const Entry* find(std::uint64_t seq) const {
    return seq >= 1 && seq <= entries_.size() ? &entries_[seq - 1] : nullptr;
  }

 private:
  const Flaws& flaws_;
  domain::ConversationMeta meta_;
  std::unordered_map<domain::SenderKey, domain::SenderState, domain::SenderKeyHash> senders_;
  std::vector<Entry> entries_;
  std::vector<Item> items_;
};

}  // namespace parley::sim
