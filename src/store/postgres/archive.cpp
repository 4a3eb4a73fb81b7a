#include "archive.hpp"

#include <algorithm>
#include <cstring>

#include "conversation_row.hpp"
#include "message_facts.hpp"
#include "page.hpp"
#include "sender_results.hpp"

namespace parley::store::archive {
namespace {

constexpr unsigned kSlotBits = 28;  // of conversation.pos_slot

SqlValue number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::vector<domain::ConversationMeta> metas(Sql& sql, std::string_view where,
                                            std::initializer_list<SqlValue> parameters) {
  std::string statement = "select ";
  statement.append(kMetaColumns).append(" from conversation where ").append(where);
  std::vector<domain::ConversationMeta> found;
  for (const SqlRow& row : sql.query(statement, parameters)) found.push_back(meta_of(row));
  return found;
}

DevId dev_of(const std::string& bytes) {
  DevId dev;
  std::memcpy(dev.bytes.data(), bytes.data(), std::min(bytes.size(), dev.bytes.size()));
  return dev;
}

/// PostgreSQL prints jsonb with a blank after ":" and ","; bodies have none.
std::string without_blanks(std::string json) {
  bool quoted = false;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == ' ' && !quoted) continue;
    if (c == '"') quoted = !quoted;
    json[kept++] = c;
    if (c == '\\' && i + 1 < json.size()) json[kept++] = json[++i];
  }
  json.resize(kept);
  return json;
}

StoredEntry entry_of(const SqlRow& row) {
  StoredEntry entry;
  entry.seq = row.u64(0);
  entry.skip = row.u64(1);
  entry.audience = static_cast<Audience>(row.i64(2));
  entry.rev = row.u64(3);
  entry.recalled = (static_cast<std::uint32_t>(row.i64(4)) & kErased) != 0;
  if (!row.null(5)) {
    entry.status = static_cast<protocol::Status>(row.i64(5));
    entry.assignee = AgentId{row.u64(6)};
    entry.claim = row.u64(7);
  }
  entry.id = MessageId{row.u64(8)};
  entry.ts_ns = row.i64(9);
  entry.type = static_cast<EntryType>(row.i64(10));
  entry.from = {static_cast<PrincipalKind>(row.i64(11)), row.u64(12)};
  entry.dev = dev_of(row.text(13));
  entry.n = row.u64(14);
  if (!entry.recalled) entry.body = without_blanks(row.text(15));
  return entry;
}

template <class Value>
void add_to(std::string& array, Value value) {
  array += array.empty() ? '{' : ',';
  array += std::to_string(static_cast<std::int64_t>(value));
}

}  // namespace

std::optional<Archived> load(Sql& sql, ConversationId conv) {
  Archived found;
  ConversationState& state = found.state;
  std::string statement = "select ";
  statement.append(kMetaColumns).append(", archived_seq from conversation where id = ?");
  const auto rows = sql.query(statement, {number(conv.value)});
  if (!rows.empty()) {
    state.meta = meta_of(rows[0]);
    found.archived = rows[0].u64(kBehindMeta);
  }
  for (const SqlRow& row :
       sql.query("select principal_kind, principal_id, dev, tenant_id, results from sender_state where conv = ?",
                 {number(conv.value)})) {
    domain::SenderKey key;
    key.principal = {static_cast<PrincipalKind>(row.i64(0)), row.u64(1)};
    key.dev = dev_of(row.text(2));
    if (rows.empty()) {
      state.meta.tenant = TenantId{row.u64(3)};
      if (key.principal.kind == PrincipalKind::kVisitor) state.meta.visitor = VisitorId{key.principal.id};
    }
    state.senders.emplace_back(key, decode_results(row.text(4)));
  }
  if (rows.empty() && state.senders.empty()) return std::nullopt;
  state.meta.id = conv;
  return found;
}

