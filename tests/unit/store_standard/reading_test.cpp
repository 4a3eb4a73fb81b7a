#include <nlohmann/json.hpp>
#include <random>

#include "parley/store/sqlite_store.hpp"
#include "standard_fixture.hpp"

namespace parley::store::test {
namespace {

using protocol::Status;
using ReadingTest = BareStoreTest;
constexpr ConversationId kConv{7001};

std::string normal(const std::string& body) {
  return body.empty() ? std::string() : nlohmann::json::parse(body).dump();
}
std::string describe(const Journal::Page& page) {
  std::string out;
  for (const StoredEntry& entry : page.entries) {
    out += std::to_string(entry.seq) + " skip" + std::to_string(entry.skip) + " rev" + std::to_string(entry.rev) +
           (entry.recalled ? " recalled " : " ") + normal(entry.body) + " " + entry.from.str() + " " +
           std::to_string(entry.n) + " id" + entry.id.str() + " t" + std::to_string(entry.ts_ns) + " k" +
           std::to_string(static_cast<int>(entry.type)) + " a" + std::to_string(static_cast<int>(entry.audience)) +
           (entry.status ? " s" + std::to_string(static_cast<int>(*entry.status)) + " c" + std::to_string(entry.claim) +
                               " o" + entry.assignee.str()
                         : "") +
           "\n";
  }
  return out + (page.more ? "more" : "end");
}
std::string describe(const ConversationState& state) {
  const domain::ConversationMeta& m = state.meta;
  std::string out = m.id.str() + " " + m.tenant.str() + " " + m.channel.str() + " " + m.visitor.str() + " s" +
                    std::to_string(static_cast<int>(m.status)) + " c" + std::to_string(m.claim) + " o" +
                    m.assignee.str() + " h" + std::to_string(m.head) + " p" + std::to_string(m.public_head) + " " +
                    m.preview + " " + std::to_string(m.last_ts_ns) + " " + std::to_string(m.last_text_seq) + " " +
                    std::to_string(m.waiting_since_ns) + " " + std::to_string(m.first_response_ns) + " " +
                    std::to_string(m.closed_ns) + " " + m.closed_reason + " " + m.closed_by.str() + "\n";
  std::vector<std::string> senders;
  for (const auto& [key, results] : state.senders) {
    std::string one = key.principal.str() + " " + key.dev.str();
    for (const auto& r : results)
      one += " " + std::to_string(r.n) + ":" + std::to_string(r.seq) + ":" + std::to_string(static_cast<int>(r.code));
    senders.push_back(one);
  }
  std::sort(senders.begin(), senders.end());
  for (const std::string& one : senders) out += one + "\n";
  return out;
}

TEST_F(ReadingTest, UnarchivedEntriesAreFoundAgainAfterARestart) {
  append(home, journal(), opening(kConv, "Helo"));
  Append edit = text(kConv, 2, "Hello");
  edit.kind = EntryType::kEdit;
  edit.target = 1;
  edit.bytes = R"({"target":1,"text":"Hello"})";
  append(home, journal(), edit);
  append(home, journal(), note(kConv, 1, "secret"));
  Append claim = by_agent(text(kConv, 2, ""), EntryType::kClaim, "{}");
  claim.change = {Status::kActive, kAgent, true};
  append(home, journal(), claim);
  append(home, journal(), opening(ConversationId{7002}, "Other", VisitorId{32}));
  Journal::Range all;
  all.after = 0;
  all.internal = true;
  const std::string page = describe(read(home, journal(), kConv, all));
  const std::string state = describe(*load(home, journal(), kConv));
  for (int i = 0; i < 2; ++i) {
    open_bare();
    EXPECT_EQ(describe(read(home, journal(), kConv, all)), page);
    EXPECT_EQ(describe(*load(home, journal(), kConv)), state);
    const auto open = home.run<Result<std::vector<domain::ConversationMeta>>>(
        [this]() { return journal().open_conversations(kTenant); });
    ASSERT_TRUE(open);
    ASSERT_EQ(open->size(), 2u);
    EXPECT_EQ((*open)[0].preview, "Hello");
    EXPECT_EQ((*open)[1].preview, "Other");
    EXPECT_EQ(journal().stable(kConv, 4), 0u);
  }
  EXPECT_TRUE(append(home, journal(), edit).dup);
}

/// The same history in both stores; here it is cut into what is archived and what is not at random places.
TEST_F(ReadingTest, PagesAreTheSameAsThoseOfTheEmbeddedStoreWhereverTheArchiveEnds) {
  SqliteOptions sqlite;
  sqlite.folder = folder.path() / "embedded";
  for (unsigned seed = 1; seed <= 3; ++seed) {
    sqlite.folder = folder.path() / ("embedded" + std::to_string(seed));
    const std::unique_ptr<Store> embedded = open_sqlite_store(sqlite);
    const ConversationId conv{9000 + seed};
    const VisitorId visitor{900 + seed};
    std::mt19937 random(seed);
    auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
    std::uint64_t visitor_n = 1, agent_n = 0, head = 1;
    auto both = [&](Append item) {
      const Appended one = append(home, embedded->journal(), item);
      const Appended other = append(home, journal(), item);
      EXPECT_EQ(one.seq, other.seq);
      EXPECT_EQ(one.code, other.code);
      EXPECT_EQ(one.skip, other.skip);
      EXPECT_EQ(one.claim, other.claim);
      EXPECT_EQ(one.assignee, other.assignee);
      if (other.seq != 0) head = other.seq;
    };
    both(opening(conv, "Hello", visitor));
    for (int step = 0; step < 50; ++step) {
      const bool by_visitor = below(2) == 0;
      const std::string said = "words " + std::to_string(step);
      Append item = by_visitor ? text(conv, ++visitor_n, said, Principal::visitor(visitor))
                               : by_agent(text(conv, ++agent_n, said), EntryType::kText, "{\"text\":\"" + said + "\"}");
      const std::string target = std::to_string(1 + below(static_cast<unsigned>(head)));
      switch (below(6)) {
        case 0:
          item.kind = EntryType::kEdit;
          item.target = std::stoull(target);
          item.bytes = "{\"target\":" + target + ",\"text\":\"" + said + "\"}";
          break;
        case 1:
          item.kind = EntryType::kRecall;
          item.target = std::stoull(target);
          item.bytes = "{\"target\":" + target + "}";
          item.text.clear();
          break;
        case 2:
          if (by_visitor) break;
          item.kind = EntryType::kNote;
          item.audience = Audience::kInternal;
          item.text.clear();
          break;
        case 3:
          if (by_visitor) break;
          item.kind = EntryType::kAssign;
          item.bytes = "{}";
          item.text.clear();
          item.change = {Status::kActive, AgentId{40 + below(5)}, true};
          break;
        default:
          break;
      }
      both(item);
      if (below(8) == 0) bare->archive();
      if (below(20) == 0) open_bare();
    }
    EXPECT_EQ(describe(*load(home, journal(), conv)), describe(*load(home, embedded->journal(), conv)));
    for (int round = 0; round < 2; ++round) {
      for (const bool internal : {false, true}) {
        for (const unsigned limit : {1u, 7u, 100u}) {
          for (std::uint64_t at = 0; at <= head + 2; at += 3) {
            Journal::Range range;
            range.internal = internal;
            range.limit = limit;
            range.after = at;
            ASSERT_EQ(describe(read(home, journal(), conv, range)),
                      describe(read(home, embedded->journal(), conv, range)))
                << "seed " << seed << " after " << at << " limit " << limit;
            range.after.reset();
            if (at > 0) range.before = at;
            ASSERT_EQ(describe(read(home, journal(), conv, range)),
                      describe(read(home, embedded->journal(), conv, range)))
                << "seed " << seed << " before " << at << " limit " << limit;
          }
        }
      }
      bare->archive();
    }
    EXPECT_EQ(journal().stable(conv, head), head);
  }
}

TEST_F(ReadingTest, TellsWhatIsArchived) {
  std::vector<std::pair<ConversationId, std::uint64_t>> told;
  std::promise<void> set;
  home.reactor().post([&] {
    journal().on_stable([&told](const auto& heads) { told.insert(told.end(), heads.begin(), heads.end()); });
    set.set_value();
  });
  set.get_future().wait();
  EXPECT_EQ(append(home, journal(), opening(kConv, "one")).stable, 0u);
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "two")).stable, 0u);
  EXPECT_EQ(journal().stable(kConv, 2), 0u);
  bare->archive();
  EXPECT_EQ(journal().stable(kConv, 2), 2u);
  EXPECT_EQ(append(home, journal(), text(kConv, 3, "three")).stable, 2u);
  EXPECT_EQ(journal().stable(kConv, 3), 2u);
  auto heard = [&told]() -> asio::awaitable<std::uint64_t> {
    std::uint64_t highest = 0;
    for (const auto& [conv, seq] : told) highest = conv == kConv ? std::max(highest, seq) : highest;
    co_return highest;
  };
  EXPECT_TRUE(parley::test::eventually([&] { return home.run<std::uint64_t>(heard) == 2; }));
}

