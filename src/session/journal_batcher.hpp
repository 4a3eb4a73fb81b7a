#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/store/journal.hpp"

namespace parley::session {

/// Waits for the answer to one append. It stays until then, and may be gone afterwards. A journal that is lost or
/// closed never answers.
class AppendWaiter {
 public:
  virtual void answered(const store::Appended& result) = 0;  ///< once

 protected:
  ~AppendWaiter() = default;
};

/// The appends of one conversation: which are on their way, and answers that came before their turn. Part of the
/// conversation, which must stay where it is while something is on its way.
class AppendOrder {
 public:
  std::size_t in_flight() const noexcept { return static_cast<std::size_t>(handed_over_ - answered_); }
  std::uint64_t handed_over() const noexcept { return handed_over_; }  ///< counts them since the load
  /// Something was refused, and nobody knows yet, because it waits for the answers to what came before.
  bool refused() const noexcept { return !early_.empty(); }

 private:
  friend class JournalBatcher;
  struct Early {
    std::uint64_t place = 0;
    AppendWaiter* waiter = nullptr;
    store::Appended result;
  };
  std::uint64_t handed_over_ = 0, answered_ = 0;
  std::vector<Early> early_;  // by place
};

/// Collects what the homes of one reactor append during a turn and hands it to the journal as one batch at the turn's
/// end. Its answers go to whoever added the items: those of a conversation in the order of add(), others as they come,
/// so that nobody waits for the answer to somebody else. The many answers of a large commit are handed on in parts, one
/// per turn, so that sockets get their output in between.
class JournalBatcher : private ReactorBound {
 public:
  /// So many a turn; an eighth of what waits, if that is more.
  static constexpr std::size_t kAnswersPerTurn = 256;

  JournalBatcher(Reactor& home, store::Journal& journal) : ReactorBound(home), journal_(journal) {}
  /// `waiter` is answered once, at home, later; `order` is that of the item's conversation. A full journal queue
  /// answers kBusy.
  void add(AppendOrder& order, store::Append append, AppendWaiter& waiter);

 private:
  struct Waiting {
    AppendOrder* order = nullptr;
    std::uint64_t place = 0;  // in it
    AppendWaiter* waiter = nullptr;
  };
  struct Answered {
    Waiting waiting;
    store::Appended result;
  };
  void submit();
  void answered(Waiting&& waiting, store::Appended&& result);
  void deliver(Waiting&& waiting, store::Appended&& result);
  void deliver_rest();
  void end_turn();

  store::Journal& journal_;
  std::vector<store::Append> items_;
  std::vector<Waiting> waiting_;  // for the answers to items_
  std::deque<Answered> rest_;     // answers for later turns
  std::size_t delivered_ = 0;     // in this turn
  bool rest_posted_ = false;
};

}  // namespace parley::session
