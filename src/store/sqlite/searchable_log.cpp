#include "searchable_log.hpp"

#include "body_codec.hpp"
#include "message_facts.hpp"

namespace parley::store {
namespace {

using protocol::EntryType;

constexpr std::int64_t kRows = 512;

/// A damaged item is an empty one: it is not found, and the others are.
protocol::PackItem item_of(std::string_view pack) {
  const Result<std::vector<protocol::PackItem>> items = protocol::read_pack(pack);
  return items && items->size() == 1 ? (*items)[0] : protocol::PackItem();
}

std::string body_in(std::string_view pack) {
  const protocol::PackItem item = item_of(pack);
  return plain_body(item.codec, item.bytes);
}

}  // namespace

SearchableLog::SearchableLog(const std::filesystem::path& file, const Connection::Options& options)
    : db_(file, options),
      next_(db_, "select pos, conv, seq, rev, flags, kind, item from message where pos > ? order by pos limit ?"),
      row_(db_, "select pos, rev, flags, item from message where conv = ? and seq = ?"),
      at_(db_, "select flags, kind, item, seq from message where pos = ?"),
      taken_(db_, "select item from message_original where conv = ? and seq = ? and replaced_by = ?"),
      kept_(db_,
            "select item from message_original where conv = ? and seq = ? and replaced_by > ? order by replaced_by "
            "limit 1") {}

std::optional<std::uint64_t> SearchableLog::id_at(std::uint64_t pos) {
  at_.bind(1, pos);
  ResetAtEnd reset(at_);
  if (!at_.step()) return std::nullopt;
  return item_of(at_.bytes(2)).id.value;
}

SearchableLog::Rows SearchableLog::after(std::uint64_t pos) {
  Rows rows;
  std::int64_t count = 0;
  next_.bind(1, pos);
  next_.bind(2, kRows);
  ResetAtEnd reset(next_);
  while (next_.step()) {
    ++count;
    Row row;
    row.pos = next_.u64(0);
    row.conv = ConversationId{next_.u64(1)};
    row.seq = next_.null(2) ? 0 : next_.u64(2);
    row.rev = next_.null(3) ? 0 : next_.u64(3);
    row.flags = static_cast<std::uint32_t>(next_.i64(4));
    row.pack = next_.bytes(6);
    const auto kind = static_cast<EntryType>(next_.i64(5));
    const protocol::PackItem item = item_of(row.pack);
    rows.last_pos = row.pos;
    rows.last_id = item.id.value;
    rows.last_ts_ns = item.ts_ns;
    if (row.seq == 0) continue;
    if (kind == EntryType::kText || kind == EntryType::kNote) {
      if (const auto body = body_after(row, row.seq))
        rows.changes.push_back({row.pos, item.tenant, std::nullopt, text_field(*body, "text")});
    } else if (kind == EntryType::kEdit || kind == EntryType::kRecall) {
      add_edit(row, kind, rows);
    }
  }
  rows.more = count == kRows;
  return rows;
}

std::optional<SearchableLog::Row> SearchableLog::row_of(ConversationId conv, std::uint64_t seq) {
  row_.bind(1, conv.value);
  row_.bind(2, seq);
  ResetAtEnd reset(row_);
  if (!row_.step()) return std::nullopt;
  Row row;
  row.pos = row_.u64(0);
  row.seq = seq;
  row.rev = row_.u64(1);
  row.conv = conv;
  row.flags = static_cast<std::uint32_t>(row_.i64(2));
  row.pack = row_.bytes(3);
  return row;
}

/// The body that a row had right after entry `by` of its conversation; nothing if it was recalled by then.
std::optional<std::string> SearchableLog::body_after(const Row& row, std::uint64_t by) {
  if (row.rev > by) {
    kept_.bind(1, row.conv.value);
    kept_.bind(2, row.seq);
    kept_.bind(3, by);
    ResetAtEnd reset(kept_);
    if (kept_.step()) return body_in(kept_.bytes(0));
  }
  if ((row.flags & kErased) != 0) return std::nullopt;
  return body_in(row.pack);
}

void SearchableLog::add_edit(const Row& row, EntryType kind, Rows& rows) {
  const std::optional<std::string> body = body_after(row, row.seq);
  const std::optional<Row> target = body ? row_of(row.conv, target_of(*body)) : std::nullopt;
  if (!target) return;
  taken_.bind(1, row.conv.value);
  taken_.bind(2, target->seq);
  taken_.bind(3, row.seq);
  ResetAtEnd reset(taken_);
  if (!taken_.step()) return;  // there was nothing left to change
  const protocol::PackItem before = item_of(taken_.bytes(0));
  if (before.kind != EntryType::kText && before.kind != EntryType::kNote) return;
  Change& change = rows.changes.emplace_back();
  change.pos = target->pos;
  change.tenant = before.tenant;
  change.gone = text_field(plain_body(before.codec, before.bytes), "text");
  if (kind == EntryType::kRecall) return;
  if (const auto now = body_after(*target, row.seq)) change.come = text_field(*now, "text");
}

SearchCandidate SearchableLog::candidate(std::uint64_t pos, const SearchQuery& query) {
  SearchCandidate candidate;
  candidate.pos = pos;
  at_.bind(1, pos);
  ResetAtEnd reset(at_);
  if (!at_.step()) return candidate;
  const auto flags = static_cast<std::uint32_t>(at_.i64(0));
  const protocol::PackItem item = item_of(at_.bytes(2));
  candidate.conv = item.conv;
  candidate.seq = at_.u64(3);
  candidate.ts_ns = item.ts_ns;
  candidate.type = static_cast<EntryType>(at_.i64(1));
  candidate.audience = item.audience;
  candidate.from = item.principal;
  const bool may_see = item.tenant == query.tenant && (query.internal || item.audience == protocol::Audience::kPublic);
  if (may_see && (flags & kErased) == 0) candidate.text = text_field(plain_body(item.codec, item.bytes), "text");
  return candidate;
}

}  // namespace parley::store