TEST_F(ReadingTest, AppendsToAnEvictedConversationWaitForIt) {
  append(home, journal(), opening(kConv, "Hello"));
  append(home, journal(), opening(ConversationId{7002}, "Other", VisitorId{32}));
  Append close = by_agent(text(kConv, 1, "done"), EntryType::kClose, R"({"reason":"done"})");
  close.change.status = Status::kClosed;
  append(home, journal(), close);
  bare->archive();
  const std::string state = describe(*load(home, journal(), kConv));
  for (const bool by_loading : {true, false}) {
    const std::int64_t later =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count() +
        60;
    const redis::Reply reply = asking.call(
        redis::evict_command(keys(), bare->shared().fence, bare->shared().index.archived_counter(0), later, 100));
    ASSERT_EQ(reply.items.size(), 2u) << reply.text;
    ASSERT_EQ(reply.items[1].integer, 1);
    if (by_loading) {
      EXPECT_EQ(describe(*load(home, journal(), kConv)), state);
      continue;
    }
    std::vector<Append> batch;
    batch.push_back(close);
    batch.push_back(text(ConversationId{7002}, 2, "two", Principal::visitor(VisitorId{32})));
    batch.push_back(note(kConv, 2, "late"));
    batch.push_back(note(kConv, 3, "later"));
    auto first = submit(home, journal(), batch);
    auto second = submit(home, journal(), {note(kConv, 4, "last")});
    const auto answers = answer_of(first, std::chrono::seconds(10));
    ASSERT_TRUE(answers);
    EXPECT_TRUE((*answers)[0].dup);
    EXPECT_EQ((*answers)[0].seq, 2u);
    EXPECT_EQ((*answers)[1].seq, 2u);
    EXPECT_EQ((*answers)[2].seq, 3u);
    EXPECT_EQ((*answers)[3].seq, 4u);
    const auto last = answer_of(second, std::chrono::seconds(10));
    ASSERT_TRUE(last);
    EXPECT_EQ((*last)[0].seq, 5u);
  }
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 5u);
}

