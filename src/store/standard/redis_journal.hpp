#pragma once
#include <memory>
#include <string>
#include <vector>

#include "journal_shared.hpp"
#include "lane.hpp"
#include "marks.hpp"
#include "parley/store/database.hpp"
#include "parley/store/journal.hpp"
#include "reader.hpp"
#include "redis/lease.hpp"

namespace parley::store::standard {

/// The journal over Redis Streams, with a lane per reactor. The first one also keeps the lease, reserves ids and writes
/// receipts. Lists of closed and of changed conversations come from the archive, so they may lag behind by the flush.
class RedisJournal final : public Journal {
 public:
  RedisJournal(std::shared_ptr<JournalShared> shared, redis::Lease lease, Database& archive);
  ~RedisJournal() override;

  /// As the functions of Store. `each_second` is called on the first reactor about once a second.
  void attach(const std::vector<Reactor*>& reactors, std::function<void()> each_second);
  void reserve_snowflakes(std::int64_t ms);
  /// Waits until everything accepted is answered and written behind, at most `patience`; then the lanes are closed.
  /// Not on a reactor.
  void close(std::chrono::milliseconds patience);
  std::uint64_t reconnects() const;
  /// The flusher's report.
  using Heads = std::vector<std::pair<ConversationId, std::uint64_t>>;
  void on_archived(unsigned shard, std::uint64_t counter, Heads heads);

  bool submit(std::vector<Append>&& batch, OnAppended done) override;
  asio::awaitable<Result<std::optional<ConversationState>>> load(ConversationId conv) override;
  asio::awaitable<Result<std::optional<ConversationId>>> find_by_visitor(ChannelId channel, VisitorId visitor) override;
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> open_conversations(TenantId tenant) override;
  asio::awaitable<Result<Page>> read(ConversationId conv, Range range) override;
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> closed_conversations(TenantId tenant,
                                                                                      std::uint64_t before,
                                                                                      unsigned limit) override;
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> changed_conversations(TenantId tenant,
                                                                                       std::uint64_t since,
                                                                                       unsigned limit) override;
  void save_marks(std::vector<Mark> marks) override { marks_.add(marks); }
  asio::awaitable<Result<std::vector<Mark>>> load_marks(ConversationId conv) override;
  void on_stable(OnStable handler) override;
  std::uint64_t stable(ConversationId conv, std::uint64_t head) const override;
  Health health() const override;

 private:
  /// Lists are read from the archive: waits, a moment only, until it has what the journal has now, so that whoever
  /// closed a conversation finds it among the closed ones.
  asio::awaitable<void> archive_catches_up(TenantId tenant) const;
  class Keeper;
  JournalLane* lane() const;
  std::shared_ptr<JournalShared> shared_;
  redis::Lease lease_;
  Database& archive_;
  Reader reader_;
  PendingMarks marks_;
  std::vector<std::shared_ptr<JournalLane>> lanes_;
  std::shared_ptr<Keeper> keeper_;
  std::atomic<bool> closed_{false};
};

}  // namespace parley::store::standard
