#include "standard/search.hpp"

#include "bigrams.hpp"
#include "message_facts.hpp"
#include "parley/store/journal.hpp"
#include "redis/functions.hpp"
#include "search_pages.hpp"
#include "standard/dead_letters.hpp"

namespace parley::store::standard {
namespace {

SqlValue num(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::string array_text(const std::vector<std::int32_t>& tokens) {
  std::string text = "{";
  for (const std::int32_t token : tokens) {
    if (text.size() > 1) text += ',';
    text += std::to_string(token);
  }
  return text + "}";
}

class Archive final : public SearchSource {
 public:
  Archive(Sql& sql, const SearchQuery& query) : sql_(sql), query_(query) {}

  std::vector<SearchCandidate> candidates(const std::vector<std::int32_t>& tokens, std::uint64_t before,
                                          std::size_t limit) override {
    // First the newest that may match, then their texts. The times let PostgreSQL look into the right partition only.
    std::string statement =
        "select s.pos, m.conv, m.seq, m.ts_ns, m.kind, m.audience, m.principal_kind, m.principal_id, m.body->>'text' "
        "from (select pos, conv, seq, ts_ns from message_search where tokens @> ?::integer[] and tenant_id = ? and pos "
        "< ? order by pos desc limit ?) s left join message m on m.conv = s.conv and m.seq = s.seq and m.ts_ns = "
        "s.ts_ns";
    if (!query_.internal) statement += " and m.audience = 0";
    statement += " order by s.pos desc";
    std::vector<SearchCandidate> found;
    for (const SqlRow& row : sql_.query(statement, {array_text(tokens), num(query_.tenant.value), num(before),
                                                    static_cast<std::int64_t>(limit)})) {
      SearchCandidate& candidate = found.emplace_back();
      candidate.pos = row.u64(0);
      if (row.null(8)) continue;  // recalled since it was indexed, or not for this reader
      candidate.conv = ConversationId{row.u64(1)};
      candidate.seq = row.u64(2);
      candidate.ts_ns = row.i64(3);
      candidate.type = static_cast<EntryType>(row.i64(4));
      candidate.audience = static_cast<Audience>(row.i64(5));
      candidate.from = {static_cast<PrincipalKind>(row.i64(6)), row.u64(7)};
      candidate.text = row.text(8);
    }
    return found;
  }

 private:
  Sql& sql_;
  const SearchQuery& query_;
};

}  // namespace

SearchPage search(Sql& sql, const SearchQuery& query) {
  Archive archive(sql, query);
  return search_page(archive, query);
}

void index_entry(Sql& sql, unsigned shard, std::uint64_t counter, ConversationId conv, std::uint64_t seq) {
  const auto progress = sql.query("select counter from search_progress where shard = ? for update", {num(shard)});
  if (progress.empty() || progress[0].u64(0) < counter) return;
  sql.query("delete from message_search where conv = ? and seq = ?", {num(conv.value), num(seq)});
  const auto rows =
      sql.query("select pos, tenant_id, ts_ns, kind, flags, body->>'text' from message where conv = ? and seq = ?",
                {num(conv.value), num(seq)});
  if (rows.empty() || rows[0].null(5) || (rows[0].u64(4) & (kErased | kPlaceholder)) != 0) return;
  const auto kind = static_cast<EntryType>(rows[0].i64(3));
  if (kind != EntryType::kText && kind != EntryType::kNote) return;
  const auto tokens = tokens_of(TenantId{rows[0].u64(1)}, fold_text(rows[0].text(5)).text);
  if (tokens.empty()) return;
  sql.query(
      "insert into message_search (tenant_id, conv, seq, pos, ts_ns, tokens) values (?, ?, ?, ?, ?, ?::integer[])",
      {num(rows[0].u64(1)), num(conv.value), num(seq), num(rows[0].u64(0)), rows[0].i64(2), array_text(tokens)});
}

}  // namespace parley::store::standard
