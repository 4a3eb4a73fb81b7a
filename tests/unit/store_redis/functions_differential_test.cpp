#include <cstdlib>
#include <map>
#include <random>
#include <tuple>

#include "functions_fixture.hpp"

namespace parley::store::redis::test {
namespace {

/// Random items over a few conversations, so that everything collides: duplicates, other content, gaps, voids,
/// refusals, claims, closes, reopenings, second openings.
class RandomItems {
 public:
  explicit RandomItems(std::uint32_t seed) : random_(seed) {}

  std::vector<Append> batch() {
    std::vector<Append> items;
    for (std::size_t size = below(4) == 0 ? 1 + below(60) : 1 + below(8); size > 0; --size) items.push_back(item());
    return items;
  }
  /// Lets most of the following items carry the number that is next.
  void learn(const Append& item, const Appended& answer) {
    if (answer.code == Code::kOutOfOrder) next_[key(item)] = answer.expected;
    if (answer.pos != 0) next_[key(item)] = item.n + 1;
  }
  std::vector<ConversationId> conversations() const {
    std::vector<ConversationId> all;
    for (std::uint64_t i = 0; i < kConversations * (round_ + 1); ++i) all.push_back(ConversationId{kBase + i});
    return all;
  }
  void next_round() { ++round_; }

 private:
  static constexpr std::uint64_t kConversations = 8, kBase = 1ULL << 60;
  using Key = std::tuple<ConversationId, Principal, DevId>;
  static Key key(const Append& item) { return {item.conv, item.principal, item.dev}; }
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool chance(unsigned percent) { return below(100) < percent; }

  Append item() {
    const std::uint64_t which =
        chance(3) ? below(kConversations * (round_ + 1)) : kConversations * round_ + below(kConversations);
    const VisitorId visitor{kVisitor.value + which % 4 + 10 * (which / kConversations)};
    Append item;
    item.tenant = kTenant;
    item.conv = ConversationId{kBase + which};
    item.id = MessageId{(1ULL << 61) + ++count_};
    item.ts_ns = kNow + static_cast<std::int64_t>(count_);
    const std::uint64_t who = below(10);
    item.principal = Principal::visitor(visitor);
    item.dev = dev(static_cast<std::uint8_t>(1 + below(6) / 5));
    if (who >= 6) item.principal = Principal::agent(AgentId{kAgent.value + who % 2});
    if (who == 9) item.principal = {chance(50) ? PrincipalKind::kSystem : PrincipalKind::kBot, 3};
    const std::uint64_t next = std::max<std::uint64_t>(1, next_[key(item)]);
    item.n = next;
    if (chance(12)) item.n = next > 1 ? next - 1 - below(std::min<std::uint64_t>(next - 1, 20)) : next;
    if (chance(4)) item.n = next + 1 + below(3);
    if (chance(2) || (item.principal.kind == PrincipalKind::kSystem && chance(60))) item.n = 0;
    if (item.n == next) next_[key(item)] = next + 1;
    item.hash = item.n + (chance(4) ? 1000 : 0);
    item.audience = chance(20) ? Audience::kInternal : Audience::kPublic;
    item.kind = EntryType::kText;
    item.bytes = "{\"text\":\"x\"}";
    if (chance(80)) item.text = "x";
    if (chance(25)) change(item);
    if (chance(6)) item.kind = EntryType::kVoid;
    if (chance(6)) {
      static constexpr Code kCodes[] = {Code::kFiltered, Code::kClosed, Code::kForbidden, Code::kClaimed};
      item.kind = EntryType::kRefusal;
      item.bytes.assign(1, static_cast<char>(kCodes[below(4)]));
    }
    if (item.kind == EntryType::kVoid) item.bytes.clear();
    if (chance(item.n <= 1 ? 70 : 10)) {
      item.opening = Append::Opening{ChannelId{kChannel.value + which % 2}, visitor};
      if (chance(70)) item.change.status = protocol::Status::kWaiting;
      if (chance(5)) item.opening->visitor = VisitorId{kVisitor.value + below(4)};
    }
    return item;
  }
  void change(Append& item) {
    if (chance(60)) item.change.status = static_cast<protocol::Status>(chance(50) ? 3 : below(4));
    if (chance(30)) item.change.assignee = AgentId{chance(30) ? 0 : kAgent.value + below(2)};
    if (chance(40)) item.change.new_claim = true;
    if (chance(30)) item.if_claim = below(4);
  }

