#include "journal_model.hpp"

namespace parley::sim {

using Kind = domain::SenderState::Kind;

Appended JournalModel::append(const Item& item) {
  const Send& send = item.send;
  domain::SenderState& sender = senders_[{item.actor.who, send.dev}];
  const bool is_void = item.kind == EntryType::kVoid;
  const auto look = sender.look(send.n, send.hash(), is_void);
  if (look.kind != Kind::kNext && !flaws_.skip_dedup) {
    switch (look.kind) {
      case Kind::kDuplicate:
        return {look.result->code, true, look.result->seq, 0, 0};
      case Kind::kConflict:
        return {Code::kIdConflict, false, 0, 0, 0};
      case Kind::kTooOld:
        return {Code::kTooOld, false, 0, 0, 0};
      default:
        return {Code::kOutOfOrder, false, 0, 0, sender.expected()};
    }
  }
  domain::SendResult result{send.n, send.hash(), 0, item.ts_ns, {}, Code::kOk};
  Appended answer;
  if (item.kind == EntryType::kRefusal) {
    result.code = answer.code = item.refusal;
  } else if (!is_void && send.if_claim && *send.if_claim != meta_.claim) {
    result.code = answer.code = Code::kClaimed;
  } else if (!is_void) {
    Entry entry{meta_.head + 1, 0,         item.kind,   item.audience,  item.actor.who, send.dev,
                send.n,         send.body, send.target, meta_.head + 1, false};
    if (item.audience == Audience::kPublic) entry.skip = meta_.head - meta_.public_head;
    if (Entry* target = send.target != 0 && send.target <= entries_.size() ? &entries_[send.target - 1] : nullptr) {
      if (!target->recalled && item.kind == EntryType::kEdit) target->body = send.body;
      if (item.kind == EntryType::kRecall) {
        target->recalled = true;
        target->body = 0;
      }
      target->rev = entry.seq;
    }
    result.seq = answer.seq = entry.seq;
    answer.skip = entry.skip;
    domain::apply(meta_, {.type = item.kind,
                          .audience = item.audience,
                          .from = item.actor.who,
                          .seq = entry.seq,
                          .ts_ns = item.ts_ns,
                          .pos = entry.seq,
                          .change = item.change,
                          .target = send.target});
    entries_.push_back(entry);
    items_.push_back(item);
  }
  if (look.kind == Kind::kNext) sender.remember(result);
  return answer;
}

std::vector<Entry> JournalModel::read(std::uint64_t after, std::size_t limit, bool internal) const {
  std::vector<Entry> page;
  for (std::size_t i = after; i < entries_.size() && page.size() < limit; ++i) {
    if (!internal && entries_[i].audience == Audience::kInternal) continue;
    page.push_back(entries_[i]);
    if (!internal && flaws_.forget_skip) page.back().skip = 0;
  }
  return page;
}

}  // namespace parley::sim
