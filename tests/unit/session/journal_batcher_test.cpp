#include "session/journal_batcher.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>

namespace parley::session {
namespace {

using store::Appended;
using store::Code;

/// Answers what and when the test says.
class HandJournal final : public store::Journal {
 public:
  struct Batch {
    std::vector<store::Append> items;
    OnAppended done;
  };
  bool full = false;
  std::deque<Batch> batches;

  bool submit(std::vector<store::Append>&& batch, OnAppended done) override {
    if (full) return false;
    batches.push_back({std::move(batch), std::move(done)});
    return true;
  }
  /// The items `from` up to, not with, `to` of a batch; each gets its place in the batch as seq.
  void answer(std::size_t batch, std::size_t from, std::size_t to, Code code = Code::kOk) {
    std::vector<Answer> part(to - from);
    for (std::size_t i = from; i < to; ++i) {
      part[i - from].index = i;
      part[i - from].result.code = code;
      part[i - from].result.seq = i;
    }
    batches[batch].done(part);
  }

  asio::awaitable<Result<std::optional<store::ConversationState>>> load(ConversationId) override { co_return none(); }
  asio::awaitable<Result<std::optional<ConversationId>>> find_by_visitor(ChannelId, VisitorId) override {
    co_return none();
  }
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> open_conversations(TenantId) override {
    co_return none();
  }
  asio::awaitable<Result<Page>> read(ConversationId, Range) override { co_return none(); }
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> closed_conversations(TenantId, std::uint64_t,
                                                                                      unsigned) override {
    co_return none();
  }
  asio::awaitable<Result<std::vector<domain::ConversationMeta>>> changed_conversations(TenantId, std::uint64_t,
                                                                                       unsigned) override {
    co_return none();
  }
  void save_marks(std::vector<Mark>) override {}
  asio::awaitable<Result<std::vector<Mark>>> load_marks(ConversationId) override { co_return none(); }
  Health health() const override { return {}; }

 private:
  static Error none() { return Error(Errc::kUnavailable, "nothing to read here"); }
};

class Waiter final : public AppendWaiter {
 public:
  explicit Waiter(std::function<void(const Appended&)> then) : then_(std::move(then)) {}
  void answered(const Appended& result) override { then_(result); }

 private:
  const std::function<void(const Appended&)> then_;
};

/// One turn after the other on the test's own thread.
class JournalBatcherTest : public ::testing::Test {
 protected:
  /// Each of `steps` is a turn of its own.
  void run(std::vector<std::function<void()>> steps) {
    steps_.assign(steps.begin(), steps.end());
    reactor.post([this] { next(); });
    reactor.run();
  }
  void add(AppendOrder& order, std::function<void(const Appended&)> then) {
    batcher.add(order, store::Append(), waiters_.emplace_back(std::move(then)));
  }
  void add(AppendOrder& order, const char* name) {
    add(order,
        [this, name](const Appended& result) { answers.append(name).append(result.code == Code::kOk ? " " : "! "); });
  }

  Reactor reactor{"test"};
  HandJournal journal;
  JournalBatcher batcher{reactor, journal};
  AppendOrder a, b;
  std::string answers;  ///< names as they were answered, those of refused ones with a mark

