#include "history.hpp"

#include <algorithm>

#include "body_codec.hpp"
#include "message_rows.hpp"
#include "page.hpp"

namespace parley::store {
namespace {

StoredEntry entry_of(const SqlRow& row) {
  const std::string pack = row.text(7);
  Result<std::vector<protocol::PackItem>> items = protocol::read_pack(pack);
  if (!items || items->size() != 1)
    throw SqlError(SqlError::Kind::kCorrupt, "the item of seq " + std::to_string(row.u64(0)) + " cannot be read");
  const protocol::PackItem& item = (*items)[0];
  const auto flags = static_cast<std::uint32_t>(row.i64(4));
  StoredEntry entry;
  entry.seq = row.u64(0);
  entry.skip = row.u64(1);
  entry.id = item.id;
  entry.ts_ns = item.ts_ns;
  entry.type = item.kind;
  entry.audience = static_cast<Audience>(row.i64(2));
  entry.from = item.principal;
  entry.dev = item.dev;
  entry.n = item.n;
  entry.rev = row.u64(3);
  entry.recalled = (flags & kErased) != 0;
  if (!entry.recalled) entry.body = plain_body(item.codec, item.bytes);
  if (!row.null(5)) {
    entry.status = static_cast<protocol::Status>(row.i64(5));
    entry.claim = item.claim;
    entry.assignee = AgentId{row.u64(6)};
  }
  return entry;
}

}  // namespace

Journal::Page read_page(Sql& sql, ConversationId conv, const Journal::Range& range) {
  const bool forward = range.after.has_value();
  std::string statement = "select seq, skip, audience, rev, flags, status, assignee, item from message where conv = ?";
  std::vector<SqlValue> parameters = {static_cast<std::int64_t>(conv.value)};
  // Written out, because the partial index is only used where its condition can be seen.
  statement += forward ? " and seq > ?" : " and seq < ?";
  parameters.emplace_back(forward        ? static_cast<std::int64_t>(*range.after)
                          : range.before ? static_cast<std::int64_t>(*range.before)
                                         : INT64_MAX);
  if (!range.internal) statement += " and audience = 0";
  statement += forward ? " order by seq limit ?" : " order by seq desc limit ?";
  parameters.emplace_back(std::int64_t{range.limit} + 1);

  return page_of(sql.query(statement, parameters), range, entry_of);
}

std::optional<ConversationId> conversation_of_visitor(Sql& sql, ChannelId channel, VisitorId visitor) {
  const auto rows = sql.query(
      "select id from conversation where channel_id = ? and visitor_id = ? order by status = 3, closed_ns desc, id "
      "desc limit 1",
      {static_cast<std::int64_t>(channel.value), static_cast<std::int64_t>(visitor.value)});
  if (rows.empty()) return std::nullopt;
  return ConversationId{rows[0].u64(0)};
}

}  // namespace parley::store