TEST_F(ReadingTest, PositionsOfATenantGrowInTimeHoweverManyShards) {
  bare.reset();
  options.redis_prefix += "p";
  options.postgres = parley::test::PostgresServer::shared().create_database();
  options.shards = 4;
  open_bare();
  constexpr std::uint64_t kConversations = 16;  // with ids that differ in the bits that name a visitor's lane
  std::uint64_t last = 0;
  for (std::uint64_t n = 1; n <= 3; ++n) {
    for (std::uint64_t id = 1; id <= kConversations; ++id) {
      const Append first = opening(ConversationId{id}, "1", VisitorId{id});
      const Appended answer =
          append(home, journal(), n == 1 ? first : text(first.conv, n, std::to_string(n), first.principal));
      ASSERT_EQ(answer.seq, n);
      EXPECT_GT(answer.pos, last) << "or a list that goes on from " << last << " misses it";
      last = answer.pos;
    }
  }
  bare->archive();
  const auto changed = home.run<Result<std::vector<domain::ConversationMeta>>>(
      [this, last]() { return journal().changed_conversations(kTenant, last - 1, 10); });
  ASSERT_TRUE(changed);
  ASSERT_EQ(changed->size(), 1u);
  EXPECT_EQ((*changed)[0].id, ConversationId{kConversations});
  bare.reset();
}

TEST_F(ReadingTest, AStoreThatSpreadTenantsOverItsShardsIsRefused) {
  bare.reset();
  options.redis_prefix += "f";
  options.postgres = parley::test::PostgresServer::shared().create_database();
  options.shards = 4;
  open_bare();
  bare.reset();
  asking.call({"HSET", options.redis_prefix + ":meta", "format", "1"});
  try {
    open_bare();
    FAIL() << "its conversations would not be found";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("format 1"), std::string::npos) << error.what();
  }
}

TEST_F(ReadingTest, AnyReactorMayReadAnyConversation) {
  bare.reset();
  Home other;
  options.redis_prefix += "b";
  options.postgres = parley::test::PostgresServer::shared().create_database();
  options.shards = 3;
  bare = std::make_unique<BareStore>(options, std::vector<Reactor*>{&home.reactor(), &other.reactor()});
  for (std::uint64_t id = 1; id <= 12; ++id) {
    Append first = opening(ConversationId{id}, "Hello", VisitorId{id});
    first.tenant = TenantId{id % 4 + 1};
    Home& at = id % 2 == 0 ? home : other;
    ASSERT_EQ(append(at, journal(), first).seq, 1u);
    Append second = text(ConversationId{id}, 2, "two", Principal::visitor(VisitorId{id}));
    second.tenant = first.tenant;
    ASSERT_EQ(append(at, journal(), second).seq, 2u);
  }
  for (int archived = 0; archived < 2; ++archived) {
    for (std::uint64_t id = 1; id <= 12; ++id) {
      for (Home* at : {&home, &other}) {
        EXPECT_EQ(read_all(*at, journal(), ConversationId{id}).size(), 2u);
        const auto state = load(*at, journal(), ConversationId{id});
        ASSERT_TRUE(state);
        EXPECT_EQ(state->meta.preview, "two");
        EXPECT_EQ(state->meta.tenant, TenantId{id % 4 + 1});
        auto found = at->run<Result<std::optional<ConversationId>>>(
            [this, id]() { return journal().find_by_visitor(kChannel, VisitorId{id}); });
        ASSERT_TRUE(found);
        EXPECT_EQ(*found, ConversationId{id});
      }
    }
    for (Home* at : {&home, &other}) {
      const auto open = at->run<Result<std::vector<domain::ConversationMeta>>>(
          [this]() { return journal().open_conversations(TenantId{1}); });
      ASSERT_TRUE(open);
      EXPECT_EQ(open->size(), 3u);
    }
    bare->archive();
  }
  bare.reset();
}

}  // namespace
}  // namespace parley::store::test
