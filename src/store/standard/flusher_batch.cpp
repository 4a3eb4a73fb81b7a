#include "standard/flusher_batch.hpp"

#include <algorithm>
#include <set>

#include "body_codec.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "sender_results.hpp"
#include "standard/dead_letters.hpp"

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

std::string_view dev_bytes(const DevId& dev) {
  return {reinterpret_cast<const char*>(dev.bytes.data()), dev.bytes.size()};
}

template <class Ids>
std::string array_of(const Ids& ids) {
  PgArray array;
  for (const auto& id : ids) array.add(id.value);
  return array.finish();
}

std::string place_text(ConversationId conv, std::uint64_t seq) {
  return "conversation " + conv.str() + " seq " + std::to_string(seq);
}

}  // namespace

FlushBatch::FlushBatch(PgConnection& session, unsigned shard, const std::string& owner, Position from)
    : session_(session), shard_(shard), owner_(owner), from_(from), to_(from) {}

void FlushBatch::write(std::span<const FlushEntry> entries) {
  to_ = {entries.back().log.incarnation, entries.back().log.counter};
  lock_position();
  load_conversations(entries);
  sort_items(entries);
  compare_repeated();
  load_targets();
  fold_all();
  load_senders();
  copy_rows();
  PARLEY_FAULT_POINT("flush.after_copy");
  write_changed_rows();
  write_originals();
  write_conversations();
  write_senders();
  write_counters(entries);
  write_dead_letters();
  move_position();
}

Flusher::Heads FlushBatch::heads() const {
  Flusher::Heads heads;
  heads.reserve(conversations_.size());
  for (const auto& [id, conversation] : conversations_) {
    if (conversation.exists || conversation.changed) heads.emplace_back(id, conversation.meta.head);
  }
  return heads;
}

void FlushBatch::lock_position() {
  const PgRows row = session_.run("select incarnation, counter, owner from flush_progress where shard = $1 for update",
                                  {std::to_string(shard_)});
  if (row.size() != 1) throw ShardStopped("flush_progress has no row for it");
  if (row.text(0, 2) != owner_) throw Fenced("another flusher (" + std::string(row.text(0, 2)) + ") took over");
  if (Position{row.u64(0, 0), row.u64(0, 1)} != from_) throw PositionMoved("the position is another one");
}

void FlushBatch::load_conversations(std::span<const FlushEntry> entries) {
  for (const FlushEntry& entry : entries) {
    for (const FlushItem& item : entry.items) {
      if (item.result.seq == 0) continue;
      const auto [at, is_new] = conversations_.try_emplace(item.pack.conv);
      if (!is_new) continue;
      at->second.meta.id = item.pack.conv;
      at->second.meta.tenant = item.pack.tenant;
    }
  }
  if (conversations_.empty()) return;
  PgArray ids;
  for (const auto& [id, conversation] : conversations_) ids.add(id.value);
  const PgRows rows = session_.run(
      "select id, tenant_id, channel_id, visitor_id, number, epoch, status, claim, assignee, head, public_head, "
      "last_pos, created_ns, last_ts_ns, last_text_seq, last_from, preview, waiting_since, first_response_at, "
      "closed_ns, closed_by_kind, closed_by_id, closed_reason, archived_seq, applied_pos from conversation where id = "
      "any($1::bigint[]) order by id for update",
      {ids.finish()});
  for (int i = 0; i < rows.size(); ++i) {
    Conversation& conversation = conversations_[ConversationId{rows.u64(i, 0)}];
    domain::ConversationMeta& meta = conversation.meta;
    conversation.exists = true;
    meta.tenant = TenantId{rows.u64(i, 1)};
    meta.channel = ChannelId{rows.u64(i, 2)};
    meta.visitor = VisitorId{rows.u64(i, 3)};
    meta.number = rows.u64(i, 4);
    meta.epoch = rows.text(i, 5);
    meta.status = static_cast<protocol::Status>(rows.i64(i, 6));
    meta.claim = rows.u64(i, 7);
    meta.assignee = AgentId{rows.u64(i, 8)};
    meta.head = rows.u64(i, 9);
    meta.public_head = rows.u64(i, 10);
    meta.last_pos = rows.u64(i, 11);
    meta.created_ns = rows.i64(i, 12);
    meta.last_ts_ns = rows.i64(i, 13);
    meta.last_text_seq = rows.u64(i, 14);
    meta.last_from = static_cast<char>(rows.i64(i, 15));
    meta.preview = rows.text(i, 16);
    meta.waiting_since_ns = rows.i64(i, 17);
    meta.first_response_ns = rows.i64(i, 18);
    meta.closed_ns = rows.i64(i, 19);
    if (meta.closed_ns != 0) meta.closed_by = {static_cast<PrincipalKind>(rows.i64(i, 20)), rows.u64(i, 21)};
    meta.closed_reason = rows.text(i, 22);
    conversation.archived = rows.u64(i, 23);
    conversation.applied_pos = rows.u64(i, 24);
    if (conversation.archived != meta.head)
      throw ShardStopped(place_text(meta.id, conversation.archived) + ": its row stands at head " +
                         std::to_string(meta.head));
  }
}

