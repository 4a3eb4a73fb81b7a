#include "home_model.hpp"

#include <algorithm>

namespace parley::sim {

using Kind = domain::SenderState::Kind;

namespace {

bool is_visitor(const Actor& actor) { return actor.who.kind == PrincipalKind::kVisitor; }

}  // namespace

void HomeModel::wake() {
  meta_ = journal_.meta();
  senders_ = journal_.senders();
}

void HomeModel::crash() {
  members_.clear();
  flights_.clear();
  submitted_.clear();
  results_.clear();
  refused_ = 0;
  wake();
}

void HomeModel::on_hello(ConnectionId connection, const Actor& actor, std::uint64_t cursor) {
  members_[connection] = actor;
  ToClient ready;
  ready.reset = cursor > journal_.meta().head;
  ready.entries = journal_.read(ready.reset ? 0 : cursor, kCatchUpMax, !is_visitor(actor));
  ready.more = ready.entries.size() == kCatchUpMax;
  reply_(connection, std::move(ready));
}

void HomeModel::on_sync(ConnectionId connection, const Actor& actor, std::uint64_t after) {
  ToClient page;
  page.kind = ToClient::Kind::kPage;
  page.entries = journal_.read(after, kPageMax, !is_visitor(actor));
  page.more = page.entries.size() == kPageMax;
  reply_(connection, std::move(page));
}

domain::ConversationMeta HomeModel::projected() const {
  domain::ConversationMeta meta = meta_;
  if (flaws_.decide_on_committed) return meta;
  for (const Flight& flight : flights_) {
    const Item& item = flight.item;
    domain::apply(meta, {.type = item.kind,
                         .audience = item.audience,
                         .from = item.actor.who,
                         .seq = meta.head + 1,
                         .ts_ns = item.ts_ns,
                         .change = item.change,
                         .target = item.send.target});
  }
  return meta;
}

bool HomeModel::answer_from_memory(ConnectionId connection, const Actor& actor, const Send& send) {
  const bool is_void = send.type == EntryType::kVoid;
  std::uint64_t expected = senders_[{actor.who, send.dev}].expected();
  for (Flight& flight : flights_) {
    if (flight.item.actor.who != actor.who || flight.item.send.dev != send.dev) continue;
    expected = flight.item.send.n + 1;
    if (flight.item.send.n != send.n) continue;
    // Under way: the answer goes to whoever asked last.
    if (flight.item.send.hash() != send.hash() && !is_void && flight.item.kind != EntryType::kVoid) {
      error(connection, send, Code::kIdConflict);
    } else {
      flight.reply_to = connection;
    }
    return true;
  }
  if (send.n == expected) return false;
  const auto look = senders_[{actor.who, send.dev}].look(send.n, send.hash(), is_void);
  if (look.kind == Kind::kDuplicate) {
    const bool lie = is_void && flaws_.answer_void_as_new;
    if (look.result->code != Code::kOk) {
      error(connection, send, look.result->code);
    } else {
      reply_(connection,
             {.kind = ToClient::Kind::kAck, .dev = send.dev, .n = send.n, .seq = lie ? 0 : look.result->seq});
    }
  } else if (look.kind == Kind::kConflict) {
    error(connection, send, Code::kIdConflict);
  } else if (look.kind == Kind::kTooOld) {
    error(connection, send, Code::kTooOld);
  } else {
    error(connection, send, Code::kOutOfOrder, expected);
  }
  return true;
}

Code HomeModel::judge(const Actor& actor, const Send& send, std::int64_t now_ns, Item& item) const {
  const domain::ConversationMeta meta = projected();
  const Entry* target = journal_.find(send.target);
  const bool changes = send.type == EntryType::kEdit || send.type == EntryType::kRecall;
  const domain::Verdict verdict = domain::decide(meta, actor, send.type, send.to, now_ns, kReopenWindowNs);
  if (verdict.code != Code::kOk) return verdict.code;
  if (changes) {
    if (!target) return Code::kBadFrame;
    const domain::Target facts{target->type, target->audience, target->from, 0, target->recalled};
    const Code code = domain::may_change(actor, send.type, facts, 0);
    if (code != Code::kOk) return code;
  }
  if (send.if_claim && *send.if_claim != meta.claim) return Code::kClaimed;
  if (send.type == EntryType::kText && strict_words && send.body % 5 == 0) return Code::kFiltered;
  item.audience = domain::audience_of(send.type, target ? target->audience : Audience::kPublic);
  item.change = verdict.change;
  return Code::kOk;
}

void HomeModel::on_send(ConnectionId connection, const Actor& actor, const Send& send, std::int64_t now_ns) {
  if (!flaws_.skip_dedup && !flaws_.dedup_after_stages && answer_from_memory(connection, actor, send)) return;
  // What would be decided on top of something that failed must not be stored.
  if (refused_ > 0 && !flaws_.decide_on_refused) return error(connection, send, Code::kBusy);
  Item item{.send = send, .kind = send.type, .actor = actor, .ts_ns = now_ns};
  if (send.type != EntryType::kVoid) {
    const Code code = judge(actor, send, now_ns, item);
    if (code != Code::kOk) {
      item.kind = EntryType::kRefusal;
      item.refusal = code;
    }
  }
  if (flaws_.dedup_after_stages) {
    if (item.kind == EntryType::kRefusal) return error(connection, send, item.refusal);
    if (answer_from_memory(connection, actor, send)) return;
  }
  if (flaws_.ack_before_store && item.kind != EntryType::kRefusal) {
    Appended early;
    if (item.kind != EntryType::kVoid) early.seq = projected().head + 1;
    answer({item, connection}, early);
  }
  flights_.push_back({item, connection});
  submitted_.push_back(std::move(item));
}

void HomeModel::commit(std::size_t count, bool full) {
  count = full ? submitted_.size() : std::min(count, submitted_.size());
  for (std::size_t i = 0; i < count; ++i) {
    results_.push_back(full ? Appended{Code::kJournalFull, false, 0, 0, 0} : journal_.append(submitted_.front()));
    submitted_.pop_front();
  }
  if (full) refused_ += count;
}

void HomeModel::deliver_results(std::size_t count) {
  for (count = std::min(count, results_.size()); count > 0; --count) {
    const Appended result = results_.front();
    results_.pop_front();
    if (result.code == Code::kJournalFull) --refused_;
    const Flight flight = std::move(flights_.front());
    flights_.pop_front();
    const Send& send = flight.item.send;
    const bool refused = flight.item.kind == EntryType::kRefusal && result.code == flight.item.refusal;
    const bool settled = result.code == Code::kOk || refused || result.code == Code::kClaimed;
    if (settled && !result.dup) {
      domain::SenderState& sender = senders_[{flight.item.actor.who, send.dev}];
      if (send.n == sender.expected())
        sender.remember({send.n, send.hash(), result.seq, flight.item.ts_ns, {}, result.code});
      if (result.seq != 0) {
        const Item& item = flight.item;
        domain::apply(meta_, {.type = item.kind,
                              .audience = item.audience,
                              .from = item.actor.who,
                              .seq = result.seq,
                              .ts_ns = item.ts_ns,
                              .pos = result.seq,
                              .change = item.change,
                              .target = send.target});
        fan_out(item, result);
      }
    }
    if (!flaws_.ack_before_store || result.code != Code::kOk) answer(flight, result);
  }
}

void HomeModel::answer(const Flight& flight, const Appended& result) {
  if (result.code != Code::kOk) return error(flight.reply_to, flight.item.send, result.code, result.expected);
  reply_(flight.reply_to,
         {.kind = ToClient::Kind::kAck, .dev = flight.item.send.dev, .n = flight.item.send.n, .seq = result.seq});
}

void HomeModel::fan_out(const Item& item, const Appended& result) {
  const Send& send = item.send;
  Entry entry{result.seq, 0,         item.kind,   item.audience, item.actor.who, send.dev,
              send.n,     send.body, send.target, result.seq,    false};
  for (const auto& [connection, actor] : members_) {
    if (is_visitor(actor)) {
      if (item.audience == Audience::kInternal) continue;
      entry.skip = flaws_.forget_skip ? 0 : result.skip;
    } else {
      entry.skip = 0;
    }
    reply_(connection, {.kind = ToClient::Kind::kEntry, .entries = {entry}});
  }
}

void HomeModel::error(ConnectionId connection, const Send& send, Code code, std::uint64_t expected) {
  reply_(connection,
         {.kind = ToClient::Kind::kError, .dev = send.dev, .n = send.n, .expected = expected, .code = code});
}

}  // namespace parley::sim
