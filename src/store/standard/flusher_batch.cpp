#include "standard/flusher_batch.hpp"

#include <algorithm>
#include <set>

#include "body_codec.hpp"
#include "conversation_row.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "sender_results.hpp"
#include "standard/dead_letters.hpp"

namespace parley::store::standard {
namespace {

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
      std::string("select ") + kMetaColumns +
          ", archived_seq, applied_pos from conversation where id = any($1::bigint[]) order by id for update",
      {ids.finish()});
  for (int i = 0; i < rows.size(); ++i) {
    domain::ConversationMeta meta = meta_of(rows[i]);
    Conversation& conversation = conversations_[meta.id];
    conversation.exists = true;
    conversation.archived = rows.u64(i, kBehindMeta);
    conversation.applied_pos = rows.u64(i, kBehindMeta + 1);
    if (conversation.archived != meta.head)
      throw ShardStopped(place_text(meta.id, conversation.archived) + ": its row stands at head " +
                         std::to_string(meta.head));
    conversation.meta = std::move(meta);
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
    return item.pack.principal == principal && bytes_of(item.pack.dev) == dev && item.pack.n == n &&
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
    if (!same(*item, first.principal, bytes_of(first.dev), first.n, first.hash)) throw diverged(*item);
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

}  // namespace parley::store::standard
