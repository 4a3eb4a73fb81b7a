#include "message_rows.hpp"

#include "body_codec.hpp"

namespace parley::store {

MessageRows::MessageRows(Connection& db)
    : insert_(db,
              "insert into message (pos, tenant_id, conv, seq, skip, audience, kind, principal_kind, principal_id, "
              "rev, flags, status, assignee, channel_id, item) "
              "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      find_(db, "select pos, rev, flags, item from message where conv = ? and seq = ?"),
      keep_original_(db,
                     "insert into message_original (conv, seq, replaced_by, tenant_id, replaced_ns, item) values (?, "
                     "?, ?, ?, ?, ?)"),
      replace_(db, "update message set rev = ?, flags = ?, erased_at = ?, item = ? where pos = ?") {}

void MessageRows::insert(const MessageRow& row, const protocol::PackItem& item) {
  pack_.clear();
  protocol::append_pack(pack_, &item, 1);
  insert_.bind(1, row.pos);
  insert_.bind(2, item.tenant.value);
  insert_.bind(3, item.conv.value);
  if (row.seq != 0) {
    insert_.bind(4, row.seq);
    insert_.bind(10, row.seq);
  } else {
    insert_.bind_null(4);
    insert_.bind_null(10);
  }
  insert_.bind(5, row.skip);
  insert_.bind(6, static_cast<std::int64_t>(item.audience));
  insert_.bind(7, static_cast<std::int64_t>(item.kind));
  insert_.bind(8, static_cast<std::int64_t>(item.principal.kind));
  insert_.bind(9, item.principal.id);
  insert_.bind(11, std::int64_t{row.flags});
  if ((row.flags & kAnyChange) != 0) {
    insert_.bind(12, static_cast<std::int64_t>(row.status));
    insert_.bind(13, row.assignee.value);
  } else {
    insert_.bind_null(12);
    insert_.bind_null(13);
  }
  insert_.bind(14, row.channel.value);
  insert_.bind_blob(15, pack_);
  insert_.run();
}

std::optional<MessageRows::Row> MessageRows::find(ConversationId conv, std::uint64_t seq) {
  find_.bind(1, conv.value);
  find_.bind(2, seq);
  ResetAtEnd reset(find_);
  if (!find_.step()) return std::nullopt;
  return Row{find_.u64(0), find_.u64(1), static_cast<std::uint32_t>(find_.i64(2)), std::string(find_.bytes(3))};
}

void MessageRows::replace(ConversationId conv, std::uint64_t seq, const Row& row, std::uint64_t by,
                          const std::string* new_body, std::int64_t now_ns) {
  Result<std::vector<protocol::PackItem>> items = protocol::read_pack(row.pack);
  if (!items)
    throw SqlError(SqlError::Kind::kCorrupt,
                   "the item at journal position " + std::to_string(row.pos) + ": " + items.error().detail);
  protocol::PackItem item = (*items)[0];
  keep_original_.bind(1, conv.value);
  keep_original_.bind(2, seq);
  keep_original_.bind(3, by);
  keep_original_.bind(4, item.tenant.value);
  keep_original_.bind(5, now_ns);
  keep_original_.bind_blob(6, row.pack);
  keep_original_.run();

  item.codec = protocol::Codec::kJson;
  item.bytes = new_body ? std::string_view(*new_body) : std::string_view();
  pack_.clear();
  protocol::append_pack(pack_, &item, 1);
  replace_.bind(1, by);
  replace_.bind(2, std::int64_t{new_body ? row.flags : row.flags | kErased});
  if (new_body) {
    replace_.bind_null(3);
  } else {
    replace_.bind(3, now_ns);
  }
  replace_.bind_blob(4, pack_);
  replace_.bind(5, row.pos);
  replace_.run();
}

void MessageRows::fold(ConversationId conv, std::uint64_t target, std::uint64_t by, const std::string* edit_json,
                       std::int64_t now_ns) {
  std::optional<Row> row = find(conv, target);
  if (!row || (row->flags & kErased) != 0) return;
  if (edit_json) {
    Result<std::vector<protocol::PackItem>> items = protocol::read_pack(row->pack);
    if (!items)
      throw SqlError(SqlError::Kind::kCorrupt,
                     "the item at journal position " + std::to_string(row->pos) + ": " + items.error().detail);
    const std::string body = with_text_of(plain_body((*items)[0].codec, (*items)[0].bytes), *edit_json);
    replace(conv, target, *row, by, &body, now_ns);
  } else {
    replace(conv, target, *row, by, nullptr, now_ns);
  }
  // The edit before this one still holds the text that has just been replaced.
  if (row->rev == target || row->rev == by) return;
  std::optional<Row> earlier = find(conv, row->rev);
  if (earlier && (earlier->flags & kErased) == 0) replace(conv, row->rev, *earlier, by, nullptr, now_ns);
}

}  // namespace parley::store
