#include "postgres/archive.hpp"

#include "archive_fixture.hpp"

namespace parley::store::test {
namespace {

constexpr ConversationId kConv{5001};

class ArchiveTest : public ::testing::Test {
 protected:
  ArchiveTest() : sql(options_of(migrated_database())) {}

  void add(const ArchivedRow& row) { add_row(sql, kConv, row); }
  void add_texts(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t seq = first; seq <= last; ++seq) {
      ArchivedRow row;
      row.seq = seq;
      add(row);
    }
  }
  void add_conversation(std::uint64_t id, protocol::Status status, std::uint64_t last_pos, std::int64_t closed_ns = 0,
                        TenantId tenant = kTenant, VisitorId visitor = kVisitor) {
    sql.query(
        "insert into conversation (id, tenant_id, channel_id, visitor_id, number, epoch, status, created_ns, last_pos, "
        "closed_ns) values (?, ?, ?, ?, 1, 'abcdef', ?, 5, ?, ?)",
        {static_cast<std::int64_t>(id), static_cast<std::int64_t>(tenant.value),
         static_cast<std::int64_t>(kChannel.value), static_cast<std::int64_t>(visitor.value),
         static_cast<std::int64_t>(status), static_cast<std::int64_t>(last_pos), closed_ns});
  }
  static std::vector<std::uint64_t> seqs(const Journal::Page& page) {
    std::vector<std::uint64_t> found;
    for (const StoredEntry& entry : page.entries) found.push_back(entry.seq);
    return found;
  }
  static std::vector<std::uint64_t> ids(const std::vector<domain::ConversationMeta>& metas) {
    std::vector<std::uint64_t> found;
    for (const auto& meta : metas) found.push_back(meta.id.value);
    return found;
  }
  Journal::Page page(std::optional<std::uint64_t> after, std::optional<std::uint64_t> before, unsigned limit,
                     bool internal = true, std::size_t bytes_max = 65536) {
    Journal::Range range;
    range.after = after;
    range.before = before;
    range.limit = limit;
    range.internal = internal;
    range.bytes_max = bytes_max;
    return archive::read_page(sql, kConv, range);
  }

