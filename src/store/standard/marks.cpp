#include "marks.hpp"

#include <algorithm>

namespace parley::store::standard {
namespace {
constexpr std::size_t kWaitingMax = 65536;
}

void PendingMarks::add(const std::vector<Journal::Mark>& marks) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() + marks.size() > kWaitingMax) return;
  for (const Journal::Mark& mark : marks) {
    Position& position = waiting_[{mark.conv, mark.who}];
    position.rcv = std::max(position.rcv, mark.rcv);
    position.read = std::max(position.read, mark.read);
  }
}

std::vector<Journal::Mark> PendingMarks::take() {
  std::vector<Journal::Mark> marks;
  std::lock_guard lock(mutex_);
  writing_ = std::move(waiting_);
  waiting_.clear();
  marks.reserve(writing_.size());
  for (const auto& [key, position] : writing_) marks.push_back({key.first, key.second, position.rcv, position.read});
  return marks;
}

void PendingMarks::written() {
  std::lock_guard lock(mutex_);
  writing_.clear();
}

void PendingMarks::merge(ConversationId conv, std::vector<Journal::Mark>& marks) const {
  std::lock_guard lock(mutex_);
  for (const Positions* positions : {&writing_, &waiting_}) {
    for (auto at = positions->lower_bound({conv, Principal{PrincipalKind{}, 0}});
         at != positions->end() && at->first.first == conv; ++at) {
      const Principal who = at->first.second;
      auto mark = std::find_if(marks.begin(), marks.end(), [&](const Journal::Mark& m) { return m.who == who; });
      if (mark == marks.end()) mark = marks.insert(marks.end(), {conv, who, 0, 0});
      mark->rcv = std::max(mark->rcv, at->second.rcv);
      mark->read = std::max(mark->read, at->second.read);
    }
  }
  std::sort(marks.begin(), marks.end(), [](const Journal::Mark& a, const Journal::Mark& b) { return a.who < b.who; });
}

}  // namespace parley::store::standard
