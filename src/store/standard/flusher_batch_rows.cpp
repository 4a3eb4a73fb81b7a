#include <algorithm>
#include <array>

#include "parley/base/clock.hpp"
#include "sender_results.hpp"
#include "standard/flusher_batch.hpp"

namespace parley::store::standard {
namespace {

constexpr const char* kCopyMessages =
    "copy message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, "
    "assignee, "
    "erased_at, key_id, flags, audience, kind, principal_kind, status, codec, dev, body, sealed) from stdin (format "
    "binary)";
constexpr std::int16_t kMessageColumns = 25;

std::int64_t num(std::uint64_t value) { return static_cast<std::int64_t>(value); }
template <class Tag>
std::int64_t num(Id<Tag> id) {
  return num(id.value);
}
std::string str(std::uint64_t value) { return std::to_string(num(value)); }

}  // namespace

void FlushBatch::copy_row(CopyRows& out, const FlushItem& item, const Row& row) {
  const bool changes = (item.result.flags & kAnyChange) != 0;
  out.row(kMessageColumns);
  out.i64(num(row.pos));
  out.i64(num(item.pack.tenant));
  out.i64(num(item.pack.conv));
  out.i64(num(item.result.seq));
  out.i64(num(item.pack.id));
  out.i64(item.pack.ts_ns);
  out.i64(num(row.channel));
  out.i64(num(item.pack.principal.id));
  out.i64(num(item.pack.n));
  out.i64(num(item.pack.hash));
  out.i64(num(item.result.skip));
  out.i64(num(row.rev));
  out.i64(num(item.result.claim));
  changes ? out.i64(num(item.result.assignee)) : out.null();
  row.erased_ns != 0 ? out.i64(row.erased_ns) : out.null();
  out.i64(num(row.content.key_id));
  out.i32(static_cast<std::int32_t>(row.flags));
  out.i16(static_cast<std::int16_t>(item.pack.audience));
  out.i16(static_cast<std::int16_t>(item.pack.kind));
  out.i16(static_cast<std::int16_t>(item.pack.principal.kind));
  changes ? out.i16(static_cast<std::int16_t>(item.result.status)) : out.null();
  out.i16(row.content.codec);
  out.bytes(bytes_of(item.pack.dev));
  row.content.json ? out.json(*row.content.json) : out.null();
  row.content.sealed ? out.bytes(*row.content.sealed) : out.null();
}

void FlushBatch::copy_rows() {
  if (added_.empty()) return;
  CopyRows out;
  for (const Row* row : added_) copy_row(out, *row->added, *row);
  session_.copy_in(kCopyMessages, out.finish());
}

void FlushBatch::probe(PgConnection& session, std::span<const FlushItem> items) {
  CopyRows out;
  for (const FlushItem& item : items) {
    if (item.result.seq == 0) continue;
    Row row;
    row.content = content_of(item);
    copy_row(out, item, row);
  }
  PgTransaction undone(session);
  session.copy_in(kCopyMessages, out.finish());
}

namespace {
/// Adds body and sealed to their columns.
void add_content(PgArray& bodies, PgArray& sealed, const std::optional<std::string>& json,
                 const std::optional<std::string>& sealed_bytes) {
  json ? bodies.add_text(*json) : bodies.add_null();
  sealed_bytes ? sealed.add_bytes(*sealed_bytes) : sealed.add_null();
}
}  // namespace

void FlushBatch::write_changed_rows() {
  PgArray convs, seqs, times, revs, flags, erased, keys, codecs, bodies, sealed;
  std::uint64_t count = 0;
  for (const auto& [place, row] : rows_) {
    if (row.added || !row.changed) continue;
    ++count;
    convs.add(place.first.value);
    seqs.add(place.second);
    times.add(row.ts_ns);
    revs.add(row.rev);
    flags.add(std::int64_t{row.flags});
    row.erased_ns != 0 ? erased.add(row.erased_ns) : erased.add_null();
    keys.add(row.content.key_id);
    codecs.add(std::int64_t{row.content.codec});
    add_content(bodies, sealed, row.content.json, row.content.sealed);
  }
  if (count == 0) return;
  const PgRows done = session_.run(
      "update message m set rev = u.rev, flags = u.flags, erased_at = u.erased, key_id = u.key_id, codec = u.codec, "
      "body = u.body::jsonb, sealed = u.sealed from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
      "$5::integer[], $6::bigint[], $7::bigint[], $8::smallint[], $9::text[], $10::bytea[]) as u (conv, seq, ts_ns, "
      "rev, flags, erased, key_id, codec, body, sealed) where m.conv = u.conv and m.seq = u.seq and m.ts_ns = u.ts_ns",
      {convs.finish(), seqs.finish(), times.finish(), revs.finish(), flags.finish(), erased.finish(), keys.finish(),
       codecs.finish(), bodies.finish(), sealed.finish()});
  if (done.affected() != count) throw ShardStopped("an entry that is to be changed is not in the archive any more");
}

void FlushBatch::write_originals() {
  if (originals_.empty()) return;
  PgArray convs, seqs, bys, tenants, times, keys, codecs, bodies, sealed;
  for (const Original& original : originals_) {
    convs.add(original.conv.value);
    seqs.add(original.seq);
    bys.add(original.replaced_by);
    tenants.add(original.tenant.value);
    times.add(original.replaced_ns);
    keys.add(original.content.key_id);
    codecs.add(std::int64_t{original.content.codec});
    add_content(bodies, sealed, original.content.json, original.content.sealed);
  }
  session_.run(
      "insert into message_original (conv, seq, replaced_by, tenant_id, replaced_ns, key_id, codec, body, sealed) "
      "select conv, seq, by, tenant, at, key_id, codec, body::jsonb, sealed from unnest($1::bigint[], $2::bigint[], "
      "$3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], $8::text[], $9::bytea[]) as u (conv, "
      "seq, by, tenant, at, key_id, codec, body, sealed)",
      {convs.finish(), seqs.finish(), bys.finish(), tenants.finish(), times.finish(), keys.finish(), codecs.finish(),
       bodies.finish(), sealed.finish()});
}

namespace {

constexpr const char* kUpdateConversations =
    "update conversation c set status = u.status, claim = u.claim, assignee = u.assignee, head = u.head, public_head = "
    "u.public_head, last_pos = u.last_pos, applied_pos = u.applied_pos, last_ts_ns = u.last_ts_ns, last_text_seq = "
    "u.last_text_seq, last_from = u.last_from, preview = u.preview, waiting_since = u.waiting_since, first_response_at "
    "= u.first_response_at, closed_ns = u.closed_ns, closed_by_kind = u.closed_by_kind, closed_by_id = u.closed_by_id, "
    "closed_reason = u.closed_reason, archived_seq = u.head from ";
constexpr const char* kUnnestConversations =
    "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], "
    "$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], "
    "$15::bigint[], $16::bigint[], $17::bigint[], $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], "
    "$22::bigint[], $23::bigint[], $24::text[], $25::bigint[]) as u (id, tenant_id, channel_id, visitor_id, number, "
    "epoch, status, claim, assignee, head, public_head, last_pos, applied_pos, created_ns, last_ts_ns, last_text_seq, "
    "last_from, preview, waiting_since, first_response_at, closed_ns, closed_by_kind, closed_by_id, closed_reason, "
    "was)";
constexpr const char* kInsertConversations =
    "insert into conversation (id, tenant_id, channel_id, visitor_id, number, epoch, status, claim, assignee, head, "
    "public_head, last_pos, applied_pos, created_ns, last_ts_ns, last_text_seq, last_from, preview, waiting_since, "
    "first_response_at, closed_ns, closed_by_kind, closed_by_id, closed_reason, archived_seq) select id, tenant_id, "
    "channel_id, visitor_id, number, epoch, status, claim, assignee, head, public_head, last_pos, applied_pos, "
    "created_ns, last_ts_ns, last_text_seq, last_from, preview, waiting_since, first_response_at, closed_ns, "
    "closed_by_kind, closed_by_id, closed_reason, head from ";

class ConversationRows {
 public:
  void add(const domain::ConversationMeta& meta, std::uint64_t applied_pos, std::uint64_t was) {
    ++count_;
    std::size_t column = 0;
    auto number = [&](std::uint64_t value) { columns_[column++].add(value); };
    auto text = [&](std::string_view value) { columns_[column++].add_text(value); };
    number(meta.id.value);
    number(meta.tenant.value);
    number(meta.channel.value);
    number(meta.visitor.value);
    number(meta.number);
    text(meta.epoch);
    number(static_cast<std::uint64_t>(meta.status));
    number(meta.claim);
    number(meta.assignee.value);
    number(meta.head);
    number(meta.public_head);
    number(meta.last_pos);
    number(applied_pos);
    number(static_cast<std::uint64_t>(meta.created_ns));
    number(static_cast<std::uint64_t>(meta.last_ts_ns));
    number(meta.last_text_seq);
    number(static_cast<std::uint64_t>(static_cast<unsigned char>(meta.last_from)));
    text(meta.preview);
    number(static_cast<std::uint64_t>(meta.waiting_since_ns));
    number(static_cast<std::uint64_t>(meta.first_response_ns));
    number(static_cast<std::uint64_t>(meta.closed_ns));
    number(static_cast<std::uint64_t>(meta.closed_by.kind));
    number(meta.closed_by.id);
    text(meta.closed_reason);
    number(was);
  }
  std::uint64_t count() const { return count_; }
  std::vector<std::string> finish() {
    std::vector<std::string> parameters;
    for (PgArray& column : columns_) parameters.push_back(column.finish());
    return parameters;
  }

