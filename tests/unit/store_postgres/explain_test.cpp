#include <regex>

#include "archive_fixture.hpp"

/// Statements on the way of a message or a page must find their rows by an index, however large the tables are.
namespace parley::store::test {
namespace {

/// Runs statements and keeps the plans that PostgreSQL makes for them: for these parameters, and for any.
class ExplainingSql final : public Sql {
 public:
  explicit ExplainingSql(PgConnection& inner) : inner_(inner) {}
  using Sql::query;
  std::vector<SqlRow> query(std::string_view statement, std::span<const SqlValue> parameters) override {
    plans.push_back(lines(inner_.query("explain " + std::string(statement), parameters)));
    inner_.execute("set plan_cache_mode = force_generic_plan; prepare any_parameters as " +
                   numbered_parameters(statement));
    plans.push_back(lines(inner_.query("explain execute any_parameters (" + literals(parameters) + ")", {})));
    inner_.execute("deallocate any_parameters; reset plan_cache_mode");
    return inner_.query(statement, parameters);
  }
  std::int64_t changes() const override { return inner_.changes(); }

  std::vector<std::string> plans;

 private:
  static std::string lines(const std::vector<SqlRow>& rows) {
    std::string text;
    for (const SqlRow& row : rows) text += row.text(0) + '\n';
    return text;
  }
  static std::string literals(std::span<const SqlValue> parameters) {
    std::string list;
    for (const SqlValue& value : parameters) {
      if (!list.empty()) list += ", ";
      if (auto* number = std::get_if<std::int64_t>(&value)) {
        list += std::to_string(*number);
      } else {
        list += "'" + std::get<std::string>(value) + "'";
      }
    }
    return list;
  }
  PgConnection& inner_;
};

/// A million messages of 100,000 conversations over six months, some of them with an absurd time, and a conversation
/// with 50,000 of its own. The partitions that the schema began with are empty.
const std::string& large_database() {
  static const std::string conninfo = [] {
    std::string made = migrated_database();
    PgOptions patient = options_of(made);
    patient.statement = std::chrono::minutes(2);
    PgConnection sql(patient);
    sql.execute(R"(
      select ensure_month(1704067200000000000 + month * 31 * 86400 * 1000000000) from generate_series(0, 5::bigint) month;
      insert into conversation (id, tenant_id, channel_id, visitor_id, number, epoch, status, head, public_head, last_pos, created_ns, archived_seq, preview)
        select i, 1 + i % 20, 1 + i % 20, 1000000 + i / 2, i, 'abcdef', case when i % 50 = 0 then 2 else 3 end, 10, 10, i * 4096, 1704067200000000000, 10, 'words'
        from generate_series(1, 100000::bigint) i;
      insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, flags, audience, kind, principal_kind, dev, body)
        select i, 1 + conv % 20, conv, seq, i, case when i % 50 = 0 then i else 1704067200000000000 + conv * 155::bigint * 86400 * 10000 end,
               1 + conv % 20, 1, seq, i, 0, seq, 0, 8, case when i % 10 = 0 then 1 else 0 end, 1, 118, '\x000102030405060708090a0b', '{"text": "some words"}'
        from generate_series(0, 999999::bigint) i, lateral (select 1 + i % 100000 as conv, 1 + i / 100000 as seq) place;
      insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, flags, audience, kind, principal_kind, dev, body)
        select i, 1, 777777, i, i, 1704067200000000000 + i * 100::bigint * 1000000000, 1, 1, i, i, 0, i, 0, 8, 0, 1, 118, '', '{"text": "some words"}'
        from generate_series(1, 50000::bigint) i;
      insert into sender_state select i, 118, 1, '\x000102030405060708090a0b', 1 + i % 20, i, '' from generate_series(1, 100000::bigint) i;
      insert into receipt select i, 118, 1, 1 + i % 20, 10, 10 from generate_series(1, 100000::bigint) i;
      insert into message_original (conv, seq, replaced_by, tenant_id, replaced_ns, body) select i, 1, 2, 1, 1, '{}' from generate_series(1, 100000::bigint) i;
      analyze;)");
    return made;
  }();
  return conninfo;
}

/// `reader`: connected as the threads that read pages, lists and entities are.
class Explain {
  static PgOptions options(bool reader) {
    PgOptions how = options_of(large_database());
    how.read_only = reader;
    return how;
  }
  const bool reader_;
  PgConnection connection_;

 public:
  explicit Explain(bool reader) : reader_(reader), connection_(options(reader)) {}

  /// Nothing so far reads a whole table; an empty partition may be one for who is no reader.
  void expect_indexes() const {
    EXPECT_FALSE(sql.plans.empty());
    const std::regex whole(reader_ ? "Seq Scan" : "Seq Scan on (?!message_y202[^4])");
    for (const std::string& plan : sql.plans) EXPECT_FALSE(std::regex_search(plan, whole)) << plan;
  }
  void expect_no_sorting() const {
    for (const std::string& plan : sql.plans) EXPECT_EQ(plan.find("Sort  ("), std::string::npos) << plan;
  }

  ExplainingSql sql{connection_};
};

void read_pages(Sql& sql, ConversationId conv) {
  for (const bool internal : {false, true}) {
    Journal::Range range;
    range.internal = internal;
    EXPECT_FALSE(archive::read_page(sql, conv, range).entries.empty());
    range.before = 8;
    EXPECT_FALSE(archive::read_page(sql, conv, range).entries.empty());
    range.before.reset();
    range.after = 3;
    EXPECT_FALSE(archive::read_page(sql, conv, range).entries.empty());
  }
}

void load(Sql& sql, ConversationId conv) {
  const auto found = archive::load(sql, conv);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state.senders.size(), 1u);
  EXPECT_EQ(archive::marks(sql, conv).size(), 1u);
  EXPECT_TRUE(archive::of_visitor(sql, ChannelId{1 + conv.value % 20}, VisitorId{1'000'000 + conv.value / 2}));
}

void list(Sql& sql, TenantId tenant) {
  EXPECT_EQ(archive::closed(sql, tenant, 0, 50).size(), 50u);
  EXPECT_EQ(archive::closed(sql, tenant, 50'000 * 4096, 50).size(), 50u);
  EXPECT_EQ(archive::changed(sql, tenant, 90'000 * 4096, 50).size(), 50u);
}

// One test, because the tables take seconds to fill.
TEST(ExplainTest, EveryStatementOnTheWayOfAMessageOrAPageUsesAnIndex) {
  for (const bool reader : {false, true}) {
    Explain explain(reader);
    load(explain.sql, ConversationId{4242});
    list(explain.sql, TenantId{11});
    read_pages(explain.sql, ConversationId{4242});
    read_pages(explain.sql, ConversationId{777777});
    explain.expect_indexes();
  }
  {
    SCOPED_TRACE("a long conversation is not sorted for a page of it");
    Explain explain(true);
    read_pages(explain.sql, ConversationId{777777});
    explain.expect_no_sorting();
  }
  {
    SCOPED_TRACE("receipts");
    Explain explain(false);
    std::vector<Journal::Mark> marks;
    for (std::uint64_t i = 1; i <= 500; ++i)
      marks.push_back({ConversationId{i}, Principal::visitor(VisitorId{1}), 11, 11});
    archive::save_marks(explain.sql, marks);
    explain.expect_indexes();
  }
}

}  // namespace
}  // namespace parley::store::test
