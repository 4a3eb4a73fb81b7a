#include "projections.hpp"

#include <algorithm>
#include <utility>

namespace parley::store::standard {
namespace {
constexpr std::size_t kWaitingMax = 256;  // facts of one conversation; beyond, put() brings what is missing
}

void Projections::OwnedFacts::apply_to(domain::ConversationMeta& meta) const {
  domain::EntryFacts with_text = facts;
  with_text.text = text;
  domain::apply(meta, with_text);
}

Projections::Known& Projections::touch(ConversationId conv) {
  Place& place = all_[conv];
  place.used = ++uses_;
  if (!place.known) {
    place.known = std::make_unique<Known>();
    place.known->meta.id = conv;
  }
  return *place.known;
}

void Projections::note_dirty(Known& known) {
  if (known.dirty) return;
  known.dirty = true;
  dirty_.push_back(&known);
}

void Projections::open(domain::ConversationMeta meta) {
  Known& known = touch(meta.id);
  known.meta = std::move(meta);
  known.complete = true;
  known.waiting.clear();
}

void Projections::put(domain::ConversationMeta meta) {
  Known& known = touch(meta.id);
  known.wanted = false;
  if (!known.complete || known.meta.head < meta.head) known.meta = std::move(meta);
  known.complete = true;
  if (known.waiting.empty()) return;
  for (const OwnedFacts& facts : std::exchange(known.waiting, {})) {
    if (facts.facts.seq > known.meta.head + 1) {
      known.complete = false;  // entries are missing in between
      return want(known);
    }
    facts.apply_to(known.meta);
  }
  note_dirty(known);
}

void Projections::apply(TenantId tenant, ConversationId conv, const domain::EntryFacts& facts) {
  Known& known = touch(conv);
  if (known.complete && facts.seq == known.meta.head + 1) {
    domain::apply(known.meta, facts);
    return note_dirty(known);
  }
  if (known.complete && facts.seq <= known.meta.head) return;
  known.complete = false;
  known.meta.tenant = tenant;
  if (known.waiting.size() < kWaitingMax) {
    OwnedFacts& copy = known.waiting.emplace_back(OwnedFacts{facts, std::string(facts.text)});
    copy.facts.text = {};
  }
  want(known);
}

void Projections::expect(ConversationId conv) const {
  constexpr std::size_t kLine = 64;
  const auto found = all_.find(conv);
  if (found == all_.end()) return;
  const char* const known = reinterpret_cast<const char*>(found->second.known.get());
  for (std::size_t at = 0; at < sizeof(Known); at += kLine) __builtin_prefetch(known + at, 1);
}

const domain::ConversationMeta* Projections::find(ConversationId conv) {
  const auto found = all_.find(conv);
  return found != all_.end() && found->second.known->complete ? &found->second.known->meta : nullptr;
}

std::vector<domain::ConversationMeta> Projections::take_dirty(std::size_t count) {
  std::vector<domain::ConversationMeta> taken;
  while (!dirty_.empty() && taken.size() < count) {
    Known& known = *dirty_.front();
    dirty_.pop_front();
    known.dirty = false;
    if (known.complete) taken.push_back(known.meta);
  }
  return taken;
}

void Projections::mark_dirty(ConversationId conv) {
  const auto found = all_.find(conv);
  if (found != all_.end()) note_dirty(*found->second.known);
}

std::vector<Projections::Wanted> Projections::take_wanted() {
  std::vector<Wanted> taken;
  for (const ConversationId conv : std::exchange(wanted_, {})) {
    const auto found = all_.find(conv);
    if (found == all_.end() || !found->second.known->wanted) continue;
    taken.push_back({found->second.known->meta.tenant, conv});
  }
  return taken;
}

void Projections::want(Known& known) {
  if (known.wanted) return;
  known.wanted = true;
  wanted_.push_back(known.meta.id);
}

void Projections::ask_again(ConversationId conv) {
  const auto found = all_.find(conv);
  if (found != all_.end() && found->second.known->wanted) wanted_.push_back(conv);
}

void Projections::trim() {
  if (all_.size() <= keep_max_ + keep_max_ / 8) return;  // looking at all of them has to pay off
  std::vector<std::pair<std::uint64_t, ConversationId>> uses;
  uses.reserve(all_.size());
  for (const auto& [conv, place] : all_) uses.emplace_back(place.used, conv);
  const auto kept = uses.end() - static_cast<std::ptrdiff_t>(keep_max_);
  std::nth_element(uses.begin(), kept, uses.end());
  for (auto use = uses.begin(); use != kept; ++use) {
    const auto found = all_.find(use->second);
    const Known& known = *found->second.known;
    if (!known.dirty && !known.wanted) all_.erase(found);  // others will be written or completed soon
  }
}

}  // namespace parley::store::standard
