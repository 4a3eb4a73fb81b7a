#pragma once
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "journal_model.hpp"

namespace parley::sim {

/// The place that orders the conversation: dedup, rules, stages, journal, answers, fan-out. All of it is lost in a
/// crash.
class HomeModel {
 public:
  /// Where answers go.
  using Reply = std::function<void(ConnectionId, ToClient)>;
  static constexpr std::int64_t kReopenWindowNs = 60'000'000'000;
  static constexpr std::size_t kCatchUpMax = 6, kPageMax = 4;

  HomeModel(JournalModel& journal, const Flaws& flaws, Reply reply)
      : journal_(journal), flaws_(flaws), reply_(std::move(reply)) {
    wake();
  }

  void on_hello(ConnectionId connection, const Actor& actor, std::uint64_t cursor);
  void on_closed(ConnectionId connection) { members_.erase(connection); }
  void on_send(ConnectionId connection, const Actor& actor, const Send& send, std::int64_t now_ns);
  void on_sync(ConnectionId connection, const Actor& actor, std::uint64_t after);

  bool has_submitted() const { return !submitted_.empty(); }
  bool has_results() const { return !results_.empty(); }
  /// The journal commits the oldest `count` items, all or nothing. `full`: the disk is; then it refuses all that it
  /// has.
  void commit(std::size_t count, bool full);
  /// At most `count` results reach the home, oldest first, whatever commit they are from: answers and fan-out.
  void deliver_results(std::size_t count);
  void crash();

  bool strict_words = false;  ///< the word list blocks bodies divisible by 5

 private:
  struct Flight {
    Item item;
    ConnectionId reply_to = 0;
  };
  void wake();
  Code judge(const Actor& actor, const Send& send, std::int64_t now_ns, Item& item) const;
  domain::ConversationMeta projected() const;
  bool answer_from_memory(ConnectionId connection, const Actor& actor, const Send& send);
  void answer(const Flight& flight, const Appended& result);
  void fan_out(const Item& item, const Appended& result);
  void error(ConnectionId connection, const Send& send, Code code, std::uint64_t expected = 0);

  JournalModel& journal_;
  const Flaws& flaws_;
  Reply reply_;
  domain::ConversationMeta meta_;  // committed, as this home knows it
  std::unordered_map<domain::SenderKey, domain::SenderState, domain::SenderKeyHash> senders_;  // the same
  std::map<ConnectionId, Actor> members_;
  std::deque<Flight> flights_;    // everything without an answer, in order
  std::deque<Item> submitted_;    // of these, what the journal has not taken up
  std::deque<Appended> results_;  // committed or refused, not yet known here
  std::size_t refused_ = 0;       // of these
};

}  // namespace parley::sim
