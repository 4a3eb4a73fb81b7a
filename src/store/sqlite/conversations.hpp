#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connection.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/domain/sender.hpp"
#include "parley/store/journal.hpp"
#include "sender_results.hpp"

namespace parley::store {

/// What is remembered of one sender, and whether its row is behind.
struct Sender {
  domain::SenderState state;
  bool dirty = false;
};

/// A conversation in the writer's memory.
struct Conversation {
  domain::ConversationMeta meta;  ///< tenant and id are set even if it does not exist
  bool exists = false;            ///< it has a row; else only refusals may be remembered
  bool dirty = false;             ///< its rows are behind
  std::uint64_t applied_pos = 0;
  std::unordered_map<domain::SenderKey, Sender, domain::SenderKeyHash> senders;

 private:
  friend class Conversations;
  Conversation* newer = nullptr;  // by last use
  Conversation* older = nullptr;
};

/// The conversations that the writer works on: read from their rows when first needed, the least recently used
/// forgotten. What messages change is written to the rows later (flush_some), because a row per message would triple
/// the cost of an append; replay() makes up for it after a crash. Threads: the writer.
class Conversations {
 public:
  Conversations(Connection& db, std::size_t keep_max);

  /// The reference is good until the next trim() or forget_all(). Throws SqlError.
  Conversation& get(TenantId tenant_if_new, ConversationId id);
  /// In memory and newer than its row.
  bool is_dirty(ConversationId id) const;
  Conversation* find(ConversationId id);

  void insert_row(const domain::ConversationMeta& meta, std::uint64_t applied_pos);
  /// The whole row, status and owner too.
  void update_row(const domain::ConversationMeta& meta, std::uint64_t applied_pos);
  void mark_dirty(Conversation& conversation);

  /// The conversation of this visitor on this channel that is not closed; 0 if there is none.
  ConversationId open_one(TenantId tenant, ChannelId channel, VisitorId visitor);

  std::size_t dirty() const noexcept { return dirty_.size() + flushing_.size(); }
  const std::vector<Conversation*>& dirty_list() const noexcept { return dirty_; }
  const std::vector<Conversation*>& flushing_list() const noexcept { return flushing_; }
  /// Writes rows of up to `count` dirty conversations in the transaction that is open. True when all that were dirty
  /// when the round began (at position `now_pos`, which is then noted as projected) are written. After a rollback call
  /// flush_failed().
  bool flush_some(std::size_t count, std::uint64_t now_pos);
  void flush_committed();
  void flush_failed();

  /// Forgets what was not used lately and is not dirty.
  void trim();
  /// Everything, dirty or not: memory may be ahead of the file.
  void forget_all();
  std::size_t size() const noexcept { return all_.size(); }

  /// Applies the rows of message that came after the last flush. Returns the last journal position.
  std::uint64_t replay();

 private:
  void load(Conversation& conversation);
  void write_senders(const Conversation& conversation);
  void touch(Conversation& conversation);
  void unlink(Conversation& conversation);
  void bind_hot(Statement& statement, int first, const domain::ConversationMeta& meta, std::uint64_t applied_pos);

  Connection& db_;
  const std::size_t keep_max_;
  std::unordered_map<ConversationId, std::unique_ptr<Conversation>> all_;
  Conversation* newest_ = nullptr;
  Conversation* oldest_ = nullptr;
  std::vector<Conversation*> dirty_;     // since the present round of flushing began
  std::vector<Conversation*> flushing_;  // of that round, still to be written
  std::vector<Conversation*> written_;   // by the transaction that is open
  std::uint64_t round_pos_ = 0;
  Statement select_, select_senders_, insert_, update_hot_, update_state_, upsert_sender_, open_one_, projected_;
  std::string results_;  // reused
};

}  // namespace parley::store
