#pragma once
#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/protocol/types.hpp"

namespace parley::store::standard {

/// Where an entry stands in the journal, and what folding needs to know of it.
struct IndexEntry {
  std::uint64_t seq = 0;
  std::uint64_t counter = 0;      ///< of its batch
  std::uint64_t target = 0;       ///< of an edit or a recall
  std::uint32_t incarnation = 0;  ///< of its batch
  std::uint16_t index = 0;        ///< in its batch
  protocol::EntryType kind = protocol::EntryType::kText;
  protocol::Audience audience = protocol::Audience::kPublic;
};

/// The entries that are not known to be archived, by conversation: what is read from Redis instead of PostgreSQL. It
/// holds 32 bytes per entry and no bodies; the backlog's high-water mark bounds it.
/// Threads: any. Lanes add before they answer, everybody reads, the flusher removes; each conversation's stripe has a
/// leaf lock, held for a few entries only.
class UnflushedIndex {
 public:
  explicit UnflushedIndex(unsigned shards) : archived_(shards) {}

  /// Entries of a conversation come in the order of their seq; one that is there already, or was archived before its
  /// answer came back, is ignored. Returns the highest seq of the conversation that is archived.
  std::uint64_t add(ConversationId conv, unsigned shard, const IndexEntry& entry);

  struct Found {
    unsigned shard = 0;
    std::vector<IndexEntry> entries;  ///< by seq, without gaps; empty: everything is archived
  };
  Found of(ConversationId conv) const;
  /// Seq of the first entry that is not archived; nullopt: all are.
  std::optional<std::uint64_t> first(ConversationId conv) const;

  /// Everything of the shard up to this counter is archived.
  std::uint64_t archived_counter(unsigned shard) const { return archived_[shard].load(std::memory_order_relaxed); }

  /// Everything of `shard` up to `counter` is archived; `heads`: the conversations of that with their archived seq.
  void archived(unsigned shard, std::uint64_t counter,
                const std::vector<std::pair<ConversationId, std::uint64_t>>& heads);

 private:
  struct Entries {
    unsigned shard = 0;
    std::uint64_t first = 0, last = 0;  // seqs in the list, so that adding does not wait for its cold memory
    std::vector<IndexEntry> list;
  };
  struct alignas(64) Stripe {
    mutable std::mutex mutex;  // leaf lock
    boost::unordered_flat_map<ConversationId, Entries, std::hash<ConversationId>>
        conversations;  // in one piece: two cache misses, not four
  };
  static constexpr std::size_t kStripes = 64;
  Stripe& stripe(ConversationId conv) { return stripes_[std::hash<ConversationId>{}(conv) % kStripes]; }
  const Stripe& stripe(ConversationId conv) const { return stripes_[std::hash<ConversationId>{}(conv) % kStripes]; }

  std::array<Stripe, kStripes> stripes_;
  std::vector<std::atomic<std::uint64_t>> archived_;  // per shard: counter
};

}  // namespace parley::store::standard
