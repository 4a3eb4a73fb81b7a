#include "unflushed_index.hpp"

#include <algorithm>

namespace parley::store::standard {

std::uint64_t UnflushedIndex::add(ConversationId conv, unsigned shard, const IndexEntry& entry) {
  Stripe& at = stripe(conv);
  std::lock_guard lock(at.mutex);
  // Read under the lock: archived() raises it before it looks at this stripe, so an entry either is seen there or
  // sees it here.
  if (entry.counter <= archived_[shard].load(std::memory_order_relaxed)) return entry.seq;
  Entries& entries = at.conversations[conv];
  if (entries.last >= entry.seq) return entries.first - 1;
  if (entries.last == 0) entries.first = entry.seq;
  entries.last = entry.seq;
  entries.shard = shard;
  entries.list.push_back(entry);
  return entries.first - 1;
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
  return found->second.first;
}

void UnflushedIndex::archived(unsigned shard, std::uint64_t counter,
                              const std::vector<std::pair<ConversationId, std::uint64_t>>& heads) {
  archived_[shard].store(counter, std::memory_order_relaxed);
  for (const auto& [conv, seq] : heads) {
    Stripe& at = stripe(conv);
    std::lock_guard lock(at.mutex);
    const auto found = at.conversations.find(conv);
    if (found == at.conversations.end()) continue;
    Entries& entries = found->second;
    const std::uint64_t up_to = seq;
    if (up_to >= entries.last) {
      at.conversations.erase(found);
      continue;
    }
    std::vector<IndexEntry>& list = entries.list;
    const auto keep =
        std::find_if(list.begin(), list.end(), [up_to](const IndexEntry& entry) { return entry.seq > up_to; });
    list.erase(list.begin(), keep);
    entries.first = list.front().seq;
  }
}

}  // namespace parley::store::standard
