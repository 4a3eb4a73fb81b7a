#include "folding.hpp"

#include <algorithm>

#include "body_codec.hpp"

namespace parley::store::standard {
namespace {

bool folds(const IndexEntry& entry) {
  return entry.target != 0 && entry.target < entry.seq &&
         (entry.kind == EntryType::kEdit || entry.kind == EntryType::kRecall);
}

}  // namespace

Folding::Folding(const std::vector<IndexEntry>& entries, const std::unordered_map<std::uint64_t, Archived>& targets) {
  for (const IndexEntry& entry : entries) {
    if (!folds(entry)) continue;
    auto [at, is_new] = changes_.try_emplace(entry.target);
    if (is_new) {
      const auto known = targets.find(entry.target);
      at->second.rev = known == targets.end() ? entry.target : known->second.rev;
      at->second.erased = known != targets.end() && known->second.erased;
    }
    // A copy, because another insertion may move what `at` points to; also the archive may be ahead of the index.
    Change target = at->second;
    if (target.erased || target.rev >= entry.seq) continue;
    const std::uint64_t earlier = target.rev;
    target.rev = entry.seq;
    target.erased = entry.kind == EntryType::kRecall;
    target.edit = target.erased ? 0 : entry.seq;
    at->second = target;
    if (earlier == entry.target) continue;
    // The edit before this one still holds the text that has just been replaced.
    Change& replaced = changes_[earlier];
    if (!replaced.erased) replaced = {entry.seq, true, 0};
  }
}

const Folding::Change* Folding::of(std::uint64_t seq) const {
  const auto found = changes_.find(seq);
  return found == changes_.end() ? nullptr : &found->second;
}

void Folding::apply(const Change& change, const std::string& edit_body, StoredEntry& entry) {
  if (entry.recalled || change.rev <= entry.rev) return;
  entry.rev = change.rev;
  if (change.erased) {
    entry.recalled = true;
    entry.body.clear();
  } else if (change.edit != 0) {
    entry.body = with_text_of(entry.body, edit_body);
  }
}

std::vector<std::uint64_t> archived_targets(const std::vector<IndexEntry>& entries) {
  std::vector<std::uint64_t> targets;
  for (const IndexEntry& entry : entries) {
    if (folds(entry) && entry.target < entries.front().seq) targets.push_back(entry.target);
  }
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  return targets;
}

}  // namespace parley::store::standard
