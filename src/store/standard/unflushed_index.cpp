#include "unflushed_index.hpp"

#include <algorithm>

namespace parley::store::standard {

void UnflushedIndex::add(ConversationId conv, unsigned shard, const IndexEntry& entry) {
  Stripe& at = stripe(conv);
  std::lock_guard lock(at.mutex);
  // Read under the lock: archived() raises it before it looks at this stripe, so an entry either is seen there or
  // sees it here.
  if (entry.counter <= archived_[shard].load(std::memory_order_relaxed)) return;
  Entries& entries = at.conversations[conv];
  if (!entries.list.empty() && entries.list.back().seq >= entry.seq) return;
  entries.shard = shard;
  entries.list.push_back(entry);
}

UnflushedIndex::Found UnflushedIndex::of(ConversationId conv) const {
  const Stripe& at = stripe(conv);
  std::lock_guard lock(at.mutex);
  const auto found = at.conversations.find(conv);
  if (found == at.conversations.end()) return {};
  return {found->second.shard, found->second.list};
}

std::optional<std::uint64_t> UnflushedIndex::first(ConversationId conv) const {
  const Stripe& at = stripe(conv);
  std::lock_guard lock(at.mutex);
  const auto found = at.conversations.find(conv);
  if (found == at.conversations.end()) return std::nullopt;
  return found->second.list.front().seq;
}

void UnflushedIndex::archived(unsigned shard, std::uint64_t counter,
                              const std::vector<std::pair<ConversationId, std::uint64_t>>& heads) {
  archived_[shard].store(counter, std::memory_order_relaxed);
  for (const auto& [conv, seq] : heads) {
    Stripe& at = stripe(conv);
    std::lock_guard lock(at.mutex);
    const auto found = at.conversations.find(conv);
    if (found == at.conversations.end()) continue;
    std::vector<IndexEntry>& list = found->second.list;
    const std::uint64_t up_to = seq;
    const auto keep =
        std::find_if(list.begin(), list.end(), [up_to](const IndexEntry& entry) { return entry.seq > up_to; });
    list.erase(list.begin(), keep);
    if (list.empty()) at.conversations.erase(found);
  }
}

}  // namespace parley::store::standard
