#include "conversations.hpp"

#include <cstring>

#include "body_codec.hpp"
#include "conversation_row.hpp"
#include "message_rows.hpp"
#include "parley/base/clock.hpp"

namespace parley::store {
namespace {

constexpr std::size_t kSendersKept = 64;  // above it those that may be forgotten are
constexpr std::int64_t kSenderLifeNs = 8LL * 24 * 3600 * 1'000'000'000;

std::string_view dev_bytes(const DevId& dev) {
  return {reinterpret_cast<const char*>(dev.bytes.data()), dev.bytes.size()};
}

protocol::Code code_of(const protocol::PackItem& record) {
  if (record.kind != protocol::EntryType::kRefusal || record.bytes.empty()) return protocol::Code::kOk;
  return static_cast<protocol::Code>(record.bytes[0]);
}

}  // namespace

Conversations::Conversations(Connection& db, std::size_t keep_max)
    : db_(db),
      keep_max_(keep_max),
      select_(db, std::string("select ") + kMetaColumns + ", applied_pos from conversation where id = ?"),
      select_senders_(db,
                      "select principal_kind, principal_id, dev, tenant_id, results from sender_state where conv = ?"),
      insert_(db,
              "insert into conversation (id, tenant_id, channel_id, visitor_id, number, epoch, created_ns, status, "
              "claim, assignee, closed_ns, closed_by_kind, closed_by_id, "
              "closed_reason, head, public_head, last_pos, last_ts_ns, last_text_seq, last_from, preview, "
              "waiting_since, first_response_at, applied_pos) "
              "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      // Apart, because SQLite rewrites the entries of every index whose columns are named, changed or not.
      update_hot_(db,
                  "update conversation set head = ?, public_head = ?, last_pos = ?, last_ts_ns = ?, last_text_seq = ?, "
                  "last_from = ?, preview = ?, waiting_since = ?, "
                  "first_response_at = ?, applied_pos = ? where id = ?"),
      update_state_(db,
                    "update conversation set status = ?, claim = ?, assignee = ?, closed_ns = ?, closed_by_kind = ?, "
                    "closed_by_id = ?, closed_reason = ? where id = ?"),
      upsert_sender_(db,
                     "insert into sender_state (conv, principal_kind, principal_id, dev, tenant_id, last_used_ns, "
                     "results) values (?, ?, ?, ?, ?, ?, ?) "
                     "on conflict (conv, principal_kind, principal_id, dev) do update set last_used_ns = "
                     "excluded.last_used_ns, results = excluded.results"),
      open_one_(
          db, "select id from conversation where tenant_id = ? and channel_id = ? and visitor_id = ? and status <> 3"),
      projected_(db, "update store_meta set value = ? where key = 'projected_pos'") {}

Conversation& Conversations::get(TenantId tenant_if_new, ConversationId id) {
  auto [at, is_new] = all_.try_emplace(id);
  if (is_new) {
    at->second = std::make_unique<Conversation>();
    at->second->meta.id = id;
    try {
      load(*at->second);
    } catch (...) {
      all_.erase(at);
      throw;
    }
  }
  Conversation& conversation = *at->second;
  if (!conversation.meta.tenant) conversation.meta.tenant = tenant_if_new;
  touch(conversation);
  return conversation;
}

Conversation* Conversations::find(ConversationId id) {
  const auto found = all_.find(id);
  return found == all_.end() ? nullptr : found->second.get();
}

bool Conversations::is_dirty(ConversationId id) const {
  const auto found = all_.find(id);
  return found != all_.end() && found->second->dirty;
}

void Conversations::load(Conversation& conversation) {
  const ConversationId id = conversation.meta.id;
  {
    select_.bind(1, id.value);
    ResetAtEnd reset(select_);
    if (select_.step()) {
      conversation.meta = meta_of(select_);
      conversation.applied_pos = select_.u64(kBehindMeta);
      conversation.exists = true;
    }
  }
  select_senders_.bind(1, id.value);
  ResetAtEnd reset(select_senders_);
  while (select_senders_.step()) {
    domain::SenderKey key;
    key.principal = {static_cast<PrincipalKind>(select_senders_.i64(0)), select_senders_.u64(1)};
    const std::string_view dev = select_senders_.bytes(2);
    std::memcpy(key.dev.bytes.data(), dev.data(), std::min(dev.size(), key.dev.bytes.size()));
    if (!conversation.exists) conversation.meta.tenant = TenantId{select_senders_.u64(3)};
    Sender& sender = conversation.senders[key];
    for (const domain::SendResult& result : decode_results(select_senders_.bytes(4))) sender.state.restore(result);
  }
}

void Conversations::bind_hot(Statement& statement, int first, const domain::ConversationMeta& meta,
                             std::uint64_t applied_pos) {
  statement.bind(first, meta.head);
  statement.bind(first + 1, meta.public_head);
  statement.bind(first + 2, meta.last_pos);
  statement.bind(first + 3, meta.last_ts_ns);
  statement.bind(first + 4, meta.last_text_seq);
  statement.bind(first + 5, std::int64_t{meta.last_from});
  statement.bind_text(first + 6, meta.preview);
  statement.bind(first + 7, meta.waiting_since_ns);
  statement.bind(first + 8, meta.first_response_ns);
  statement.bind(first + 9, applied_pos);
}

namespace {
void bind_state(Statement& statement, int first, const domain::ConversationMeta& meta) {
  statement.bind(first, static_cast<std::int64_t>(meta.status));
  statement.bind(first + 1, meta.claim);
  statement.bind(first + 2, meta.assignee.value);
  statement.bind(first + 3, meta.closed_ns);
  statement.bind(first + 4, static_cast<std::int64_t>(meta.closed_by.kind));
  statement.bind(first + 5, meta.closed_by.id);
  statement.bind_text(first + 6, meta.closed_reason);
}
}  // namespace

void Conversations::insert_row(const domain::ConversationMeta& meta, std::uint64_t applied_pos) {
  insert_.bind(1, meta.id.value);
  insert_.bind(2, meta.tenant.value);
  insert_.bind(3, meta.channel.value);
  insert_.bind(4, meta.visitor.value);
  insert_.bind(5, meta.number);
  insert_.bind_text(6, meta.epoch);
  insert_.bind(7, meta.created_ns);
  bind_state(insert_, 8, meta);
  bind_hot(insert_, 15, meta, applied_pos);
  insert_.run();
}

void Conversations::update_row(const domain::ConversationMeta& meta, std::uint64_t applied_pos) {
  bind_state(update_state_, 1, meta);
  update_state_.bind(8, meta.id.value);
  update_state_.run();
  bind_hot(update_hot_, 1, meta, applied_pos);
  update_hot_.bind(11, meta.id.value);
  update_hot_.run();
}

void Conversations::mark_dirty(Conversation& conversation) {
  if (conversation.dirty) return;
  conversation.dirty = true;
  dirty_.push_back(&conversation);
}

ConversationId Conversations::open_one(TenantId tenant, ChannelId channel, VisitorId visitor) {
  open_one_.bind(1, tenant.value);
  open_one_.bind(2, channel.value);
  open_one_.bind(3, visitor.value);
  ResetAtEnd reset(open_one_);
  return open_one_.step() ? ConversationId{open_one_.u64(0)} : ConversationId{};
}

void Conversations::write_senders(const Conversation& conversation) {
  for (const auto& [key, sender] : conversation.senders) {
    if (!sender.dirty) continue;
    encode_results(sender.state, results_);
    upsert_sender_.bind(1, conversation.meta.id.value);
    upsert_sender_.bind(2, static_cast<std::int64_t>(key.principal.kind));
    upsert_sender_.bind(3, key.principal.id);
    upsert_sender_.bind_blob(4, dev_bytes(key.dev));
    upsert_sender_.bind(5, conversation.meta.tenant.value);
    upsert_sender_.bind(6, sender.state.last_used_ns());
    upsert_sender_.bind_blob(7, results_);
    upsert_sender_.run();
  }
}

bool Conversations::flush_some(std::size_t count, std::uint64_t now_pos) {
  if (flushing_.empty()) {
    flushing_.swap(dirty_);
    round_pos_ = now_pos;
  }
  for (; count > 0 && !flushing_.empty(); --count) {
    Conversation& conversation = *flushing_.back();
    if (conversation.exists) {
      bind_hot(update_hot_, 1, conversation.meta, conversation.applied_pos);
      update_hot_.bind(11, conversation.meta.id.value);
      update_hot_.run();
    }
    write_senders(conversation);
    flushing_.pop_back();
    written_.push_back(&conversation);
  }
  if (!flushing_.empty()) return false;
  projected_.bind(1, round_pos_);
  projected_.run();
  return true;
}

void Conversations::flush_committed() {
  const std::int64_t forget_before = wall_ns() - kSenderLifeNs;
  for (Conversation* conversation : written_) {
    conversation->dirty = false;
    for (auto& [key, sender] : conversation->senders) sender.dirty = false;
    if (conversation->senders.size() > kSendersKept) {
      std::erase_if(conversation->senders,
                    [&](const auto& entry) { return entry.second.state.last_used_ns() < forget_before; });
    }
  }
  written_.clear();
}

void Conversations::flush_failed() {
  flushing_.insert(flushing_.end(), written_.begin(), written_.end());
  written_.clear();
}

void Conversations::touch(Conversation& conversation) {
  if (newest_ == &conversation) return;
  unlink(conversation);
  conversation.older = newest_;
  if (newest_) newest_->newer = &conversation;
  newest_ = &conversation;
  if (!oldest_) oldest_ = &conversation;
}

void Conversations::unlink(Conversation& conversation) {
  if (conversation.newer) conversation.newer->older = conversation.older;
  if (conversation.older) conversation.older->newer = conversation.newer;
  if (newest_ == &conversation) newest_ = conversation.older;
  if (oldest_ == &conversation) oldest_ = conversation.newer;
  conversation.newer = conversation.older = nullptr;
}

void Conversations::trim() {
  for (Conversation* at = oldest_; at && all_.size() > keep_max_;) {
    Conversation* next = at->newer;
    if (!at->dirty) {
      unlink(*at);
      all_.erase(at->meta.id);
    }
    at = next;
  }
}

void Conversations::forget_all() {
  dirty_.clear();
  flushing_.clear();
  written_.clear();
  all_.clear();
  newest_ = oldest_ = nullptr;
}

std::uint64_t Conversations::replay() {
  std::uint64_t projected = 0, last = 0;
  {
    Statement known(db_, "select value from store_meta where key = 'projected_pos'");
    if (known.step()) projected = known.u64(0);
  }
  last = projected;
  Statement rows(db_,
                 "select pos, seq, skip, rev, flags, status, assignee, item from message where pos > ? order by pos");
  Statement original(db_, "select item from message_original where conv = ? and seq = ? order by replaced_by limit 1");
  rows.bind(1, projected);
  std::string text;
  while (rows.step()) {
    MessageRow row;
    row.pos = last = rows.u64(0);
    row.seq = rows.u64(1);
    row.skip = rows.u64(2);
    const std::uint64_t rev = rows.u64(3);
    row.flags = static_cast<std::uint32_t>(rows.i64(4));
    row.status = static_cast<protocol::Status>(rows.i64(5));
    row.assignee = AgentId{rows.u64(6)};
    std::string pack(rows.bytes(7));
    Result<std::vector<protocol::PackItem>> items = protocol::read_pack(pack);
    if (!items || items->size() != 1) {
      throw SqlError(SqlError::Kind::kCorrupt, "the item at journal position " + std::to_string(row.pos) +
                                                   " cannot be read" + (items ? "" : ": " + items.error().detail));
    }
    const protocol::PackItem item = (*items)[0];
    Conversation& conversation = get(item.tenant, item.conv);
    if (row.seq != 0 && row.pos > conversation.applied_pos) {
      if (!conversation.exists)
        throw SqlError(SqlError::Kind::kCorrupt,
                       "journal position " + std::to_string(row.pos) + " belongs to a conversation without a row");
      std::string body;
      if (rev != row.seq) {  // what it said when it was stored stands in the audit copy
        original.bind(1, item.conv.value);
        original.bind(2, row.seq);
        ResetAtEnd reset(original);
        if (original.step()) pack = std::string(original.bytes(0));
        if (Result<std::vector<protocol::PackItem>> first = protocol::read_pack(pack))
          body = plain_body((*first)[0].codec, (*first)[0].bytes);
      } else {
        body = plain_body(item.codec, item.bytes);
      }
      text.clear();
      domain::apply(conversation.meta, facts_of(row, item, body, text));
      conversation.applied_pos = row.pos;
    }
    if (item.n != 0) {
      Sender& sender = conversation.senders[{item.principal, item.dev}];
      sender.state.restore({item.n, item.hash, row.seq, item.ts_ns, item.id, code_of(item)});
      sender.dirty = true;
    }
    mark_dirty(conversation);
  }
  return last;
}

}  // namespace parley::store