void FlushBatch::sort_items(std::span<const FlushEntry> entries) {
  std::string text;  // reused
  for (const FlushEntry& entry : entries) {
    for (const redis::OpeningRecord& opening : entry.log.openings) {
      const auto found = conversations_.find(opening.conv);
      if (found == conversations_.end() || found->second.exists || found->second.changed) continue;
      domain::ConversationMeta& meta = found->second.meta;
      meta.channel = opening.channel;
      meta.visitor = opening.visitor;
      meta.number = opening.number;
      meta.epoch = opening.epoch;
    }
    for (const FlushItem& item : entry.items) {
      ++items_;
      if (!item.dead.empty()) dead_.push_back({entry.log.counter, &item});
      if (item.pack.n != 0) {
        answers_.push_back({{item.pack.conv, {item.pack.principal, item.pack.dev}},
                            item.pack.tenant,
                            redis::send_result_of(item.pack, item.result)});
      }
      if (item.result.seq != 0) add_item(entry, item, text);
    }
  }
}

void FlushBatch::add_item(const FlushEntry& entry, const FlushItem& item, std::string& text) {
  Conversation& conversation = conversations_[item.pack.conv];
  domain::ConversationMeta& meta = conversation.meta;
  if (item.result.seq <= meta.head) {
    repeated_.push_back(&item);
    return;
  }
  if (item.result.seq != meta.head + 1) {
    if (!PARLEY_BROKEN("flush_swallows")) {
      throw ShardStopped("hole: " + place_text(meta.id, item.result.seq) + " in journal entry " + entry.id() +
                         " comes right after seq " + std::to_string(meta.head));
    }
  }
  if (meta.epoch.empty()) {
    throw ShardStopped("hole: " + place_text(meta.id, item.result.seq) + " in journal entry " + entry.id() +
                       ", but nothing tells of its opening");
  }

  Row& row = rows_[{item.pack.conv, item.result.seq}];
  row.added = &item;
  row.pos = redis::position(entry.log.counter, item.index);
  row.rev = item.result.seq;
  row.flags = item.result.flags | (item.dead.empty() ? 0u : kPlaceholder);
  row.ts_ns = item.pack.ts_ns;
  row.tenant = item.pack.tenant;
  row.channel = meta.channel;
  row.content = content_of(item);
  added_.push_back(&row);

  MessageRow stored;
  stored.pos = row.pos;
  stored.seq = item.result.seq;
  stored.skip = item.result.skip;
  stored.flags = item.result.flags;
  stored.status = item.result.status;
  stored.assignee = item.result.assignee;
  stored.channel = meta.channel;
  text.clear();
  const std::string_view body = item.dead.empty() ? std::string_view(item.json) : std::string_view(kPlaceholderBody);
  const domain::EntryFacts facts = facts_of(stored, item.pack, body, text);
  domain::apply(meta, facts);
  conversation.applied_pos = row.pos;
  conversation.changed = true;
  if (facts.target != 0 && facts.target < item.result.seq) folds_.emplace_back(&item, facts.target);
}

