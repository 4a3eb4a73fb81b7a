#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "conversation_numbers.hpp"
#include "journal_shared.hpp"
#include "parley/base/reactor.hpp"
#include "parley/store/journal.hpp"
#include "projections.hpp"
#include "redis/client.hpp"
#include "redis/functions.hpp"

namespace parley::store::standard {

/// The way of one reactor's appends into Redis. What waits when a batch comes back is the next one; at most two are on
/// their way per shard. Each batch is answered when it comes back, whatever became of others.
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
  /// What people see in lists, of up to `count` conversations; idle() says when nothing of it is left.
  void write_projections(std::size_t count);
  /// Everything is answered and written.
  bool idle() const noexcept {
    return queued_items_ == 0 && ready_.answers.empty() && !projections_.has_dirty() && projecting_ == 0;
  }
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
  void archived(std::span<const std::pair<ConversationId, std::uint64_t>> heads) const {
    if (on_stable_) on_stable_(heads);
  }

 private:
  static constexpr std::chrono::milliseconds kRefuseAfter{1000};
  static constexpr std::chrono::milliseconds kRetryPause{100};

  /// What was handed over together. Its items stay where they are until the last one is answered. The count is not
  /// atomic: everything that holds one belongs to the home reactor.
  struct Submit : boost::intrusive_ref_counter<Submit, boost::thread_unsafe_counter> {
    std::vector<Append> items;
    Journal::OnAppended done;
  };
  using SubmitPtr = boost::intrusive_ptr<Submit>;
  struct Origin {
    SubmitPtr submit;         ///< null once it is answered
    std::uint32_t index = 0;  ///< in it
    std::uint32_t bytes = 0;
    const Append& append() const { return submit->items[index]; }
  };
  struct Item {
    Origin origin;
    redis::ItemNotes notes;                                    ///< with the number that is kept for what it opens
    bool is_open() const { return origin.submit != nullptr; }  ///< not answered
    const Append& append() const { return origin.append(); }
  };
  struct Batch {
    std::vector<const Append*> items;  ///< each as long as it is not answered
    std::vector<Origin> origins;
    std::vector<redis::ItemNotes> notes;
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
  /// Answers to be handed over, and who gets them: each one those up to `end`.
  struct Ready {
    struct Part {
      SubmitPtr submit;
      std::size_t end = 0;
    };
    std::vector<Journal::Answer> answers;
    std::vector<Part> parts;
    void add(SubmitPtr&& submit, std::size_t index, Appended&& result);
  };
  struct Tick;

  // lane.cpp: the connections' changes, what is done from time to time, tasks
  void tick();
  void probe();
  void changed(bool connected, const std::string& reason);
  void trouble(const std::string& what);
  void run(const char* what, asio::awaitable<void> task);
  asio::awaitable<void> guarded(std::shared_ptr<JournalLane> self, asio::awaitable<void> task);

  // lane_take.cpp: what is taken or refused, and the answers
  bool is_away() const;
  void refuse(Item& item, Code code);
  void refuse_waiting(Code code);
  void answer(Origin& origin, Appended&& result);
  void tell_queued();
  void deliver();
  void deliver_soon();

  // lane_send.cpp: from what waits to batches on their way
  void pump(unsigned shard);
  void pump_all();
  BatchPtr next_batch(unsigned shard);
  bool take_number(Item& item);
  void ask_numbers(TenantId tenant);
  void refuse_unnumbered(TenantId tenant, Code code);
  void send(unsigned shard, BatchPtr batch);

  // lane_settle.cpp: what follows from the answers of Redis
  static bool passes(std::string_view error_word);
  void handle_arrived(unsigned shard);
  void handle(unsigned shard, Batch& batch, redis::AppendReply reply);
  void handle_error(unsigned shard, Batch& batch, const redis::Reply& reply);
  asio::awaitable<void> handle_replay(unsigned shard, BatchPtr batch, redis::AppendReply reply);
  void stored(unsigned shard, const Append& item, Appended& answer);

  // lane_replay.cpp: what was stored by a command whose answer was lost
  asio::awaitable<void> look_up(unsigned shard, const Batch& batch, redis::AppendReply& reply);
  asio::awaitable<void> look_up_archived(const Batch& batch, redis::AppendReply& reply);

  // lane_repair.cpp: what is sent again
  static Item take_back(Batch& batch, std::size_t i);
  void hold(unsigned shard, Batch& batch, std::chrono::milliseconds pause);
  void repair_if_quiet(unsigned shard);
  asio::awaitable<void> repair(unsigned shard);
  void send_again(unsigned shard);

  // lane_projections.cpp: what people see in lists
  asio::awaitable<void> project(unsigned shard, std::vector<redis::Projection> projections);
  asio::awaitable<void> complete(Projections::Wanted wanted);

  std::shared_ptr<JournalShared> shared_;
  Database& archive_;
  const std::string name_;
  Refresh refresh_;
  std::unique_ptr<redis::Client> appends_, reads_;
  std::unique_ptr<Tick> tick_;
  std::vector<Shard> shards_;
  ConversationNumbers numbers_;
  std::size_t queued_items_ = 0, queued_bytes_ = 0;  // not answered
  std::size_t told_items_ = 0;                       // queued_items_ as the others know it
  Ready ready_;
  Projections projections_;
  Journal::OnStable on_stable_;
  unsigned tasks_ = 0, ticks_ = 0, projecting_ = 0, connection_ = 0;
  bool started_ = false, closed_ = false, troubled_ = false, deliver_posted_ = false, probing_ = false;
  std::atomic<std::uint64_t> reconnects_{0};
};

}  // namespace parley::store::standard