  PgConnection sql;
};

using Seqs = std::vector<std::uint64_t>;

TEST_F(ArchiveTest, PagesGoForwardBackwardAndFromTheNewest) {
  add_texts(1, 10);
  Journal::Page some = page(3, std::nullopt, 4);
  EXPECT_EQ(seqs(some), (Seqs{4, 5, 6, 7}));
  EXPECT_TRUE(some.more);
  some = page(6, std::nullopt, 4);
  EXPECT_EQ(seqs(some), (Seqs{7, 8, 9, 10}));
  EXPECT_FALSE(some.more);
  some = page(std::nullopt, 4, 2);
  EXPECT_EQ(seqs(some), (Seqs{2, 3}));
  EXPECT_TRUE(some.more);
  some = page(std::nullopt, 3, 2);
  EXPECT_EQ(seqs(some), (Seqs{1, 2}));
  EXPECT_FALSE(some.more);
  some = page(std::nullopt, std::nullopt, 3);
  EXPECT_EQ(seqs(some), (Seqs{8, 9, 10}));
  EXPECT_TRUE(page(10, std::nullopt, 3).entries.empty());
  Journal::Range other;
  EXPECT_TRUE(archive::read_page(sql, ConversationId{1}, other).entries.empty());
}

TEST_F(ArchiveTest, PagesReachOverMonthsInTheOrderOfSeqWhateverTheClockSaid) {
  constexpr std::int64_t kMonth = 31LL * 86'400 * 1'000'000'000;
  for (std::int64_t month = 0; month < 3; ++month) sql.query("select ensure_month(?)", {kTime + month * kMonth});
  const std::int64_t times[] = {kTime + 2 * kMonth, kTime, 17, kTime + kMonth, kTime + 1};
  for (std::uint64_t seq = 1; seq <= 5; ++seq) {
    ArchivedRow row;
    row.seq = seq;
    row.ts_ns = times[seq - 1];
    add(row);
  }
  EXPECT_EQ(seqs(page(0, std::nullopt, 10)), (Seqs{1, 2, 3, 4, 5}));
  EXPECT_EQ(seqs(page(std::nullopt, 5, 3)), (Seqs{2, 3, 4}));
  EXPECT_EQ(page(0, std::nullopt, 10).entries[2].ts_ns, 17);
}

TEST_F(ArchiveTest, VisitorsPagesLeaveInternalEntriesOut) {
  add_texts(1, 2);
  ArchivedRow note;
  note.seq = 3;
  note.type = EntryType::kNote;
  note.audience = Audience::kInternal;
  add(note);
  ArchivedRow text;
  text.seq = 4;
  text.skip = 1;
  add(text);
  const Journal::Page visible = page(1, std::nullopt, 10, false);
  EXPECT_EQ(seqs(visible), (Seqs{2, 4}));
  EXPECT_EQ(visible.entries[1].skip, 1u);
  EXPECT_EQ(seqs(page(std::nullopt, std::nullopt, 2, false)), (Seqs{2, 4}));
  EXPECT_EQ(seqs(page(1, std::nullopt, 10, true)), (Seqs{2, 3, 4}));
}

TEST_F(ArchiveTest, PagesEndAtTheByteLimitButHaveOneEntry) {
  for (std::uint64_t seq = 1; seq <= 4; ++seq) {
    ArchivedRow row;
    row.seq = seq;
    row.body = "{\"text\":\"" + std::string(100, 'x') + "\"}";
    add(row);
  }
  Journal::Page some = page(0, std::nullopt, 10, true, 250);
  EXPECT_EQ(seqs(some), (Seqs{1, 2}));
  EXPECT_TRUE(some.more);
  some = page(std::nullopt, 4, 10, true, 250);
  EXPECT_EQ(seqs(some), (Seqs{2, 3}));
  EXPECT_TRUE(some.more);
  some = page(0, std::nullopt, 10, true, 5);
  EXPECT_EQ(seqs(some), (Seqs{1}));
  EXPECT_TRUE(some.more);
}

TEST_F(ArchiveTest, AnEntryHasEverythingThatWasStoredWithIt) {
  ArchivedRow claim;
  claim.seq = 2;
  claim.type = EntryType::kClaim;
  claim.from = Principal::agent(kAgent);
  claim.flags = kStatusChanged | kAssigneeChanged | kClaimGrew;
  claim.status = protocol::Status::kActive;
  claim.assignee = kAgent.value;
  claim.claim = 3;
  claim.body = "{}";
  add(claim);
  const StoredEntry entry = page(0, std::nullopt, 1).entries.at(0);
  EXPECT_EQ(entry.id, MessageId{902});
  EXPECT_EQ(entry.ts_ns, kTime + 2'000'000'000);
  EXPECT_EQ(entry.type, EntryType::kClaim);
  EXPECT_EQ(entry.audience, Audience::kPublic);
  EXPECT_EQ(entry.from, Principal::agent(kAgent));
  EXPECT_EQ(entry.dev, dev(3));
  EXPECT_EQ(entry.n, 2u);
  EXPECT_EQ(entry.rev, 2u);
  EXPECT_FALSE(entry.recalled);
  EXPECT_EQ(entry.status, protocol::Status::kActive);
  EXPECT_EQ(entry.assignee, kAgent);
  EXPECT_EQ(entry.claim, 3u);
  add_texts(3, 3);
  EXPECT_FALSE(page(2, std::nullopt, 1).entries.at(0).status) << "a text changes nothing";
}

TEST_F(ArchiveTest, BodiesComeBackAsTheyWereWritten) {
  for (const std::string body : {R"({"text":"a : b, \"c\" \\"})", R"({"text":"two\nlines 名 🙂"})",
                                 R"({"a":[1,2.50,true,null],"b":{"c":""}})", R"({})"}) {
    sql.execute("delete from message");
    ArchivedRow row;
    row.body = body;
    add(row);
    EXPECT_EQ(page(0, std::nullopt, 1).entries.at(0).body, body);
  }
}

