#include <sqlite3.h>

#include <random>

#include "store/sqlite/testing/power_loss_vfs.hpp"
#include "store_fixture.hpp"

namespace parley::store::test {
namespace {

using testing::PowerLossVfs;
constexpr ConversationId kConv{7001};

class PowerLossTest : public StoreTest {
 protected:
  PowerLossTest() { options.testing.vfs = PowerLossVfs::get().name(); }
  void TearDown() override {
    PowerLossVfs::get().fill_disk(false);
    PowerLossVfs::get().fail_syncs(0, 0);
    store.reset();
    PowerLossVfs::get().cut_power();  // later tests begin with nothing in memory
  }
  void lose_power(unsigned kept_percent = 0, std::uint64_t seed = 0) {
    PowerLossVfs::get().cut_power(kept_percent, seed);
    store.reset();
    open();
  }
  std::string integrity() {
    auto report = home.run<Result<std::string>>([this]() {
      return store->database().read(
          [](Sql& sql) -> Result<std::string> { return sql.query("pragma integrity_check", {})[0].text(0); });
    });
    return report ? *report : report.error().detail;
  }
  bool wait_until_healthy(bool healthy) {
    for (int i = 0; i < 2000; ++i) {
      if (journal().health().ok == healthy) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
};

TEST_F(PowerLossTest, KeepsEverythingThatWasAcknowledged) {
  append(home, journal(), opening(kConv, "1"));
  for (std::uint64_t n = 2; n <= 30; ++n) {
    ASSERT_EQ(append(home, journal(), text(kConv, n, std::to_string(n))).seq, n);
    if (n % 5 == 0) lose_power(static_cast<unsigned>(n * 3), n);
  }
  lose_power();
  const auto entries = read_all(home, journal(), kConv);
  ASSERT_EQ(entries.size(), 30u);
  for (std::size_t i = 0; i < entries.size(); ++i)
    EXPECT_EQ(entries[i].body, "{\"text\":\"" + std::to_string(i + 1) + "\"}");
  EXPECT_EQ(load(home, journal(), kConv)->meta.head, 30u);
  EXPECT_EQ(load(home, journal(), kConv)->meta.preview, "30") << "the row was behind, the log was not";
  EXPECT_TRUE(append(home, journal(), text(kConv, 30, "30")).dup) << "and neither was the sender";
  EXPECT_EQ(integrity(), "ok");
}

TEST_F(PowerLossTest, LosesAcknowledgedEntriesIfCommitsAreNotSynced) {
  // The control: with a store that does not sync, the same cut must be seen. Otherwise the test above proves nothing.
  store.reset();
  options.testing.synchronous_off = true;
  open();
  append(home, journal(), opening(kConv, "1"));
  for (std::uint64_t n = 2; n <= 10; ++n) ASSERT_EQ(append(home, journal(), text(kConv, n, std::to_string(n))).seq, n);
  lose_power();
  EXPECT_LT(read_all(home, journal(), kConv).size(), 10u);
}

TEST_F(PowerLossTest, AnswersFullDiskStoresNothingAndRecovers) {
  append(home, journal(), opening(kConv, "1"));
  PowerLossVfs::get().fill_disk(true);
  std::vector<Append> batch;
  batch.push_back(text(kConv, 2, "2"));
  batch.push_back(text(kConv, 3, "3"));
  batch.push_back(opening(ConversationId{7002}, "x", VisitorId{32}));
  for (const Appended& answer : append(home, journal(), batch)) EXPECT_EQ(answer.code, Code::kJournalFull);
  EXPECT_FALSE(journal().health().ok);
  EXPECT_NE(journal().health().reason, "");
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 1u) << "reading goes on";
  EXPECT_EQ(load(home, journal(), kConv)->meta.head, 1u) << "memory was rolled back as well";
  EXPECT_FALSE(load(home, journal(), ConversationId{7002}));

  PowerLossVfs::get().fill_disk(false);
  const auto answers = append(home, journal(), batch);
  EXPECT_EQ(answers[0].seq, 2u);
  EXPECT_FALSE(answers[0].dup);
  EXPECT_EQ(answers[1].seq, 3u);
  EXPECT_EQ(answers[2].number, 2u) << "the number of the failed attempt is not used up";
  EXPECT_TRUE(journal().health().ok);
  lose_power();
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 3u);
  EXPECT_EQ(integrity(), "ok");
}

TEST_F(PowerLossTest, EntitiesReportAFullDisk) {
  PowerLossVfs::get().fill_disk(true);
  auto write = [this]() {
    return store->database().write([](Sql& sql) -> Result<> {
      sql.query("insert into tenant (id, slug, name, created_ns) values (1, 'a', 'A', 1)", {});
      return {};
    });
  };
  const auto refused = home.run<Result<>>(write);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kStorageFull);
  PowerLossVfs::get().fill_disk(false);
  EXPECT_TRUE(home.run<Result<>>(write));
}

TEST_F(PowerLossTest, AFailedSyncIsSettledBeforeTheAnswer) {
  append(home, journal(), opening(kConv, "1"));
  PowerLossVfs::get().fail_syncs(0, 3);  // the commit, and two attempts to settle it
  const Appended answer = append(home, journal(), text(kConv, 2, "2"));
  EXPECT_EQ(answer.code, Code::kJournalDown);
  // All that was written now reaches the disk: if the failed commit had been left in the log, the recovery would find
  // it although it was answered as not stored.
  lose_power(100);
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 1u);
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "two")).seq, 2u);
}