FlushBatch::Content FlushBatch::content_of(const FlushItem& item) {
  Content content;
  if (!item.dead.empty()) {
    content.json = kPlaceholderBody;
  } else if (item.pack.key_id != 0) {
    content.sealed = std::string(item.pack.bytes);
    content.key_id = item.pack.key_id;
    content.codec = static_cast<std::uint8_t>(item.pack.codec);
  } else {
    content.json = item.json;
  }
  return content;
}

void FlushBatch::compare_repeated() {
  if (repeated_.empty() || PARLEY_BROKEN("flush_swallows")) return;
  std::map<Place, const FlushItem*> missing;
  auto same = [](const FlushItem& item, Principal principal, std::string_view dev, std::uint64_t n,
                 std::uint64_t hash) {
    return item.pack.principal == principal && dev_bytes(item.pack.dev) == dev && item.pack.n == n &&
           item.pack.hash == hash;
  };
  auto diverged = [](const FlushItem& item) {
    return ShardStopped("diverged: " + place_text(item.pack.conv, item.result.seq) +
                        " is another entry in the journal than in the archive");
  };
  for (const FlushItem* item : repeated_) {
    const auto added = rows_.find({item->pack.conv, item->result.seq});
    if (added == rows_.end()) {
      missing[{item->pack.conv, item->result.seq}] = item;
      continue;
    }
    const protocol::PackItem& first = added->second.added->pack;
    if (!same(*item, first.principal, dev_bytes(first.dev), first.n, first.hash)) throw diverged(*item);
  }
  PgArray convs, seqs;
  for (const auto& [place, item] : missing) {
    convs.add(place.first.value);
    seqs.add(place.second);
  }
  if (missing.empty()) return;
  const PgRows rows = session_.run(
      "select m.conv, m.seq, m.principal_kind, m.principal_id, m.dev, m.n, m.hash from message m join "
      "unnest($1::bigint[], $2::bigint[]) as k (conv, seq) on m.conv = k.conv and m.seq = k.seq",
      {convs.finish(), seqs.finish()});
  for (int i = 0; i < rows.size(); ++i) {
    const auto found = missing.find({ConversationId{rows.u64(i, 0)}, rows.u64(i, 1)});
    const Principal principal{static_cast<PrincipalKind>(rows.i64(i, 2)), rows.u64(i, 3)};
    if (found == missing.end()) continue;
    if (!same(*found->second, principal, rows.bytes(i, 4), rows.u64(i, 5), rows.u64(i, 6)))
      throw diverged(*found->second);
    missing.erase(found);
  }
  if (!missing.empty()) throw diverged(*missing.begin()->second);
}

void FlushBatch::load_targets() {
  std::vector<Place> places;
  for (const auto& [by, target] : folds_) {
    if (!rows_.contains({by->pack.conv, target})) places.emplace_back(by->pack.conv, target);
  }
  load_rows(places);
  // The edits whose text they have now, which is to be taken away as well.
  std::vector<Place> edits;
  for (const Place& place : places) {
    const auto found = rows_.find(place);
    if (found == rows_.end() || found->second.rev == place.second) continue;
    const Place edit{place.first, found->second.rev};
    if (!rows_.contains(edit)) edits.push_back(edit);
  }
  load_rows(edits);
}

