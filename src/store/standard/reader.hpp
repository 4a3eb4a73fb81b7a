#pragma once
#include <map>
#include <memory>
#include <vector>

#include "journal_shared.hpp"
#include "lane.hpp"
#include "parley/store/database.hpp"
#include "parley/store/journal.hpp"

namespace parley::store::standard {

/// Reads conversations from wherever they are: the index says what is not archived, Redis has that and the state of
/// every conversation in use, PostgreSQL has the rest. Threads: the reactor of the lane that is passed; any lane will
/// do for any conversation.
class Reader {
 public:
  Reader(std::shared_ptr<JournalShared> shared, Database& archive) : shared_(std::move(shared)), archive_(archive) {}

  /// As the functions of Journal.
  asio::awaitable<Result<std::optional<ConversationState>>> load(JournalLane& lane, ConversationId conv);
  asio::awaitable<Result<std::optional<ConversationId>>> find_by_visitor(JournalLane& lane, ChannelId channel,
                                                                         VisitorId visitor);
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> open_conversations(JournalLane& lane, TenantId tenant);
  asio::awaitable<Result<Journal::Page>> read(JournalLane& lane, ConversationId conv, Journal::Range range);

  /// Brings the lane's projection of a conversation up to date.
  asio::awaitable<Result<>> refresh(JournalLane& lane, TenantId tenant, ConversationId conv);

 private:
  using Loaded = redis::LoadedConversation;
  using Logs = std::map<std::uint64_t, std::unique_ptr<redis::LogEntry>>;  ///< by counter
  struct Located {
    unsigned shard = 0;
    Loaded loaded;
  };
  /// Of the shards that may have it, the one that does; the core is missing if none does.
  asio::awaitable<Result<Located>> locate(JournalLane& lane, ConversationId conv, bool senders);
  /// What is in Redis, made up to date as far as its entries can be found.
  asio::awaitable<domain::ConversationMeta> bring_up(JournalLane& lane, unsigned shard, ConversationId conv,
                                                     const Loaded& loaded);
  /// The log entries in which `entries` stand; without those that the log has let go.
  asio::awaitable<Result<Logs>> fetch(JournalLane& lane, unsigned shard, const std::vector<IndexEntry>& entries);
  struct Plan;
  struct Archived;
  asio::awaitable<Result<Archived>> read_archive(ConversationId conv, const Plan& plan);
  /// nullopt: the index has moved on; once more.
  asio::awaitable<Result<std::optional<Journal::Page>>> read_once(JournalLane& lane, ConversationId conv,
                                                                  Journal::Range range);

  std::shared_ptr<JournalShared> shared_;
  Database& archive_;
};

}  // namespace parley::store::standard