TEST_F(PowerLossTest, SaysNothingWhileTheOutcomeIsUnknown) {
  append(home, journal(), opening(kConv, "1"));
  PowerLossVfs::get().fail_syncs(0, 1'000'000);
  auto unanswered = submit(home, journal(), {text(kConv, 2, "2")});
  ASSERT_TRUE(wait_until_healthy(false));
  EXPECT_EQ(unanswered.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  PowerLossVfs::get().cut_power(100);
  store.reset();
  PowerLossVfs::get().fail_syncs(0, 0);
  open();
  EXPECT_FALSE(answer_of(unanswered, std::chrono::milliseconds(10))) << "not even when the store closes";
  // It may or may not be there; asked again, there is one answer, once.
  const Appended again = append(home, journal(), text(kConv, 2, "2"));
  EXPECT_EQ(again.seq, 2u);
  EXPECT_EQ(read_all(home, journal(), kConv).size(), 2u);
}

TEST_F(PowerLossTest, SnowflakesNeverGoBack) {
  const std::int64_t far = store->snowflake_floor_ms() + 50'000'000'000;
  store->reserve_snowflakes(far);
  // The reservation is written in the background; a write behind it in the queue tells when.
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(home.run<Result<>>([this]() { return store->database().write([](Sql&) -> Result<> { return {}; }); }));
  }
  lose_power();
  EXPECT_GE(store->snowflake_floor_ms(), far);
}

/// What the store should hold, in a few lines: the specification of append().
struct Model {
  struct Sender {
    std::uint64_t last = 0;
    std::map<std::uint64_t, std::pair<std::uint64_t, Appended>> answers;  // by n: hash and answer
  };
  struct Conv {
    bool exists = false, closed = false;
    VisitorId visitor;
    std::uint64_t claim = 0, public_head = 0;
    std::vector<std::string> bodies;  // by seq - 1
    std::map<domain::SenderKey, Sender> senders;
  };
  std::map<ConversationId, Conv> convs;

