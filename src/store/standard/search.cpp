#include "standard/search.hpp"

#include <algorithm>
#include <optional>

#include "message_facts.hpp"
#include "parley/store/journal.hpp"
#include "redis/functions.hpp"
#include "standard/bigrams.hpp"
#include "standard/dead_letters.hpp"

namespace parley::store::standard {
namespace {

constexpr std::size_t kCandidates = 256;            // of one look into the index
constexpr std::size_t kCandidatesMax = 2048;        // looked at for one page
constexpr std::uint64_t kSecondPhase = 1ULL << 62;  // in a cursor: the query as it stands was looked for to the end
constexpr std::uint64_t kPosMax = kSecondPhase - 1;

SqlValue num(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::string array_text(const std::vector<std::int32_t>& tokens) {
  std::string text = "{";
  for (const std::int32_t token : tokens) {
    if (text.size() > 1) text += ',';
    text += std::to_string(token);
  }
  return text + "}";
}

/// One way through the index, newest first, collecting entries that match in one way.
class Walk {
 public:
  Walk(Sql& sql, const SearchQuery& query, std::u32string_view folded)
      : sql_(sql), query_(query), folded_(folded), tokens_(array_text(tokens_of(query.tenant, folded))) {}

  /// From below `before` on. Returns where to go on, or nothing at the end of the index.
  std::optional<std::uint64_t> run(std::uint64_t before, Match wanted, SearchPage& page) {
    while (page.hits.size() < query_.limit) {
      if (seen_ >= kCandidatesMax) return before;
      const auto rows = candidates(before);
      for (const SqlRow& row : rows) {
        if (page.hits.size() == query_.limit) return before;
        ++seen_;
        before = row.u64(0);
        add(row, wanted, page);
      }
      if (rows.size() < kCandidates) return std::nullopt;
    }
    return before;
  }

 private:
  std::vector<SqlRow> candidates(std::uint64_t before) {
    // First the newest that may match, then their texts. The times let PostgreSQL look into the right partition only.
    std::string statement =
        "select s.pos, m.conv, m.seq, m.ts_ns, m.body->>'text' from (select pos, conv, seq, ts_ns from message_search "
        "where tokens @> ?::integer[] and tenant_id = ? and pos < ? order by pos desc limit ?) s left join message m "
        "on "
        "m.conv = s.conv and m.seq = s.seq and m.ts_ns = s.ts_ns";
    if (!query_.internal) statement += " and m.audience = 0";
    statement += " order by s.pos desc";
    return sql_.query(statement, {tokens_, num(query_.tenant.value), num(before), std::int64_t{kCandidates}});
  }

  void add(const SqlRow& row, Match wanted, SearchPage& page) {
    if (row.null(4)) return;  // recalled since it was indexed, or not for this reader
    const std::string text = row.text(4);
    const FoldedText folded = fold_text(text);
    if (match(folded.text, folded_) != wanted) return;
    SearchHit& hit = page.hits.emplace_back();
    hit.conv = ConversationId{row.u64(1)};
    hit.seq = row.u64(2);
    hit.ts_ns = row.i64(3);
    hit.snippet = snippet_of(text, folded, folded_);
  }

  Sql& sql_;
  const SearchQuery& query_;
  const std::u32string_view folded_;
  const std::string tokens_;
  std::size_t seen_ = 0;
};

}  // namespace

SearchPage search(Sql& sql, const SearchQuery& query) {
  SearchPage page;
  const FoldedText folded = fold_text(query.text);
  if (query.limit == 0 || tokens_of(query.tenant, folded.text).empty()) return page;
  Walk walk(sql, query, folded.text);
  std::uint64_t before = (query.cursor & kPosMax) != 0 ? query.cursor & kPosMax : kPosMax;
  bool second = (query.cursor & kSecondPhase) != 0;
  if (!second) {
    if (const auto next = walk.run(before, Match::kPhrase, page)) {
      page.next = *next;
      return page;
    }
    // A single word that is in a text is the query as it stands.
    if (words_of(folded.text).size() == 1) return page;
    second = true;
    before = kPosMax;
  }
  if (const auto next = walk.run(before, Match::kWords, page)) page.next = kSecondPhase | *next;
  return page;
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
