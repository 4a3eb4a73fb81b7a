#include "standard/dead_letters.hpp"

#include <nlohmann/json.hpp>

#include "body_codec.hpp"
#include "message_facts.hpp"
#include "parley/protocol/pack.hpp"
#include "parley/store/journal.hpp"
#include "standard/search.hpp"

namespace parley::store::standard {
namespace {

using nlohmann::json;

constexpr const char* kColumns = "id, shard, counter, idx, conv, seq, reason, created_ns, state";
constexpr std::size_t kItemColumn = 9;

DeadLetter letter_of(const SqlRow& row) {
  DeadLetter letter;
  letter.id = row.i64(0);
  letter.shard = static_cast<unsigned>(row.u64(1));
  letter.counter = row.u64(2);
  letter.index = static_cast<unsigned>(row.u64(3));
  letter.conv = ConversationId{row.u64(4)};
  letter.seq = row.u64(5);
  letter.reason = row.text(6);
  letter.created_ns = row.i64(7);
  letter.state = static_cast<DeadLetter::State>(row.i64(8));
  return letter;
}

SqlValue num(std::uint64_t value) { return static_cast<std::int64_t>(value); }

/// Makes of every string in `value` something that PostgreSQL keeps.
void clean(json& value) {
  if (value.is_string()) {
    std::string& text = value.get_ref<std::string&>();
    for (std::size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
      text.replace(at, 1, "\uFFFD");
  } else if (value.is_structured()) {
    for (json& part : value) clean(part);
  }
}

/// The item's body as it can be kept; nothing if it is no JSON object.
std::optional<std::string> body_of(const protocol::PackItem& item) {
  json body = json::parse(plain_body(item.codec, item.bytes), nullptr, false);
  if (!body.is_object()) return std::nullopt;
  clean(body);
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

void replace_body(Sql& sql, ConversationId conv, std::uint64_t seq, const std::string& body, std::uint32_t flags) {
  sql.query("update message set body = ?::jsonb, flags = ? where conv = ? and seq = ?",
            {body, std::int64_t{flags}, num(conv.value), num(seq)});
}

/// What the edit at `by` would have done when it came.
void apply_edit(Sql& sql, const protocol::PackItem& item, std::uint64_t by, const std::string& edit) {
  const std::uint64_t target = target_of(edit);
  const auto rows = sql.query("select rev, flags, body::text from message where conv = ? and seq = ?",
                              {num(item.conv.value), num(target)});
  if (rows.empty() || rows[0].u64(0) >= by || (rows[0].u64(1) & kErased) != 0) return;
  sql.query(
      "insert into message_original (conv, seq, replaced_by, tenant_id, replaced_ns, body) values (?, ?, ?, ?, ?, "
      "?::jsonb) on conflict do nothing",
      {num(item.conv.value), num(target), num(by), num(item.tenant.value), item.ts_ns, rows[0].text(2)});
  sql.query("update message set rev = ?, body = ?::jsonb where conv = ? and seq = ?",
            {num(by), with_text_of(rows[0].text(2), edit), num(item.conv.value), num(target)});
}

}  // namespace

std::vector<DeadLetter> list_dead_letters(Sql& sql, std::int64_t after, unsigned limit) {
  std::vector<DeadLetter> letters;
  const std::string statement =
      std::string("select ") + kColumns + " from dead_letter where state = 0 and id > ? order by id limit ?";
  for (const SqlRow& row : sql.query(statement, {after, std::int64_t{limit}})) letters.push_back(letter_of(row));
  return letters;
}

std::optional<DeadLetterDetail> show_dead_letter(Sql& sql, std::int64_t id) {
  const std::string statement = std::string("select ") + kColumns + ", item from dead_letter where id = ?";
  const auto rows = sql.query(statement, {id});
  if (rows.empty()) return std::nullopt;
  DeadLetterDetail detail;
  detail.letter = letter_of(rows[0]);
  detail.item = rows[0].text(kItemColumn);
  const Result<std::vector<protocol::PackItem>> items = protocol::read_pack(detail.item);
  if (!items || items->size() != 1) return detail;
  const protocol::PackItem& item = (*items)[0];
  detail.kind = protocol::to_string(item.kind);
  detail.sender = item.principal.str();
  detail.ts_ns = item.ts_ns;
  if (item.key_id == 0) detail.body = plain_body(item.codec, item.bytes);
  return detail;
}

Replayed replay_dead_letter(Sql& sql, std::int64_t id) {
  const std::optional<DeadLetterDetail> detail = show_dead_letter(sql, id);
  if (!detail) return {false, "there is no dead letter with this number"};
  if (detail->letter.state != DeadLetter::State::kWaiting) return {false, "it does not wait any more"};
  const Result<std::vector<protocol::PackItem>> items = protocol::read_pack(detail->item);
  if (!items || items->size() != 1) return {false, "the item cannot be read"};
  const protocol::PackItem& item = (*items)[0];
  const std::optional<std::string> body = body_of(item);
  if (!body) return {false, "the body is no JSON object"};

  const std::uint64_t seq = detail->letter.seq;
  const auto rows = sql.query("select rev, flags from message where conv = ? and seq = ? for update",
                              {num(item.conv.value), num(seq)});
  if (rows.empty()) return {false, "its place in the conversation is gone"};
  const auto flags = static_cast<std::uint32_t>(rows[0].u64(1));
  if (rows[0].u64(0) == seq && (flags & kErased) == 0) {
    replace_body(sql, item.conv, seq, *body, flags & ~kPlaceholder);
  } else {
    sql.query(
        "update message_original set body = ?::jsonb where conv = ? and seq = ? and replaced_by = (select "
        "min(replaced_by) from message_original where conv = ? and seq = ?)",
        {*body, num(item.conv.value), num(seq), num(item.conv.value), num(seq)});
    sql.query("update message set flags = ? where conv = ? and seq = ?",
              {std::int64_t{flags & ~kPlaceholder}, num(item.conv.value), num(seq)});
  }
  if (item.kind == protocol::EntryType::kEdit) apply_edit(sql, item, seq, *body);
  const std::uint64_t shown = item.kind == protocol::EntryType::kEdit ? target_of(*body) : seq;
  index_entry(sql, detail->letter.shard, detail->letter.counter, item.conv, shown);
  sql.query("update dead_letter set state = 1 where id = ?", {id});
  return {true, {}};
}

bool give_up_dead_letter(Sql& sql, std::int64_t id) {
  sql.query("update dead_letter set state = 2 where id = ? and state = 0", {id});
  return sql.changes() == 1;
}

}  // namespace parley::store::standard
