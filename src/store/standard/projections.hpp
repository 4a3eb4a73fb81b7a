#pragma once
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "parley/domain/conversation.hpp"

namespace parley::store::standard {

/// Facts of an entry that own their text.
struct OwnedFacts {
  domain::EntryFacts facts;  ///< without text
  std::string text;
  void apply_to(domain::ConversationMeta& meta) const {
    domain::EntryFacts with_text = facts;
    with_text.text = text;
    domain::apply(meta, with_text);
  }
};

/// The conversations that a lane appends to, as their entries made them: what is written behind to Redis, and the
/// fastest way to load one again. The least recently used clean ones are forgotten. Threads: the lane's reactor.
class Projections {
 public:
  explicit Projections(std::size_t keep_max) : keep_max_(keep_max) {}

  /// A new conversation, before its first entry is applied.
  void open(domain::ConversationMeta meta);
  /// What was read elsewhere; entries applied here meanwhile go on top. Ignored if what is known is newer.
  void put(domain::ConversationMeta meta);
  /// The next entry of a conversation. Of one that is not known the facts wait for put().
  void apply(TenantId tenant, ConversationId conv, OwnedFacts facts);

  /// Null if it is not known, or not completely.
  const domain::ConversationMeta* find(ConversationId conv);

  /// Those that changed since they were written; they count as written from now on.
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
  bool has_dirty() const noexcept { return !dirty_.empty() || !wanted_.empty(); }
  void trim();

 private:
  struct Known {
    domain::ConversationMeta meta;
    bool complete = false;
    bool dirty = false;
    bool wanted = false;
    std::vector<OwnedFacts> waiting;
  };
  using Order = std::list<Known>;
  Known& touch(ConversationId conv);
  void note_dirty(Known& known);
  void want(Known& known);

  const std::size_t keep_max_;
  Order order_;  // newest first
  std::unordered_map<ConversationId, Order::iterator> all_;
  std::vector<ConversationId> dirty_;
  std::vector<ConversationId> wanted_;
};

}  // namespace parley::store::standard