TEST_F(ArchiveTest, ARecalledEntryHasNoBody) {
  ArchivedRow recalled;
  recalled.rev = 2;
  recalled.flags = kHasText | kErased;
  recalled.body = std::nullopt;
  add(recalled);
  ArchivedRow by;
  by.seq = 2;
  by.type = EntryType::kRecall;
  by.flags = 0;
  by.body = R"({"target":1})";
  add(by);
  const Journal::Page both = page(0, std::nullopt, 10);
  EXPECT_TRUE(both.entries.at(0).recalled);
  EXPECT_EQ(both.entries[0].body, "");
  EXPECT_EQ(both.entries[0].rev, 2u);
  EXPECT_FALSE(both.entries[1].recalled);
}

TEST_F(ArchiveTest, LoadsAConversationWithItsSenders) {
  EXPECT_FALSE(archive::load(sql, kConv));
  sql.query(
      "insert into conversation (id, tenant_id, channel_id, visitor_id, number, epoch, status, claim, assignee, head, "
      "public_head, last_pos, created_ns, last_ts_ns, last_text_seq, last_from, preview, waiting_since, "
      "first_response_at, closed_ns, closed_by_kind, closed_by_id, closed_reason, archived_seq) values (?, 11, 21, 31, "
      "6, 'abcdef', 3, 2, 41, 9, 8, 70, 71, 72, 5, 118, 'last words', 73, 74, 75, 97, 41, 'done', 9)",
      {static_cast<std::int64_t>(kConv.value)});
  domain::SenderState state;
  for (std::uint64_t n = 1; n <= 20; ++n)
    state.remember({n, n * 1'000'000'007, n, static_cast<std::int64_t>(n), MessageId{n}, protocol::Code::kOk});
  std::string results;
  encode_results(state, results);
  const std::int64_t far = static_cast<std::int64_t>(0xfedc'ba98'7654'3210ULL);  // ids of boots use all 64 bits
  for (const std::int64_t who : {std::int64_t{31}, far}) {
    sql.query("insert into sender_state values (?, 118, ?, ?, 11, 20, ?)",
              {static_cast<std::int64_t>(kConv.value), who, Blob{bytes_of(dev(7))}, Blob{results}});
  }

  const auto found = archive::load(sql, kConv);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->archived, 9u);
  const domain::ConversationMeta& meta = found->state.meta;
  EXPECT_EQ(meta.tenant, kTenant);
  EXPECT_EQ(meta.id, kConv);
  EXPECT_EQ(meta.channel, kChannel);
  EXPECT_EQ(meta.visitor, kVisitor);
  EXPECT_EQ(meta.number, 6u);
  EXPECT_EQ(meta.epoch, "abcdef");
  EXPECT_EQ(meta.status, protocol::Status::kClosed);
  EXPECT_EQ(meta.claim, 2u);
  EXPECT_EQ(meta.assignee, kAgent);
  EXPECT_EQ(meta.head, 9u);
  EXPECT_EQ(meta.public_head, 8u);
  EXPECT_EQ(meta.last_pos, 70u);
  EXPECT_EQ(meta.created_ns, 71);
  EXPECT_EQ(meta.last_ts_ns, 72);
  EXPECT_EQ(meta.last_text_seq, 5u);
  EXPECT_EQ(meta.last_from, 'v');
  EXPECT_EQ(meta.preview, "last words");
  EXPECT_EQ(meta.waiting_since_ns, 73);
  EXPECT_EQ(meta.first_response_ns, 74);
  EXPECT_EQ(meta.closed_ns, 75);
  EXPECT_EQ(meta.closed_by, Principal::agent(kAgent));
  EXPECT_EQ(meta.closed_reason, "done");

  ASSERT_EQ(found->state.senders.size(), 2u);
  std::vector<std::uint64_t> who;
  for (const auto& [key, answers] : found->state.senders) {
    who.push_back(key.principal.id);
    EXPECT_EQ(key.dev, dev(7));
    ASSERT_EQ(answers.size(), 16u);
    EXPECT_EQ(answers.front().n, 5u);
    EXPECT_EQ(answers.back().n, 20u);
    EXPECT_EQ(answers.back().hash, 20'000'000'140u);
  }
  std::sort(who.begin(), who.end());
  EXPECT_EQ(who, (Seqs{31, static_cast<std::uint64_t>(far)}));
}

TEST_F(ArchiveTest, RemembersAVisitorWhoseFirstMessageWasRefused) {
  sql.query("insert into sender_state values (?, 118, 31, ?, 11, 20, '')",
            {static_cast<std::int64_t>(kConv.value), Blob{bytes_of(dev(7))}});
  const auto found = archive::load(sql, kConv);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state.meta.status, protocol::Status::kNew);
  EXPECT_EQ(found->state.meta.head, 0u);
  EXPECT_EQ(found->state.meta.id, kConv);
  EXPECT_EQ(found->state.meta.tenant, kTenant);
  EXPECT_EQ(found->state.meta.visitor, kVisitor);
  EXPECT_EQ(found->archived, 0u);
}

TEST_F(ArchiveTest, FindsTheOpenConversationOfAVisitorOrTheLatestClosed) {
  using protocol::Status;
  EXPECT_FALSE(archive::of_visitor(sql, kChannel, kVisitor));
  add_conversation(1, Status::kClosed, 10, 500);
  add_conversation(2, Status::kClosed, 11, 400);
  EXPECT_EQ(archive::of_visitor(sql, kChannel, kVisitor), ConversationId{1});
  add_conversation(3, Status::kWaiting, 12);
  EXPECT_EQ(archive::of_visitor(sql, kChannel, kVisitor), ConversationId{3});
  EXPECT_FALSE(archive::of_visitor(sql, ChannelId{22}, kVisitor));
}

TEST_F(ArchiveTest, ListsTheConversationsOfATenant) {
  using protocol::Status;
  add_conversation(1, Status::kActive, 40);
  add_conversation(2, Status::kClosed, 30, 5);
  add_conversation(3, Status::kClosed, 20, 5);
  add_conversation(4, Status::kWaiting, 10);
  add_conversation(5, Status::kClosed, 50, 5);
  add_conversation(6, Status::kWaiting, 60, 0, TenantId{12});
  EXPECT_EQ(ids(archive::closed(sql, kTenant, 0, 10)), (Seqs{5, 2, 3}));
  EXPECT_EQ(ids(archive::closed(sql, kTenant, 0, 2)), (Seqs{5, 2}));
  EXPECT_EQ(ids(archive::closed(sql, kTenant, 30, 10)), (Seqs{3}));
  EXPECT_EQ(ids(archive::changed(sql, kTenant, 0, 10)), (Seqs{4, 3, 2, 1, 5}));
  EXPECT_EQ(ids(archive::changed(sql, kTenant, 20, 2)), (Seqs{2, 1}));
}

TEST_F(ArchiveTest, MarksOnlyGrow) {
  add_conversation(kConv.value, protocol::Status::kActive, 1);
  const Principal visitor = Principal::visitor(kVisitor), agent = Principal::agent(kAgent);
  archive::save_marks(sql, {});
  archive::save_marks(sql, {{kConv, visitor, 3, 2}, {kConv, visitor, 5, 1}, {kConv, agent, 9, 9}});
  archive::save_marks(sql, {{kConv, visitor, 4, 4}, {ConversationId{77}, agent, 1, 1}});
  const auto marks = archive::marks(sql, kConv);
  ASSERT_EQ(marks.size(), 2u);
  EXPECT_EQ(marks[0].who, agent);
  EXPECT_EQ(marks[0].rcv, 9u);
  EXPECT_EQ(marks[1].who, visitor);
  EXPECT_EQ(marks[1].rcv, 5u);
  EXPECT_EQ(marks[1].read, 4u);
  EXPECT_EQ(marks[1].conv, kConv);

  // A mark may come before its conversation; the tenant follows with the next one.
  const auto tenant = [&] { return sql.query("select tenant_id from receipt where conv = 77", {})[0].u64(0); };
  EXPECT_EQ(tenant(), 0u);
  add_conversation(77, protocol::Status::kActive, 2);
  archive::save_marks(sql, {{ConversationId{77}, agent, 1, 1}});
  EXPECT_EQ(tenant(), kTenant.value);
}

}  // namespace
}  // namespace parley::store::test