 private:
  std::array<PgArray, 25> columns_;
  std::uint64_t count_ = 0;
};

}  // namespace

void FlushBatch::write_conversations() {
  ConversationRows updated, inserted;
  for (const auto& [id, conversation] : conversations_) {
    if (!conversation.changed) continue;
    (conversation.exists ? updated : inserted).add(conversation.meta, conversation.applied_pos, conversation.archived);
  }
  if (updated.count() > 0) {
    static const std::string statement =
        std::string(kUpdateConversations) + kUnnestConversations + " where c.id = u.id and c.archived_seq = u.was";
    if (session_.run(statement, updated.finish()).affected() != updated.count())
      throw Fenced("conversations were archived by somebody else");
  }
  if (inserted.count() > 0) {
    static const std::string statement = std::string(kInsertConversations) + kUnnestConversations;
    session_.run(statement, inserted.finish());
  }
}

void FlushBatch::write_senders() {
  if (senders_.empty()) return;
  PgArray convs, kinds, ids, devs, tenants, used, results;
  std::string encoded;
  for (const auto& [place, sender] : senders_) {
    convs.add(place.first.value);
    kinds.add(static_cast<std::int64_t>(place.second.principal.kind));
    ids.add(place.second.principal.id);
    devs.add_bytes(bytes_of(place.second.dev));
    tenants.add(sender.tenant.value);
    used.add(sender.state.last_used_ns());
    encode_results(sender.state, encoded);
    results.add_bytes(encoded);
  }
  session_.run(
      "insert into sender_state (conv, principal_kind, principal_id, dev, tenant_id, last_used_ns, results) select * "
      "from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[]) on "
      "conflict (conv, principal_kind, principal_id, dev) do update set last_used_ns = excluded.last_used_ns, results "
      "= "
      "excluded.results",
      {convs.finish(), kinds.finish(), ids.finish(), devs.finish(), tenants.finish(), used.finish(), results.finish()});
}

/// A Redis that is rebuilt from the archive goes on counting from here.
void FlushBatch::write_counters(std::span<const FlushEntry> entries) {
  std::map<TenantId, std::uint64_t> highest;
  for (const FlushEntry& entry : entries) {
    for (const redis::OpeningRecord& opening : entry.log.openings) {
      const auto found = conversations_.find(opening.conv);
      if (found == conversations_.end()) continue;
      std::uint64_t& value = highest[found->second.meta.tenant];
      value = std::max(value, opening.number);
    }
  }
  if (highest.empty()) return;
  PgArray tenants, values;
  for (const auto& [tenant, value] : highest) {
    tenants.add(tenant.value);
    values.add(value);
  }
  session_.run(
      "insert into tenant_counter (tenant_id, name, value) select tenant, 'conversation', value from "
      "unnest($1::bigint[], $2::bigint[]) as u (tenant, value) on conflict (tenant_id, name) do update set value = "
      "greatest(tenant_counter.value, excluded.value)",
      {tenants.finish(), values.finish()});
}

void FlushBatch::write_dead_letters() {
  std::string pack;
  for (const DeadLetter& letter : dead_) {
    pack.clear();
    protocol::append_pack(pack, &letter.item->pack, 1);
    PgArray bytes;
    bytes.add_bytes(pack);
    session_.run(
        "insert into dead_letter (shard, counter, idx, conv, seq, reason, item, created_ns) values ($1, $2, $3, $4, "
        "$5, $6, ($7::bytea[])[1], $8) on conflict (shard, counter, idx) do nothing",
        {std::to_string(shard_), str(letter.counter), std::to_string(letter.item->index),
         str(letter.item->pack.conv.value), str(letter.item->result.seq), letter.item->dead, bytes.finish(),
         std::to_string(wall_ns())});
  }
}

void FlushBatch::move_position() {
  const PgRows moved = session_.run(
      "update flush_progress set incarnation = $1, counter = $2, updated_ns = $3 where shard = $4 and incarnation = $5 "
      "and counter = $6 and owner = $7",
      {str(to_.incarnation), str(to_.counter), std::to_string(wall_ns()), std::to_string(shard_),
       str(from_.incarnation), str(from_.counter), owner_});
  if (moved.affected() != 1) throw Fenced("the position was moved by somebody else");
}

}  // namespace parley::store::standard