  ConversationId open_of(VisitorId visitor) const {
    for (const auto& [id, conv] : convs) {
      if (conv.exists && !conv.closed && conv.visitor == visitor) return id;
    }
    return {};
  }
  Appended append(const Append& item) {
    Conv& conv = convs[item.conv];
    Sender& sender = conv.senders[{item.principal, item.dev}];
    Appended answer;
    if (item.n <= sender.last) {
      const auto known = sender.answers.find(item.n);
      if (known == sender.answers.end() || item.n + 16 <= sender.last) {
        answer.code = Code::kTooOld;
      } else if (item.kind == EntryType::kVoid || known->second.first == item.hash ||
                 (known->second.second.code == Code::kOk && known->second.second.seq == 0)) {
        answer = known->second.second;
        answer.dup = true;
      } else {
        answer.code = Code::kIdConflict;
      }
      return answer;
    }
    if (item.n != sender.last + 1) {
      answer.code = Code::kOutOfOrder;
      answer.expected = sender.last + 1;
      return answer;
    }
    auto remember = [&] {
      sender.last = item.n;
      sender.answers[item.n] = {item.hash, answer};
      return answer;
    };
    const bool visitor = item.principal.kind == PrincipalKind::kVisitor;
    if (item.kind == EntryType::kVoid || item.kind == EntryType::kRefusal) {
      if (!conv.exists && !visitor) {
        answer.code = Code::kUnknownConv;
        return answer;
      }
      if (item.kind == EntryType::kRefusal) answer.code = static_cast<Code>(item.bytes[0]);
      return remember();
    }
    if (!conv.exists && !item.opening) {
      answer.code = Code::kUnknownConv;
      return answer;
    }
    if (!conv.exists && open_of(item.opening->visitor)) {
      answer.code = Code::kClosed;
      return answer;
    }
    if (item.if_claim && *item.if_claim != conv.claim) {
      answer.code = Code::kClaimed;
      return remember();
    }
    if (conv.exists && conv.closed && item.change.status && *item.change.status != protocol::Status::kClosed &&
        open_of(conv.visitor)) {
      answer.code = Code::kClosed;
      return remember();
    }
    if (!conv.exists) {
      conv.exists = true;
      conv.visitor = item.opening->visitor;
    }
    if (item.audience == Audience::kPublic) answer.skip = conv.bodies.size() - conv.public_head;
    conv.bodies.push_back(item.bytes);
    answer.seq = conv.bodies.size();
    if (item.audience == Audience::kPublic) conv.public_head = answer.seq;
    if (item.change.status) conv.closed = *item.change.status == protocol::Status::kClosed;
    if (item.change.new_claim) ++conv.claim;
    return remember();
  }
};

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool percent(unsigned p) { return below(100) < p; }

 private:
  std::mt19937_64 engine_;
};

Append random_item(Chance& chance, const Model& model) {
  const ConversationId conv{100 + chance.below(8)};
  const VisitorId visitor{1 + conv.value % 3};  // several conversations per visitor, so that openings collide
  const bool agent = chance.percent(40);
  const Principal who = agent ? Principal::agent(AgentId{41 + chance.below(2)}) : Principal::visitor(visitor);
  const DevId tab = dev(static_cast<std::uint8_t>(1 + chance.below(2)));
  std::uint64_t last = 0;
  bool exists = false, closed = false;
  std::uint64_t claim = 0;
  if (auto known = model.convs.find(conv); known != model.convs.end()) {
    exists = known->second.exists;
    closed = known->second.closed;
    claim = known->second.claim;
    if (auto sender = known->second.senders.find({who, tab}); sender != known->second.senders.end())
      last = sender->second.last;
  }
  std::uint64_t n = last + 1;
  if (chance.percent(20)) n = 1 + chance.below(last + 3);
  const std::string words = std::to_string(n) + (chance.percent(5) ? "other" : "");
  Append item = text(conv, n, words, who, tab);
  const std::uint64_t kind = chance.below(20);
  if (kind == 0) {
    item.kind = EntryType::kVoid;
    item.bytes.clear();
  } else if (kind == 1) {
    item.kind = EntryType::kRefusal;
    item.bytes = std::string(1, static_cast<char>(Code::kFiltered));
  } else if (agent && kind < 5) {
    item.kind = EntryType::kNote;
    item.audience = Audience::kInternal;
  } else if (agent && kind < 9) {
    item.kind = EntryType::kClaim;
    item.change = {protocol::Status::kActive, AgentId{who.id}, true};
    item.if_claim = chance.percent(60) ? claim : claim + 1;
  } else if (exists && kind < 11) {
    item.kind = EntryType::kClose;
    item.change.status = protocol::Status::kClosed;
  } else if (closed) {
    item.change.status = protocol::Status::kWaiting;
  }
  if (!agent && chance.percent(70)) {
    item.opening = Append::Opening{kChannel, visitor};
    if (!exists) item.change.status = protocol::Status::kWaiting;
  }
  return item;
}

