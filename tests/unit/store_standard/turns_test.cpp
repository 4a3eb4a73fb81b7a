#include "store/standard/turns.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace parley::store::standard {
namespace {

using namespace std::chrono_literals;

const Turns::Options kOptions{"turns-test", 1ms, 1ms, 2ms};

TEST(Turns, PauseLongerAfterATurnThatTookLong) {
  std::atomic<int> turns{0};
  Turns slow(kOptions, [&] {
    ++turns;
    std::this_thread::sleep_for(30ms);
    return Turns::Turn::kIdle;
  });
  slow.start();
  std::this_thread::sleep_for(900ms);
  slow.stop(Turns::Clock::now());
  EXPECT_GE(turns, 1);
  EXPECT_LE(turns, 4) << "each is followed by 270 ms of rest";
}

TEST(Turns, DoNotPauseWhileThereIsMore) {
  std::atomic<int> turns{0};
  Turns busy(kOptions, [&] {
    std::this_thread::sleep_for(10ms);
    return ++turns < 5 ? Turns::Turn::kMore : Turns::Turn::kLast;
  });
  busy.start();
  EXPECT_FALSE(busy.request_sync(10s)) << "the last turn ends it";
  EXPECT_EQ(turns, 5);
}

TEST(Turns, ASyncEndsThePause) {
  std::atomic<int> turns{0};
  Turns slow(kOptions, [&] {
    ++turns;
    return Turns::Turn::kIdle;
  });
  slow.start();
  EXPECT_TRUE(slow.request_sync(10s));
  EXPECT_TRUE(slow.request_sync(10s));
  EXPECT_GE(turns, 2);
}

}  // namespace
}  // namespace parley::store::standard
