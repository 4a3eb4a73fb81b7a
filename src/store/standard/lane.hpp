#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "journal_shared.hpp"
#include "parley/base/reactor.hpp"
#include "parley/store/journal.hpp"
#include "projections.hpp"
#include "redis/client.hpp"
#include "redis/functions.hpp"

namespace parley::store::standard {

/// The way of one reactor's appends into Redis. What waits when a batch comes back is the next one; at most two are on
/// their way per shard. Answers come in the order of the submits.
///
/// What may happen to a batch:
///   connection lost   the client sends it again on the next connection; an item that was stored the first time comes
///                     back as a repeat of itself (same id), and its place is looked up in the log
///   core missing      the conversation was archived and evicted: it is restored from the archive and the items are
///                     sent again, before anything newer of that shard
///   function missing  Redis was restarted without the library: it is loaded and the batch sent again
///   refused           full (kJournalFull), or this process does not own the store any more (kJournalDown, for good)
/// While there has been no connection for a second, items that were never sent are refused with kJournalDown.
/// Threads: the home reactor, but for the constructor.
class JournalLane : private ReactorBound, public std::enable_shared_from_this<JournalLane> {
 public:
  /// Brings the projection of a conversation up to its head, from wherever its entries are.
  using Refresh = std::function<asio::awaitable<Result<>>(TenantId, ConversationId)>;

  JournalLane(Reactor& home, std::shared_ptr<JournalShared> shared, Database& archive, unsigned number);
  ~JournalLane();
  void start(Refresh refresh);
  using ReactorBound::home;

  /// As Journal::submit().
  bool submit(std::vector<Append>&& batch, Journal::OnAppended done);
  /// Ends both connections; what is not answered by now never will be. Later submits are refused.
  void close();
  /// Everything is answered and written.
  bool idle() const noexcept { return open_.empty() && !projections_.has_dirty() && projecting_ == 0; }
  /// Nothing of it runs any more: after close().
  bool ended() const noexcept { return tasks_ == 0; }

  /// For reading, beside the appends. Commands fail after `deadline`.
  asio::awaitable<Result<redis::Reply>> call(redis::Command command);
  /// All at once; fails if one of them does. Error replies fail, too.
  asio::awaitable<Result<std::vector<redis::Reply>>> call_all(std::vector<redis::Command> commands);
  static constexpr std::chrono::milliseconds kReadDeadline{3000};

  Projections& projections() noexcept { return projections_; }
  JournalShared& shared() noexcept { return *shared_; }
  /// Restores a conversation that is only in the archive. False: it is not there either.
  asio::awaitable<Result<bool>> restore(ConversationId conv);
  std::uint64_t reconnects() const noexcept;  ///< any thread

  void on_stable(Journal::OnStable handler) { on_stable_ = std::move(handler); }
  void archived(const std::vector<std::pair<ConversationId, std::uint64_t>>& heads) const {
    if (on_stable_) on_stable_(heads);
  }

 private:
  struct Submit {
    std::vector<Appended> answers;
    std::size_t left = 0;
    Journal::OnAppended done;
  };
  /// One item on its way.
  struct Item {
    Append append;
    redis::ItemNotes notes;  ///< with the number that is kept for what it opens
    std::shared_ptr<Submit> submit;
    std::size_t index = 0;  ///< in it
    std::size_t bytes = 0;
  };
  /// What of an Item the command does not need.
  struct Origin {
    redis::ItemNotes notes;
    std::shared_ptr<Submit> submit;
    std::size_t index = 0;
    std::size_t bytes = 0;
  };
  struct Batch {
    std::vector<Append> items;
    std::vector<Origin> origins;
    redis::AppendCommand command;  ///< without the command itself, once it is sent
    std::uint64_t floor = 0;
    unsigned connection = 0;  ///< on which it was sent first
    std::chrono::steady_clock::time_point sent;
  };
  using BatchPtr = std::shared_ptr<Batch>;
  struct Shard {
    std::deque<Item> waiting;
    std::vector<Item> again;  ///< not stored, to be sent again before what waits
    std::deque<std::pair<BatchPtr, redis::Reply>> arrived;
    std::set<ConversationId> missing;  ///< to be restored before that
    unsigned in_flight = 0;            ///< not handled yet
    bool handling = false;             ///< an answer, in a coroutine
    bool held = false;                 ///< nothing is sent until `again` was dealt with
    bool repairing = false;
    bool library = false;  ///< to be loaded before that
    std::chrono::steady_clock::time_point retry_at{};
  };
  struct Numbers {
    std::set<std::uint64_t> free;
    bool asked = false;
  };
  struct Tick;

  static Item item_of(Batch& batch, std::size_t i);
  void pump(unsigned shard);
  void pump_all();
  BatchPtr next_batch(unsigned shard);
  bool take_number(Item& item);
  void ask_numbers(TenantId tenant);
  void give_back(const Append& item, const redis::ItemNotes& notes, const redis::Outcome& outcome);
  void send(unsigned shard, BatchPtr batch);

  void handle_arrived(unsigned shard);
  void handle(unsigned shard, Batch& batch, redis::AppendReply reply);
  void handle_error(unsigned shard, Batch& batch, const redis::Reply& reply);
  asio::awaitable<void> handle_replay(unsigned shard, BatchPtr batch, redis::AppendReply reply);
  asio::awaitable<void> look_up(unsigned shard, const Batch& batch, redis::AppendReply& reply);
  asio::awaitable<void> look_up_archived(const Batch& batch, redis::AppendReply& reply);
  void stored(unsigned shard, const Append& item, const redis::Outcome& outcome);

  void hold(unsigned shard, Batch& batch, std::chrono::milliseconds pause);
  void repair_if_quiet(unsigned shard);
  asio::awaitable<void> repair(unsigned shard);
  void send_again(unsigned shard);

  void answer(const Origin& origin, Appended answer);
  void refuse(Item& item, Code code);
  void refuse_waiting(Code code);
  void deliver();
  void deliver_soon();
  void tick();
  void probe();
  void changed(bool connected, const std::string& reason);
  void trouble(const std::string& what);
  void write_projections();
  asio::awaitable<void> project(unsigned shard, std::vector<redis::Projection> projections);
  asio::awaitable<void> complete(Projections::Wanted wanted);
  void run(const char* what, asio::awaitable<void> task);
  asio::awaitable<void> guarded(std::shared_ptr<JournalLane> self, asio::awaitable<void> task);

  std::shared_ptr<JournalShared> shared_;
  Database& archive_;
  const std::string name_;
  Refresh refresh_;
  std::unique_ptr<redis::Client> appends_, reads_;
  std::unique_ptr<Tick> tick_;
  std::vector<Shard> shards_;
  std::unordered_map<TenantId, Numbers> numbers_;
  std::deque<std::shared_ptr<Submit>> open_;
  std::size_t queued_items_ = 0, queued_bytes_ = 0;
  Projections projections_;
  Journal::OnStable on_stable_;
  unsigned tasks_ = 0, ticks_ = 0, projecting_ = 0, connection_ = 0;
  bool started_ = false, closed_ = false, troubled_ = false, deliver_posted_ = false, probing_ = false;
  std::atomic<std::uint64_t> reconnects_{0};
};

}  // namespace parley::store::standard
