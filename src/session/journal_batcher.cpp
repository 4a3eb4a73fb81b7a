#include "journal_batcher.hpp"

namespace parley::session {

void JournalBatcher::add(store::Append append, Done done) {
  check_home();
  if (items_.empty()) home().at_turn_end([this] { submit(); });
  items_.push_back(std::move(append));
  dones_.push_back(std::move(done));
}

void JournalBatcher::submit() {
  auto batch = std::make_shared<Batch>();
  batch->dones.swap(dones_);
  std::vector<store::Append> items;
  items.swap(items_);
  open_.push_back(batch);
  const bool taken = journal_.submit(std::move(items), [this, batch](std::vector<store::Appended> results) {
    batch->results = std::move(results);
    batch->answered = true;
    deliver();
  });
  if (taken) return;
  store::Appended busy;
  busy.code = store::Code::kBusy;
  batch->results.assign(batch->dones.size(), busy);
  batch->answered = true;
  deliver();
}

void JournalBatcher::deliver() {
  while (!open_.empty() && open_.front()->answered) {
    const std::shared_ptr<Batch> batch = std::move(open_.front());
    open_.pop_front();
    for (std::size_t i = 0; i < batch->dones.size(); ++i) batch->dones[i](batch->results[i]);
  }
}

}  // namespace parley::session