void FlushBatch::load_rows(const std::vector<Place>& places) {
  if (places.empty()) return;
  PgArray convs, seqs;
  for (const Place& place : std::set<Place>(places.begin(), places.end())) {
    convs.add(place.first.value);
    seqs.add(place.second);
  }
  const PgRows rows = session_.run(
      "select m.conv, m.seq, m.ts_ns, m.tenant_id, m.rev, m.flags, m.body, m.sealed, m.key_id, m.codec from message m "
      "join unnest($1::bigint[], $2::bigint[]) as k (conv, seq) on m.conv = k.conv and m.seq = k.seq",
      {convs.finish(), seqs.finish()});
  for (int i = 0; i < rows.size(); ++i) {
    Row& row = rows_[{ConversationId{rows.u64(i, 0)}, rows.u64(i, 1)}];
    row.ts_ns = rows.i64(i, 2);
    row.tenant = TenantId{rows.u64(i, 3)};
    row.rev = rows.u64(i, 4);
    row.flags = static_cast<std::uint32_t>(rows.i64(i, 5));
    if (!rows.null(i, 6)) row.content.json = std::string(rows.text(i, 6));
    if (!rows.null(i, 7)) row.content.sealed = rows.bytes(i, 7);
    row.content.key_id = rows.u64(i, 8);
    row.content.codec = static_cast<std::uint8_t>(rows.i64(i, 9));
  }
}

void FlushBatch::fold_all() {
  for (const auto& [by, target] : folds_) fold(*by, target);
}

/// As MessageRows::fold() of the embedded store.
void FlushBatch::fold(const FlushItem& by, std::uint64_t target) {
  const Place place{by.pack.conv, target};
  const auto found = rows_.find(place);
  if (found == rows_.end() || (found->second.flags & kErased) != 0) return;
  Row& row = found->second;
  const std::uint64_t earlier_rev = row.rev;
  if (by.pack.kind == protocol::EntryType::kEdit) {
    Content edited = content_of(by);
    if (edited.json) edited.json = with_text_of(row.content.json.value_or("{}"), *edited.json);
    replace(place, row, by, &edited);
  } else {
    replace(place, row, by, nullptr);
  }
  if (earlier_rev == target || earlier_rev == by.result.seq) return;
  const Place edit{by.pack.conv, earlier_rev};
  const auto earlier = rows_.find(edit);
  if (earlier != rows_.end() && (earlier->second.flags & kErased) == 0) replace(edit, earlier->second, by, nullptr);
}

void FlushBatch::replace(Place place, Row& row, const FlushItem& by, const Content* with) {
  originals_.push_back({place.first, place.second, by.result.seq, row.tenant, by.pack.ts_ns, std::move(row.content)});
  row.content = with ? *with : Content{};
  row.rev = by.result.seq;
  row.changed = true;
  if (with) return;
  row.flags |= kErased;
  row.erased_ns = by.pack.ts_ns;
}

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
  out.bytes(dev_bytes(item.pack.dev));
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

void FlushBatch::load_senders() {
  std::set<ConversationId> convs;
  for (const Answer& answer : answers_) {
    if (senders_.try_emplace(answer.sender, Sender{{}, answer.tenant}).second) convs.insert(answer.sender.first);
  }
  if (senders_.empty()) return;
  const PgRows rows = session_.run(
      "select conv, principal_kind, principal_id, dev, results from sender_state where conv = any($1::bigint[])",
      {array_of(convs)});
  for (int i = 0; i < rows.size(); ++i) {
    domain::SenderKey key;
    key.principal = {static_cast<PrincipalKind>(rows.i64(i, 1)), rows.u64(i, 2)};
    const std::string dev = rows.bytes(i, 3);
    std::copy_n(dev.begin(), std::min(dev.size(), key.dev.bytes.size()), key.dev.bytes.begin());
    const auto found = senders_.find({ConversationId{rows.u64(i, 0)}, key});
    if (found == senders_.end()) continue;
    for (const domain::SendResult& result : decode_results(rows.bytes(i, 4))) found->second.state.restore(result);
  }
  for (const Answer& answer : answers_) senders_.at(answer.sender).state.restore(answer.result);
}

void FlushBatch::write_senders() {
  if (senders_.empty()) return;
  PgArray convs, kinds, ids, devs, tenants, used, results;
  std::string encoded;
  for (const auto& [place, sender] : senders_) {
    convs.add(place.first.value);
    kinds.add(static_cast<std::int64_t>(place.second.principal.kind));
    ids.add(place.second.principal.id);
    devs.add_bytes(dev_bytes(place.second.dev));
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
