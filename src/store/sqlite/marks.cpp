#include "marks.hpp"

#include <algorithm>

namespace parley::store {
namespace {
constexpr std::size_t kInboxMax = 65536;
}

Marks::Marks(Connection& db)
    : upsert_(db,
              "insert into receipt (conv, principal_kind, principal_id, tenant_id, rcv_seq, read_seq) values (?, ?, ?, "
              "?, ?, ?) on conflict (conv, principal_kind, principal_id) "
              "do update set rcv_seq = max(rcv_seq, excluded.rcv_seq), read_seq = max(read_seq, excluded.read_seq)"),
      select_(db, "select principal_kind, principal_id, rcv_seq, read_seq from receipt where conv = ?") {}

bool Marks::add(std::vector<Journal::Mark> marks) {
  std::lock_guard lock(mutex_);
  const bool first = inbox_.empty();
  if (inbox_.size() + marks.size() > kInboxMax) return false;
  inbox_.insert(inbox_.end(), marks.begin(), marks.end());
  return first;
}

void Marks::take_inbox() {
  std::vector<Journal::Mark> taken;
  {
    std::lock_guard lock(mutex_);
    taken.swap(inbox_);
  }
  for (const Journal::Mark& mark : taken) {
    Position& position = pending_[{mark.conv, mark.who}];
    position.rcv = std::max(position.rcv, mark.rcv);
    position.read = std::max(position.read, mark.read);
  }
}

bool Marks::pending() {
  take_inbox();
  return !pending_.empty();
}

void Marks::write(Conversations& conversations) {
  for (const auto& [key, position] : pending_) {
    const Conversation& conversation = conversations.get(TenantId{}, key.first);
    if (!conversation.exists) continue;
    upsert_.bind(1, key.first.value);
    upsert_.bind(2, static_cast<std::int64_t>(key.second.kind));
    upsert_.bind(3, key.second.id);
    upsert_.bind(4, conversation.meta.tenant.value);
    upsert_.bind(5, position.rcv);
    upsert_.bind(6, position.read);
    upsert_.run();
  }
}

std::vector<Journal::Mark> Marks::of(ConversationId conv) {
  take_inbox();
  std::map<Principal, Position> all;
  select_.bind(1, conv.value);
  ResetAtEnd reset(select_);
  while (select_.step())
    all[{static_cast<PrincipalKind>(select_.i64(0)), select_.u64(1)}] = {select_.u64(2), select_.u64(3)};
  for (auto at = pending_.lower_bound({conv, Principal{PrincipalKind{}, 0}});
       at != pending_.end() && at->first.first == conv; ++at) {
    Position& position = all[at->first.second];
    position.rcv = std::max(position.rcv, at->second.rcv);
    position.read = std::max(position.read, at->second.read);
  }
  std::vector<Journal::Mark> marks;
  for (const auto& [who, position] : all) marks.push_back({conv, who, position.rcv, position.read});
  return marks;
}

}  // namespace parley::store