Journal::Page read_page(Sql& sql, ConversationId conv, const Journal::Range& range) {
  const bool forward = range.after.has_value();
  std::string statement =
      "select seq, skip, audience, rev, flags, status, assignee, claim, id, ts_ns, kind, principal_kind, principal_id, "
      "dev, n, body from message where conv = ?";
  std::vector<SqlValue> parameters = {number(conv.value)};
  statement += forward ? " and seq > ?" : " and seq < ?";
  parameters.push_back(number(forward ? *range.after : range.before.value_or(INT64_MAX)));
  if (!range.internal) statement += " and audience = 0";
  statement += forward ? " order by seq limit ?" : " order by seq desc limit ?";
  parameters.emplace_back(std::int64_t{range.limit} + 1);

  return page_of(sql.query(statement, parameters), range, entry_of);
}

std::optional<ConversationId> of_visitor(Sql& sql, ChannelId channel, VisitorId visitor) {
  const auto rows = sql.query(
      "select id from conversation where channel_id = ? and visitor_id = ? order by status = 3, closed_ns desc, id "
      "desc limit 1",
      {number(channel.value), number(visitor.value)});
  if (rows.empty()) return std::nullopt;
  return ConversationId{rows[0].u64(0)};
}

std::vector<domain::ConversationMeta> closed(Sql& sql, TenantId tenant, std::uint64_t before_pos, unsigned limit) {
  return metas(sql, "tenant_id = ? and status = 3 and closed_pos < ? order by closed_pos desc limit ?",
               {number(tenant.value), number(before_pos == 0 ? INT64_MAX : before_pos), std::int64_t{limit}});
}

std::vector<domain::ConversationMeta> changed(Sql& sql, TenantId tenant, std::uint64_t since_pos, unsigned limit) {
  // The index names slots of positions (migrations/0002); within one they are sorted here.
  return metas(sql, "tenant_id = ? and pos_slot >= ? and last_pos > ? order by pos_slot, last_pos limit ?",
               {number(tenant.value), number(since_pos >> kSlotBits), number(since_pos), std::int64_t{limit}});
}

std::vector<Journal::Mark> marks(Sql& sql, ConversationId conv) {
  std::vector<Journal::Mark> found;
  for (const SqlRow& row :
       sql.query("select principal_kind, principal_id, rcv_seq, read_seq from receipt where conv = ? order by "
                 "principal_kind, principal_id",
                 {number(conv.value)})) {
    found.push_back({conv, {static_cast<PrincipalKind>(row.i64(0)), row.u64(1)}, row.u64(2), row.u64(3)});
  }
  return found;
}

void save_marks(Sql& sql, const std::vector<Journal::Mark>& marks) {
  if (marks.empty()) return;
  std::string convs, kinds, ids, rcvs, reads;
  for (const Journal::Mark& mark : marks) {
    add_to(convs, mark.conv.value);
    add_to(kinds, mark.who.kind);
    add_to(ids, mark.who.id);
    add_to(rcvs, mark.rcv);
    add_to(reads, mark.read);
  }
  for (std::string* array : {&convs, &kinds, &ids, &rcvs, &reads}) *array += '}';
  // Grouped, because one statement may touch a row only once.
  sql.query(
      "insert into receipt (conv, principal_kind, principal_id, tenant_id, rcv_seq, read_seq) select conv, kind, who, "
      "coalesce((select tenant_id from conversation where id = conv), 0), max(rcv), max(read) from "
      "unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) as mark (conv, kind, who, rcv, read) "
      "group by conv, kind, who on conflict (conv, principal_kind, principal_id) do update set tenant_id = "
      "greatest(receipt.tenant_id, excluded.tenant_id), rcv_seq = greatest(receipt.rcv_seq, excluded.rcv_seq), "
      "read_seq = greatest(receipt.read_seq, excluded.read_seq)",
      {convs, kinds, ids, rcvs, reads});
}

}  // namespace parley::store::archive
