#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/store/journal.hpp"

namespace parley::session {

/// Collects what the homes of one reactor append during a turn and hands it to the journal as one batch at the turn's
/// end.
class JournalBatcher : private ReactorBound {
 public:
  using Done = std::function<void(const store::Appended&)>;
  JournalBatcher(Reactor& home, store::Journal& journal) : ReactorBound(home), journal_(journal) {}
  /// `done` runs once, at home, in the order of add() over all batches. A full journal queue answers kBusy, also in
  /// that order: homes count on the answers of a sender coming as its sends went.
  void add(store::Append append, Done done);

 private:
  struct Batch {
    std::vector<Done> dones;
    std::vector<store::Appended> results;
    bool answered = false;
  };
  void submit();
  void deliver();

  store::Journal& journal_;
  std::vector<store::Append> items_;
  std::vector<Done> dones_;
  std::deque<std::shared_ptr<Batch>> open_;  // handed over, oldest first
};

}  // namespace parley::session
