#pragma once
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "parley/domain/conversation.hpp"

namespace parley::store::standard {

/// The conversations that a lane appends to, as their entries made them: what is written behind to Redis, and the
/// fastest way to load one again. The least recently used clean ones are forgotten. Threads: the lane's reactor.
class Projections {
 public:
  explicit Projections(std::size_t keep_max) : keep_max_(keep_max) {}

  /// A new conversation, before its first entry is applied.
  void open(domain::ConversationMeta meta);
  /// What was read elsewhere; entries applied here meanwhile go on top. Ignored if what is known is newer.
  void put(domain::ConversationMeta meta);
  /// The next entry of a conversation. Of one that is not known a copy of the facts waits for put().
  void apply(TenantId tenant, ConversationId conv, const domain::EntryFacts& facts);

  /// apply() will come for this conversation, after a few others: what it needs is fetched into the caches.
  void expect(ConversationId conv) const;

  /// Null if it is not known, or not completely.
  const domain::ConversationMeta* find(ConversationId conv);

  /// Those that changed since they were written, the longest waiting first; they count as written from now on.
  std::vector<domain::ConversationMeta> take_dirty(std::size_t count);
  /// Writing failed: once more.
  void mark_dirty(ConversationId conv);
  /// Conversations with entries that wait for put(), each once.
  struct Wanted {
    TenantId tenant;
    ConversationId conv;
  };
  std::vector<Wanted> take_wanted();
  /// put() did not come: it is among the next take_wanted() again.
  void ask_again(ConversationId conv);
  std::size_t dirty_count() const noexcept { return dirty_.size(); }
  bool has_dirty() const noexcept { return !dirty_.empty() || !wanted_.empty(); }
  void trim();

 private:
  /// Facts of an entry that own their text.
  struct OwnedFacts {
    domain::EntryFacts facts;  // without text
    std::string text;
    void apply_to(domain::ConversationMeta& meta) const;
  };
  struct Known {
    bool complete = false;
    bool dirty = false;   // and in dirty_
    bool wanted = false;  // and in wanted_, or asked for
    domain::ConversationMeta meta;
    std::vector<OwnedFacts> waiting;
  };
  /// The use stands beside the pointer: who looks for the least recently used does not touch the conversations.
  struct Place {
    std::unique_ptr<Known> known;
    std::uint64_t used = 0;
  };
  Known& touch(ConversationId conv);
  void note_dirty(Known& known);
  void want(Known& known);

  const std::size_t keep_max_;
  boost::unordered_flat_map<ConversationId, Place, std::hash<ConversationId>> all_;
  std::uint64_t uses_ = 0;
  std::deque<Known*> dirty_;  // trim() leaves these alone
  std::vector<ConversationId> wanted_;
};

}  // namespace parley::store::standard
