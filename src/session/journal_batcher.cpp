#include "journal_batcher.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cassert>
#include <utility>

namespace parley::session {

void JournalBatcher::add(AppendOrder& order, store::Append append, AppendWaiter& waiter) {
  check_home();
  if (items_.empty()) home().at_turn_end([this] { submit(); });
  items_.push_back(std::move(append));
  waiting_.push_back({&order, ++order.handed_over_, &waiter});
}

void JournalBatcher::submit() {
  auto batch = std::make_shared<std::vector<Waiting>>();
  batch->swap(waiting_);
  std::vector<store::Append> items;
  items.swap(items_);
  items_.reserve(items.size());  // the next turn's are about as many
  const bool taken = journal_.submit(std::move(items), [this, batch](std::span<store::Journal::Answer> part) {
    for (store::Journal::Answer& answer : part)
      answered(std::exchange((*batch)[answer.index], {}), std::move(answer.result));
  });
  if (taken) return;
  store::Appended busy;
  busy.code = store::Code::kBusy;
  for (Waiting& waiting : *batch) answered(std::move(waiting), store::Appended(busy));
}

void JournalBatcher::answered(Waiting&& waiting, store::Appended&& result) {
  check_home();
  assert(waiting.waiter && "an item is answered once");
  if (!rest_.empty() || delivered_ >= kAnswersPerTurn) {
    rest_.push_back({std::move(waiting), std::move(result)});
    return;
  }
  deliver(std::move(waiting), std::move(result));
}

void JournalBatcher::deliver(Waiting&& waiting, store::Appended&& result) {
  if (delivered_++ == 0) home().at_turn_end([this] { end_turn(); });
  AppendOrder& order = *waiting.order;
  std::vector<AppendOrder::Early>& early = order.early_;
  if (waiting.place != order.answered_ + 1) {
    const auto behind =
        std::find_if(early.begin(), early.end(), [&](const auto& e) { return e.place > waiting.place; });
    early.insert(behind, {waiting.place, waiting.waiter, std::move(result)});
    return;
  }
  ++order.answered_;
  waiting.waiter->answered(result);
  while (!early.empty() && early.front().place == order.answered_ + 1) {
    const AppendOrder::Early next = std::move(early.front());
    early.erase(early.begin());
    ++order.answered_;
    next.waiter->answered(next.result);
  }
}

void JournalBatcher::deliver_rest() {
  rest_posted_ = false;
  // Never less than comes in, or the rest would grow as long as the load lasts.
  for (std::size_t left = std::max(kAnswersPerTurn, rest_.size() / 8); left > 0 && !rest_.empty(); --left) {
    Answered next = std::move(rest_.front());
    rest_.pop_front();
    deliver(std::move(next.waiting), std::move(next.result));
  }
}

void JournalBatcher::end_turn() {
  delivered_ = 0;
  if (rest_.empty() || rest_posted_) return;
  rest_posted_ = true;
  asio::post(home().context(), [this] { deliver_rest(); });  // in the next turn, since this one ends here
}

}  // namespace parley::session
