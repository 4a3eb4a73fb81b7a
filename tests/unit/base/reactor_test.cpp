#include "parley/base/reactor.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "parley/base/worker.hpp"

namespace parley {
namespace {

TEST(Reactor, RunsPostsOfOneThreadInOrderEvenWhenTheRingOverflows) {
  Reactor reactor("test");
  std::vector<int> seen;
  constexpr int kPosts = 20000;  // several times the ring
  for (int i = 0; i < kPosts; ++i) reactor.post([&seen, i] { seen.push_back(i); });
  std::promise<void> done;
  reactor.post([&done] { done.set_value(); });
  reactor.start();
  done.get_future().wait();
  reactor.stop();
  reactor.join();
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kPosts));
  for (int i = 0; i < kPosts; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Reactor, KeepsTheOrderOfEachOfSeveralThreadsThatPostWhileItRuns) {
  Reactor reactor("test");
  reactor.start();
  constexpr int kThreads = 3, kPosts = 30000;
  std::vector<int> last(kThreads, -1);
  std::atomic<int> bad{0}, count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        reactor.post([&, t, i] {
          if (last[static_cast<std::size_t>(t)] != i - 1) bad.fetch_add(1);
          last[static_cast<std::size_t>(t)] = i;
          count.fetch_add(1);
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  while (count.load() < kThreads * kPosts) std::this_thread::yield();
  reactor.stop();
  reactor.join();
  EXPECT_EQ(bad.load(), 0);
}

TEST(Reactor, TryPostRefusesWhenTheWayIsFullAndCountsIt) {
  Reactor reactor("test");
  int ran = 0;
  int taken = 0;
  while (reactor.try_post([&ran] { ++ran; })) ++taken;
  EXPECT_GT(taken, 100);
  EXPECT_EQ(reactor.take_load().refused_posts, 1u);
  std::promise<void> done;
  reactor.post([&done] { done.set_value(); });
  reactor.start();
  done.get_future().wait();
  reactor.stop();
  reactor.join();
  EXPECT_EQ(ran, taken) << "what was accepted runs, what was refused does not";
}

TEST(Reactor, RunsTurnEndHooksAfterTheHandlersOfTheTurn) {
  Reactor reactor("test");
  std::vector<std::string> order;
  std::promise<void> done;
  reactor.post([&] {
    reactor.at_turn_end([&] {
      order.push_back("end");
      reactor.at_turn_end([&] {
        order.push_back("end of end");
        done.set_value();
      });
    });
    order.push_back("first");
  });
  reactor.post([&] { order.push_back("second"); });
  reactor.start();
  done.get_future().wait();
  reactor.stop();
  reactor.join();
  EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "end", "end of end"}));
}

struct Beep : WheelTimer {
  explicit Beep(std::function<void()> f) : call(std::move(f)) {}
  void on_timer() override { call(); }
  std::function<void()> call;
};

TEST(TimerWheel, FiresOnceNeverEarlyAndInTheRightTurn) {
  const auto start = TimerWheel::Clock::now();
  TimerWheel wheel(start, 8);  // few slots, so that a long delay laps the wheel
  int fired = 0;
  Beep beep([&] { ++fired; });
  wheel.arm(beep, std::chrono::milliseconds(1000));
  wheel.advance(start + std::chrono::milliseconds(999));
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(beep.armed());
  wheel.advance(start + std::chrono::milliseconds(1100));
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(beep.armed());
  wheel.advance(start + std::chrono::seconds(10));
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheel, LetsACallbackCancelAndRearmOthersOfTheSameTick) {
  const auto start = TimerWheel::Clock::now();
  TimerWheel wheel(start);
  int second_fired = 0, first_fired = 0;
  Beep second([&] { ++second_fired; });
  Beep* again = nullptr;
  Beep first([&] {
    ++first_fired;
    second.cancel();
    wheel.arm(*again, std::chrono::milliseconds(100));
  });
  again = &first;
  wheel.arm(first, std::chrono::milliseconds(100));
  wheel.arm(second, std::chrono::milliseconds(100));
  wheel.advance(start + std::chrono::milliseconds(200));
  EXPECT_EQ(first_fired, 1);
  EXPECT_EQ(second_fired, 0);
  wheel.advance(start + std::chrono::milliseconds(400));
  EXPECT_EQ(first_fired, 2);
}

TEST(TimerWheel, ForgetsADestroyedTimer) {
  const auto start = TimerWheel::Clock::now();
  TimerWheel wheel(start);
  {
    Beep beep([] { FAIL() << "fired after its end"; });
    wheel.arm(beep, std::chrono::milliseconds(10));
  }
  wheel.advance(start + std::chrono::seconds(1));
}

TEST(Worker, ResumesTheCallerAtHomeWithTheResult) {
  Reactor reactor("test");
  Worker worker("work", 1, 8);
  std::promise<bool> answer;
  reactor.post([&] {
    reactor.spawn("test", [](Reactor& home, Worker& w, std::promise<bool>& out) -> asio::awaitable<void> {
      Result<int> got = co_await w.run([] { return Result<int>(42); });
      out.set_value(got && *got == 42 && home.is_home());
    }(reactor, worker, answer));
  });
  reactor.start();
  EXPECT_TRUE(answer.get_future().get());
  reactor.stop();
}

TEST(Worker, AnswersOverloadedWhenItsQueueIsFullAndTurnsExceptionsIntoErrors) {
  Reactor reactor("test");
  Worker worker("work", 1, 1);
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  ASSERT_TRUE(worker.submit([opened] { opened.wait(); }));
  while (worker.depth() > 0) std::this_thread::yield();
  ASSERT_TRUE(worker.submit([] {}));  // waits: the queue of one is full now
  std::promise<Errc> full, thrown;
  reactor.post([&] {
    reactor.spawn(
        "test",
        [](Worker& w, std::promise<void>& g, std::promise<Errc>& f, std::promise<Errc>& t) -> asio::awaitable<void> {
          Result<int> refused = co_await w.run([] { return Result<int>(1); });
          f.set_value(refused ? Errc::kInternal : refused.error().code);
          g.set_value();
          for (;;) {
            Result<int> failed = co_await w.run([]() -> Result<int> { throw std::runtime_error("boom"); });
            if (failed.error().code == Errc::kOverloaded) continue;
            t.set_value(failed.error().code);
            co_return;
          }
        }(worker, gate, full, thrown));
  });
  reactor.start();
  EXPECT_EQ(full.get_future().get(), Errc::kOverloaded);
  EXPECT_EQ(thrown.get_future().get(), Errc::kInternal);
  reactor.stop();
}

}  // namespace
}  // namespace parley
