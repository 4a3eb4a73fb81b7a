#include "appender.hpp"

#include "body_codec.hpp"
#include "message_facts.hpp"
#include "parley/base/bytes.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"

namespace parley::store {
namespace {

constexpr std::size_t kEpochLength = 6;

std::string new_epoch() {
  std::string epoch;
  for (std::uint64_t bits = random_u64(); epoch.size() < kEpochLength; bits /= 36)
    epoch.push_back("abcdefghijklmnopqrstuvwxyz0123456789"[bits % 36]);
  return epoch;
}

bool is_record(const Append& item) { return item.kind == EntryType::kVoid || item.kind == EntryType::kRefusal; }

void describe(const Append& item, const Conversation& conversation, Appended& answer) {
  answer.claim = conversation.meta.claim;
  answer.assignee = conversation.meta.assignee;
  answer.number = conversation.meta.number;
  if (item.opening) answer.epoch = conversation.meta.epoch;
}

}  // namespace

Appender::Appender(Connection& db, std::size_t conversations_max)
    : conversations_(db, conversations_max),
      rows_(db),
      select_number_(db, "select value from tenant_counter where tenant_id = ? and name = 'conversation'"),
      save_number_(db,
                   "insert into tenant_counter (tenant_id, name, value) values (?, 'conversation', ?) on conflict "
                   "(tenant_id, name) do update set value = excluded.value") {}

void Appender::append(Append& item, Appended& answer) {
  Conversation& conversation = conversations_.get(item.tenant, item.conv);
  const bool counted = item.n != 0 || item.principal.kind != PrincipalKind::kSystem;
  if (counted) {
    const auto known = conversation.senders.find({item.principal, item.dev});
    if (answer_known(item, conversation, known == conversation.senders.end() ? nullptr : &known->second, answer))
      return;
  }
  if (is_record(item)) {
    // A visitor's first message may be refused before there is a conversation; its n is used up all the same.
    if (!conversation.exists && item.principal.kind != PrincipalKind::kVisitor) {
      answer.code = Code::kUnknownConv;
      return;
    }
    const Code code =
        item.kind == EntryType::kRefusal && !item.bytes.empty() ? static_cast<Code>(item.bytes[0]) : Code::kOk;
    return store_record(item, conversation, code, answer);
  }
  if (!conversation.exists && !item.opening) {
    answer.code = Code::kUnknownConv;
    return;
  }
  if (!conversation.exists && !may_open(item, answer)) return;
  if (item.if_claim && conversation.meta.claim != *item.if_claim)
    return store_record(item, conversation, Code::kClaimed, answer);
  const bool reopens = conversation.exists && conversation.meta.status == protocol::Status::kClosed &&
                       item.change.status && *item.change.status != protocol::Status::kClosed;
  if (reopens) {
    if (ConversationId other =
            conversations_.open_one(item.tenant, conversation.meta.channel, conversation.meta.visitor)) {
      answer.other = other;
      return store_record(item, conversation, Code::kClosed, answer);
    }
  }
  store_entry(item, conversation, answer);
}

bool Appender::answer_known(const Append& item, Conversation& conversation, Sender* sender, Appended& answer) {
  using Kind = domain::SenderState::Kind;
  static const domain::SenderState unused;
  const domain::SenderState& state = sender ? sender->state : unused;
  const domain::SenderState::Look look = state.look(item.n, item.hash, item.kind == EntryType::kVoid);
  if (look.kind == Kind::kNext) return false;
  if (look.kind == Kind::kDuplicate && PARLEY_BROKEN("skip_dedup")) return false;
  describe(item, conversation, answer);
  switch (look.kind) {
    case Kind::kDuplicate:
      answer.dup = true;
      answer.code = look.result->code;
      answer.seq = look.result->seq;
      answer.ts_ns = look.result->ts_ns;
      answer.id = look.result->id;
      if (answer.code == Code::kClosed)
        answer.other = conversations_.open_one(item.tenant, conversation.meta.channel, conversation.meta.visitor);
      break;
    case Kind::kConflict:
      answer.code = Code::kIdConflict;
      break;
    case Kind::kTooOld:
      answer.code = Code::kTooOld;
      break;
    case Kind::kGap:
      answer.code = Code::kOutOfOrder;
      answer.expected = state.expected();
      break;
    case Kind::kNext:
      break;
  }
  return true;
}

bool Appender::may_open(const Append& item, Appended& answer) {
  answer.other = conversations_.open_one(item.tenant, item.opening->channel, item.opening->visitor);
  if (!answer.other) return true;
  answer.code = Code::kClosed;
  return false;
}

void Appender::store_entry(Append& item, Conversation& conversation, Appended& answer) {
  MessageRow row;
  row.pos = last_pos_ + 1;
  row.seq = conversation.meta.head + 1;
  row.skip = item.audience == Audience::kPublic ? conversation.meta.head - conversation.meta.public_head : 0;
  row.flags = (item.change.status ? kStatusChanged : 0u) | (item.change.assignee ? kAssigneeChanged : 0u) |
              (item.change.new_claim ? kClaimGrew : 0u) | (item.text.empty() ? 0u : kHasText);
  row.target = item.target;

  domain::EntryFacts facts;
  facts.type = item.kind;
  facts.audience = item.audience;
  facts.from = item.principal;
  facts.seq = row.seq;
  facts.ts_ns = item.ts_ns;
  facts.pos = row.pos;
  facts.text = item.text;
  facts.change = item.change;
  facts.target = item.target;

  const bool opens = !conversation.exists;
  if (opens) {
    conversation.meta.tenant = item.tenant;
    conversation.meta.channel = item.opening->channel;
    conversation.meta.visitor = item.opening->visitor;
    conversation.meta.epoch = new_epoch();
    conversation.meta.created_ns = item.ts_ns;
    Counter& numbers = numbers_of(item.tenant);
    conversation.meta.number = ++numbers.value;
    numbers.dirty = true;
    conversation.exists = true;
  }
  domain::apply(conversation.meta, facts);
  conversation.applied_pos = row.pos;
  if (opens) {
    conversations_.insert_row(conversation.meta, row.pos);
  } else if (item.change.status || item.change.assignee || item.change.new_claim) {
    conversations_.update_row(conversation.meta, row.pos);
  }

  row.status = conversation.meta.status;
  row.assignee = conversation.meta.assignee;
  row.channel = conversation.meta.channel;
  rows_.insert(row, pack_item_of(item, conversation.meta.claim));
  last_pos_ = row.pos;
  if (item.target != 0 && item.kind == EntryType::kEdit) {
    const std::string edit = plain_body(item.codec, item.bytes);
    rows_.fold(item.conv, item.target, row.seq, &edit, item.ts_ns);
  } else if (item.target != 0 && item.kind == EntryType::kRecall) {
    rows_.fold(item.conv, item.target, row.seq, nullptr, item.ts_ns);
  }
  remember(item, conversation, row.seq, Code::kOk);

  answer.seq = answer.stable = row.seq;
  answer.skip = row.skip;
  answer.pos = row.pos;
  answer.ts_ns = item.ts_ns;
  answer.id = item.id;
  describe(item, conversation, answer);
}

void Appender::store_record(const Append& item, Conversation& conversation, Code code, Appended& answer) {
  answer.code = code;
  answer.ts_ns = item.ts_ns;
  answer.id = item.id;
  describe(item, conversation, answer);
  if (item.n == 0) return;  // the home's own items without a number have no identity to remember
  MessageRow row;
  row.pos = last_pos_ + 1;
  row.channel = conversation.meta.channel;
  protocol::PackItem record = pack_item_of(item, conversation.meta.claim);
  const char code_byte = static_cast<char>(code);
  if (item.kind != EntryType::kVoid) {
    record.kind = EntryType::kRefusal;
    record.codec = Codec::kJson;
    record.bytes = {&code_byte, 1};
  }
  rows_.insert(row, record);
  last_pos_ = answer.pos = row.pos;
  remember(item, conversation, 0, code);
}

void Appender::remember(const Append& item, Conversation& conversation, std::uint64_t seq, Code code) {
  conversations_.mark_dirty(conversation);
  if (item.n == 0) return;
  Sender& sender = conversation.senders[{item.principal, item.dev}];
  sender.state.restore({item.n, item.hash, seq, item.ts_ns, item.id, code});
  sender.dirty = true;
}

Appender::Counter& Appender::numbers_of(TenantId tenant) {
  auto [at, is_new] = numbers_.try_emplace(tenant);
  if (is_new) {
    select_number_.bind(1, tenant.value);
    ResetAtEnd reset(select_number_);
    if (select_number_.step()) at->second.value = select_number_.u64(0);
  }
  return at->second;
}

void Appender::finish_batch() {
  for (auto& [tenant, counter] : numbers_) {
    if (!counter.dirty) continue;
    save_number_.bind(1, tenant.value);
    save_number_.bind(2, counter.value);
    save_number_.run();
    counter.dirty = false;
  }
}

void Appender::recover() {
  conversations_.forget_all();
  numbers_.clear();
  last_pos_ = conversations_.replay();
}

}  // namespace parley::store