class JournalPropertyTest : public PowerLossTest, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  void check(const Appended& got, const Appended& want, const Append& item) {
    const std::string where = "conv " + item.conv.str() + " " + item.principal.str() + " n " + std::to_string(item.n) +
                              " kind " + std::to_string(static_cast<int>(item.kind));
    EXPECT_EQ(got.code, want.code) << where;
    EXPECT_EQ(got.dup, want.dup) << where;
    EXPECT_EQ(got.seq, want.seq) << where;
    EXPECT_EQ(got.expected, want.expected) << where;
    if (!want.dup) {
      EXPECT_EQ(got.skip, want.skip) << where;
    }
  }
  void compare(const Model& model) {
    for (const auto& [id, conv] : model.convs) {
      const auto state = load(home, journal(), id);
      const auto entries = read_all(home, journal(), id);
      ASSERT_EQ(entries.size(), conv.bodies.size()) << "conv " << id.str();
      for (std::size_t i = 0; i < entries.size(); ++i) {
        EXPECT_EQ(entries[i].seq, i + 1);
        EXPECT_EQ(entries[i].body, conv.bodies[i]);
      }
      if (!conv.exists) continue;
      ASSERT_TRUE(state);
      EXPECT_EQ(state->meta.head, conv.bodies.size());
      EXPECT_EQ(state->meta.public_head, conv.public_head);
      EXPECT_EQ(state->meta.claim, conv.claim);
      EXPECT_EQ(state->meta.status == protocol::Status::kClosed, conv.closed);
      for (const auto& [key, results] : state->senders) {
        const Model::Sender& sender = conv.senders.at(key);
        ASSERT_EQ(results.back().n, sender.last);
        for (const domain::SendResult& result : results) {
          EXPECT_EQ(result.seq, sender.answers.at(result.n).second.seq);
          EXPECT_EQ(result.code, sender.answers.at(result.n).second.code);
        }
      }
    }
  }
};

TEST_P(JournalPropertyTest, AgreesWithTheModelThroughRestartsAndPowerCuts) {
  const std::uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Chance chance(seed);
  Model model;
  store.reset();
  options.conversations_max = 1 + chance.below(8);  // forgetting must not show
  open();
  for (int round = 0; round < 120 && !HasFailure(); ++round) {
    std::vector<Append> batch;
    Model next = model;
    std::vector<Appended> expected;
    for (std::uint64_t i = 1 + chance.below(12); i > 0; --i) {
      batch.push_back(random_item(chance, next));
      expected.push_back(next.append(batch.back()));
    }
    const std::uint64_t fate = chance.below(20);
    if (fate == 0) {  // the disk is full: nothing happened
      PowerLossVfs::get().fill_disk(true);
      for (const Appended& answer : append(home, journal(), batch)) {
        if (answer.code != Code::kJournalFull) {
          // A batch that stores nothing needs no disk.
          for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_TRUE(expected[i].dup || expected[i].seq == 0);
          break;
        }
      }
      PowerLossVfs::get().fill_disk(false);
      batch.clear();         // and it is not sent again
    } else if (fate == 1) {  // the power fails at any moment: all or nothing, and what was answered holds
      auto answers = submit(home, journal(), batch);
      if (chance.percent(50)) answers.wait_for(std::chrono::microseconds(chance.below(2000)));
      PowerLossVfs::get().cut_power(static_cast<unsigned>(chance.below(101)), chance.below(1'000'000));
      store.reset();
      const std::optional<std::vector<Appended>> answered = answer_of(answers, std::chrono::milliseconds(50));
      open();
      if (answered) {
        const std::vector<Appended>& got = *answered;
        if (got[0].code == Code::kJournalDown || got[0].code == Code::kJournalFull || got[0].code == Code::kBusy)
          continue;
        for (std::size_t i = 0; i < batch.size(); ++i) check(got[i], expected[i], batch[i]);
        model = next;
      } else {
        std::size_t before = 0, after = 0, found = 0;
        for (const auto& [id, conv] : model.convs) before += conv.bodies.size();
        for (const auto& [id, conv] : next.convs) {
          after += conv.bodies.size();
          found += read_all(home, journal(), id).size();
        }
        EXPECT_TRUE(found == before || found == after) << "half a batch: " << before << " " << found << " " << after;
        if (before == after) break;  // cannot be told from outside
        if (found == after) model = next;
      }
    } else {
      const auto got = append(home, journal(), batch);
      for (std::size_t i = 0; i < batch.size(); ++i) check(got[i], expected[i], batch[i]);
      model = next;
      if (fate == 2) reopen();
      if (fate == 3) lose_power(static_cast<unsigned>(chance.below(101)), chance.below(1'000'000));
    }
    if (round % 20 == 19) compare(model);
  }
  EXPECT_EQ(integrity(), "ok");
}

INSTANTIATE_TEST_SUITE_P(Seeds, JournalPropertyTest, ::testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace parley::store::test