  std::mt19937 random_;
  std::map<Key, std::uint64_t> next_;
  std::uint64_t count_ = 0, round_ = 0;
};

class FunctionsAgainstTheEmbeddedJournal : public FunctionsTest, public ::testing::WithParamInterface<std::uint32_t> {
 protected:
  using Senders = std::vector<std::pair<domain::SenderKey, std::vector<domain::SendResult>>>;
  static std::string show(Senders senders) {
    std::sort(senders.begin(), senders.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string all;
    for (const auto& [key, results] : senders) {
      all += key.principal.str() + "/" + key.dev.str() + ":";
      for (const domain::SendResult& r : results) {
        all += " " + std::to_string(r.n) + "," + std::to_string(r.hash) + "," + std::to_string(r.seq) + "," +
               std::to_string(r.ts_ns) + "," + r.id.str() + "," + std::to_string(static_cast<int>(r.code));
      }
      all += "\n";
    }
    return all;
  }
  static std::string show(const Appended& answer, ConversationId conv) {
    // Numbers and epochs are given out differently; that there is one, and that it is the conversation's, has to agree.
    const bool has_number = answer.number != 0;
    return std::string(protocol::info(answer.code).name) + " dup " + std::to_string(answer.dup) + " seq " +
           std::to_string(answer.seq) + " skip " + std::to_string(answer.skip) + " stored " +
           std::to_string(answer.pos != 0) + " ts " + std::to_string(answer.ts_ns) + " id " + answer.id.str() +
           " expected " + std::to_string(answer.expected) + " claim " + std::to_string(answer.claim) + " assignee " +
           answer.assignee.str() + " number " + std::to_string(has_number) + " epoch " +
           std::to_string(!answer.epoch.empty()) + " other " + answer.other.str() + " of " + conv.str();
  }
  void compare_states(const std::vector<ConversationId>& convs) {
    const std::vector<LoadedConversation> all = value(decode_load(call(load_command(keys, convs, true))));
    for (std::size_t i = 0; i < convs.size(); ++i) {
      const auto expected = store::test::load(home, store->journal(), convs[i]);
      ASSERT_EQ(all[i].core.has_value(), expected.has_value()) << convs[i].value;
      if (!expected) continue;
      const ConversationCore& core = *all[i].core;
      const domain::ConversationMeta& meta = expected->meta;
      EXPECT_EQ(core.head, meta.head);
      EXPECT_EQ(core.public_head, meta.public_head);
      EXPECT_EQ(core.claim, meta.claim);
      EXPECT_EQ(core.status, meta.status);
      EXPECT_EQ(core.assignee, meta.assignee);
      EXPECT_EQ(core.tenant, meta.tenant);
      EXPECT_EQ(core.channel, meta.channel);
      if (core.head > 0) {
        EXPECT_EQ(core.visitor, meta.visitor);
        EXPECT_EQ(core.number, number_of(convs[i]));
        EXPECT_EQ(core.epoch, epoch_of(convs[i]));
        EXPECT_EQ(is_open(convs[i]), meta.status != protocol::Status::kClosed);
        EXPECT_EQ(is_closed(convs[i]), meta.status == protocol::Status::kClosed);
        const auto found = home.run<Result<std::optional<ConversationId>>>(
            [&] { return store->journal().find_by_visitor(meta.channel, meta.visitor); });
        EXPECT_EQ(pointer(meta.channel, meta.visitor)->conv, *value(found));
      }
      EXPECT_EQ(core.created_ns, meta.created_ns);
      EXPECT_EQ(show(all[i].senders), show(expected->senders)) << convs[i].value;
    }
  }
  /// The log tells the same story as the answers.
  void compare_log(const std::vector<AppendReply>& replies) {
    const std::vector<LogEntry> entries = log();
    std::size_t at = 0;
    for (const AppendReply& reply : replies) {
      if (reply.counter == 0) continue;
      ASSERT_LT(at, entries.size());
      const LogEntry& entry = entries[at++];
      ASSERT_EQ(entry.counter, reply.counter);
      ASSERT_EQ(entry.results.size(), reply.outcomes.size());
      std::size_t opened = 0;
      for (std::size_t i = 0; i < entry.results.size(); ++i) {
        EXPECT_EQ(entry.results[i].outcome, reply.outcomes[i].kind);
        EXPECT_EQ(entry.results[i].status, reply.outcomes[i].status);
        if (entry.results[i].outcome == Outcome::Kind::kEntry && entry.results[i].seq == 1) ++opened;
      }
      EXPECT_EQ(entry.openings.size(), opened);
    }
    EXPECT_EQ(at, entries.size());
  }

  store::test::TempFolder folder;
  store::test::Home home;
  std::unique_ptr<Store> store = [this] {
    SqliteOptions options;
    options.folder = folder.path() / "data";
    return open_sqlite_store(options);
  }();
};

TEST_P(FunctionsAgainstTheEmbeddedJournal, AnswerAndRememberTheSame) {
  RandomItems random(GetParam());
  std::vector<AppendReply> replies;
  std::map<int, std::size_t> codes;
  std::size_t items = 0, entries = 0, remembered = 0, duplicates = 0;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t until = items + 1500; items < until;) {
      const std::vector<Append> batch = random.batch();
      const std::vector<Appended> expected = store::test::append(home, store->journal(), batch);
      replies.push_back(append(batch));
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const Outcome& outcome = replies.back().outcomes[i];
        random.learn(batch[i], outcome.answer);
        ASSERT_EQ(show(outcome.answer, batch[i].conv), show(expected[i], batch[i].conv)) << "item " << items + i;
        ++codes[static_cast<int>(outcome.answer.code)];
        entries += outcome.kind == Outcome::Kind::kEntry;
        remembered += outcome.kind == Outcome::Kind::kRemembered;
        duplicates += outcome.kind == Outcome::Kind::kDuplicate;
        const std::uint64_t number = outcome.answer.number;
        EXPECT_TRUE(number == 0 || number == number_of(batch[i].conv));
      }
      items += batch.size();
    }
    compare_states(random.conversations());
    random.next_round();
  }
  compare_log(replies);
  // The dice must have shown everything.
  for (const Code code : {Code::kOk, Code::kUnknownConv, Code::kClaimed, Code::kIdConflict, Code::kTooOld,
                          Code::kClosed, Code::kOutOfOrder, Code::kFiltered})
    EXPECT_GT(codes[static_cast<int>(code)], 5u) << protocol::info(code).name;
  EXPECT_GT(entries, items / 3);
  EXPECT_GT(remembered, 100u);
  EXPECT_GT(duplicates, 100u);
}

/// PARLEY_TEST_SEEDS in the environment: how many, for a longer search.
std::uint32_t last_seed() {
  const char* wanted = std::getenv("PARLEY_TEST_SEEDS");
  return wanted ? static_cast<std::uint32_t>(std::max(1, std::atoi(wanted))) : 4;
}

INSTANTIATE_TEST_SUITE_P(Seeds, FunctionsAgainstTheEmbeddedJournal, ::testing::Range(1u, last_seed() + 1));

}  // namespace
}  // namespace parley::store::redis::test