 private:
  void next() {
    if (steps_.empty()) return reactor.stop();
    std::function<void()> step = std::move(steps_.front());
    steps_.pop_front();
    step();
    reactor.at_turn_end([this] { asio::post(reactor.context(), [this] { next(); }); });
  }
  std::deque<std::function<void()>> steps_;
  std::deque<Waiter> waiters_;
};

TEST_F(JournalBatcherTest, AddsOfOneTurnAreOneBatch) {
  run({[&] {
         add(a, "a1");
         add(b, "b1");
       },
       [&] { add(a, "a2"); }, [&] { journal.answer(0, 0, 2); }, [&] { journal.answer(1, 0, 1); }});
  ASSERT_EQ(journal.batches.size(), 2u);
  EXPECT_EQ(journal.batches[0].items.size(), 2u);
  EXPECT_EQ(answers, "a1 b1 a2 ");
}

TEST_F(JournalBatcherTest, ARefusalWaitsForItsOwnConversationOnly) {
  run({[&] { add(a, "a1"); },
       [&] {
         add(a, "a2");
         add(b, "b1");
         add(a, "a3");
       },
       [&] { journal.answer(1, 0, 3, Code::kJournalDown); },
       [&] {
         EXPECT_EQ(answers, "b1! ") << "whose conversation has nothing else on its way";
         EXPECT_TRUE(a.refused());
         EXPECT_FALSE(b.refused());
         EXPECT_EQ(a.in_flight(), 3u);
         EXPECT_EQ(b.in_flight(), 0u);
         journal.answer(0, 0, 1);
       }});
  EXPECT_EQ(answers, "b1! a1 a2! a3! ");
  EXPECT_FALSE(a.refused());
  EXPECT_EQ(a.in_flight(), 0u);
}

TEST_F(JournalBatcherTest, SoDoesWhatAFullQueueDidNotTake) {
  run({[&] { add(a, "a1"); },
       [&] {
         journal.full = true;
         add(a, "a2");
         add(b, "b1");
       },
       [&] {
         EXPECT_EQ(answers, "b1! ");
         journal.answer(0, 0, 1);
       }});
  EXPECT_EQ(answers, "b1! a1 a2! ");
}

TEST_F(JournalBatcherTest, PartsMayComeInAnyOrder) {
  run({[&] {
         for (const char* name : {"a1", "a2"}) add(a, name);
         for (const char* name : {"b1", "b2"}) add(b, name);
       },
       [&] {
         journal.answer(0, 2, 4);
         journal.answer(0, 1, 2);
         EXPECT_EQ(answers, "b1 b2 ");
         journal.answer(0, 0, 1);
       }});
  EXPECT_EQ(answers, "b1 b2 a1 a2 ");
}

TEST_F(JournalBatcherTest, ManyAnswersAreHandedOnInPartsOnePerTurn) {
  constexpr std::size_t kItems = 1000;
  std::vector<std::size_t> turns;  // how many each
  std::size_t last = 0, in_turn = 0;
  auto answered = [&](const Appended& result) {
    EXPECT_EQ(result.seq, last++) << "in order";
    if (in_turn++ > 0) return;
    reactor.at_turn_end([&] { turns.push_back(std::exchange(in_turn, 0)); });
  };
  std::vector<std::function<void()>> steps{[&] {
                                             for (std::size_t i = 0; i < kItems; ++i) add(a, answered);
                                           },
                                           [&] {
                                             journal.answer(0, 0, kItems / 2);
                                             journal.answer(0, kItems / 2, kItems);
                                           }};
  for (int i = 0; i < 10; ++i) steps.push_back([] {});
  run(std::move(steps));
  EXPECT_EQ(last, kItems);
  ASSERT_EQ(turns.size(), 4u);
  for (const std::size_t turn : turns) EXPECT_LE(turn, JournalBatcher::kAnswersPerTurn);
}

TEST_F(JournalBatcherTest, TheMoreWaitsTheMoreIsHandedOn) {
  constexpr std::size_t kItems = 40'000;
  std::size_t answered = 0, after_one_turn = 0;
  std::vector<std::function<void()>> steps{[&] {
                                             for (std::size_t i = 0; i < kItems; ++i)
                                               add(a, [&](const Appended&) { ++answered; });
                                           },
                                           [&] { journal.answer(0, 0, kItems); }, [&] {},
                                           [&] { after_one_turn = answered; }};
  run(std::move(steps));
  EXPECT_GE(after_one_turn, kItems / 8) << "or what waits would grow for as long as more than 256 come in per turn";
  EXPECT_LT(after_one_turn, kItems);
}

}  // namespace
}  // namespace parley::session
