#include "projections.hpp"

#include <utility>

namespace parley::store::standard {
namespace {
constexpr std::size_t kWaitingMax = 256;  // facts of one conversation; beyond, put() brings what is missing
}

Projections::Known& Projections::touch(ConversationId conv) {
  const auto [at, is_new] = all_.try_emplace(conv);
  if (is_new) {
    order_.emplace_front();
    order_.front().meta.id = conv;
    at->second = order_.begin();
  } else {
    order_.splice(order_.begin(), order_, at->second);
  }
  return order_.front();
}

void Projections::note_dirty(Known& known) {
  if (known.dirty) return;
  known.dirty = true;
  dirty_.push_back(known.meta.id);
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

void Projections::apply(TenantId tenant, ConversationId conv, OwnedFacts facts) {
  Known& known = touch(conv);
  if (known.complete && facts.facts.seq == known.meta.head + 1) {
    facts.apply_to(known.meta);
    return note_dirty(known);
  }
  if (known.complete && facts.facts.seq <= known.meta.head) return;
  known.complete = false;
  known.meta.tenant = tenant;
  if (known.waiting.size() < kWaitingMax) known.waiting.push_back(std::move(facts));
  want(known);
}

const domain::ConversationMeta* Projections::find(ConversationId conv) {
  const auto found = all_.find(conv);
  return found != all_.end() && found->second->complete ? &found->second->meta : nullptr;
}

std::vector<domain::ConversationMeta> Projections::take_dirty(std::size_t count) {
  std::vector<domain::ConversationMeta> taken;
  while (!dirty_.empty() && taken.size() < count) {
    const auto found = all_.find(dirty_.back());
    dirty_.pop_back();
    if (found == all_.end()) continue;
    found->second->dirty = false;
    if (found->second->complete) taken.push_back(found->second->meta);
  }
  return taken;
}

void Projections::mark_dirty(ConversationId conv) {
  const auto found = all_.find(conv);
  if (found != all_.end()) note_dirty(*found->second);
}

std::vector<Projections::Wanted> Projections::take_wanted() {
  std::vector<Wanted> taken;
  for (const ConversationId conv : std::exchange(wanted_, {})) {
    const auto found = all_.find(conv);
    if (found == all_.end() || !found->second->wanted) continue;
    taken.push_back({found->second->meta.tenant, conv});
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
  if (found != all_.end() && found->second->wanted) wanted_.push_back(conv);
}

void Projections::trim() {
  while (all_.size() > keep_max_) {
    const Known& oldest = order_.back();
    if (oldest.dirty || oldest.wanted) return;  // it will be written or completed soon
    all_.erase(oldest.meta.id);
    order_.pop_back();
  }
}

}  // namespace parley::store::standard
