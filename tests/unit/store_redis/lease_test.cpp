#include "redis/lease.hpp"

#include <gtest/gtest.h>

#include "redis_fixture.hpp"

namespace parley::store::redis::test {
namespace {

class RedisLease : public testing::Test {
 protected:
  RedisServer server_;
  BlockingClient client_{tcp(server_), 1s, 1s};

  std::string refusal(std::chrono::milliseconds wait = 5s) {
    try {
      acquire(client_, "p", 1s, wait);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return {};
  }
  void hold(const std::string& owner, int ms) {
    ASSERT_EQ(client_.call({"SET", "p:lease", owner, "PX", std::to_string(ms)}).text, "OK");
  }
};

using Clock = std::chrono::steady_clock;

TEST_F(RedisLease, IsTakenRenewedAndReleased) {
  const Lease lease = acquire(client_, "p", 1s, 0ms);
  EXPECT_EQ(lease.fence, 1u);
  EXPECT_EQ(client_.call({"GET", "p:lease"}).text, lease.owner);
  EXPECT_EQ(client_.call({"HGET", "p:meta", "fence"}).text, "1");
  EXPECT_LE(client_.call({"PTTL", "p:lease"}).integer, 1000);
  client_.call({"PEXPIRE", "p:lease", "100"});
  EXPECT_EQ(*renewal_of(client_.call(renew_command(lease))), Renewal::kHeld);
  EXPECT_GT(client_.call({"PTTL", "p:lease"}).integer, 500);
  EXPECT_EQ(client_.call(release_command(lease)).integer, 1);
  EXPECT_EQ(client_.call({"EXISTS", "p:lease"}).integer, 0);
  EXPECT_EQ(client_.call(release_command(lease)).integer, 0);
  EXPECT_EQ(acquire(client_, "p", 1s, 0ms).fence, 2u) << "the fence grows with every acquisition";
  EXPECT_EQ(acquire(client_, "other", 1s, 0ms).fence, 1u) << "prefixes know nothing of each other";
}

TEST_F(RedisLease, NamesItsOwnerReadably) {
  const LeaseOwner me = LeaseOwner::this_process();
  EXPECT_EQ(me.pid, ::getpid());
  EXPECT_GT(me.start_ticks, 0u);
  const std::optional<LeaseOwner> again = LeaseOwner::parse(me.text());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->text(), me.text());
  EXPECT_FALSE(again->is_dead());
  for (const char* text : {"", "a b 1 2", "a b x 2 k", "a b 1 x k", "a b 0 2 k", "a b -1 2 k", "a b 1 2 k more"})
    EXPECT_FALSE(LeaseOwner::parse(text)) << text;
}

TEST_F(RedisLease, IsTakenOverAtOnceFromAProcessThatIsGone) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  LeaseOwner dead = LeaseOwner::this_process();
  dead.pid = child;
  hold(dead.text(), 60000);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(dead.is_dead()) << "a process that has ended and was not collected yet";
  ::waitpid(child, nullptr, 0);
  const auto begun = Clock::now();
  const Lease lease = acquire(client_, "p", 1s, 0ms);
  EXPECT_LT(Clock::now() - begun, 1s);
  EXPECT_EQ(client_.call({"GET", "p:lease"}).text, lease.owner);
  EXPECT_EQ(lease.fence, 1u);
}

TEST_F(RedisLease, IsTakenOverFromAnEarlierProcessWithTheNumberOfALivingOne) {
  LeaseOwner earlier = LeaseOwner::this_process();
  earlier.start_ticks -= 1;
  hold(earlier.text(), 60000);
  EXPECT_EQ(acquire(client_, "p", 1s, 0ms).fence, 1u);
}

TEST_F(RedisLease, IsNotTakenFromAPlaceOfWhichNothingIsKnown) {
  LeaseOwner elsewhere = LeaseOwner::this_process();
  elsewhere.pid = 999999999;
  elsewhere.host = "elsewhere";
  EXPECT_FALSE(elsewhere.is_dead());
  hold(elsewhere.text(), 60000);
  const std::string why = refusal(200ms);
  EXPECT_NE(why.find("in use by process 999999999 on host elsewhere"), std::string::npos) << why;
  EXPECT_NE(why.find("stop that daemon first, or give this one another redis prefix"), std::string::npos) << why;
  LeaseOwner container = LeaseOwner::this_process();
  container.pid = 999999999;
  container.kernel = container.kernel.substr(0, container.kernel.find('/')) + "/pid:[1]";
  EXPECT_FALSE(container.is_dead()) << "another container of this machine, with the same host name";
}

TEST_F(RedisLease, IsTakenWhenItExpires) {
  LeaseOwner elsewhere = LeaseOwner::this_process();
  elsewhere.host = "elsewhere";
  hold(elsewhere.text(), 400);
  const auto begun = Clock::now();
  EXPECT_EQ(acquire(client_, "p", 1s, 5s).fence, 1u);
  EXPECT_GE(Clock::now() - begun, 350ms);
}

TEST_F(RedisLease, IsNotTakenFromAHolderThatRenewsIt) {
  const Lease held = acquire(client_, "p", 1s, 0ms);
  std::atomic<bool> over{false};
  std::thread holder([&] {
    BlockingClient own(tcp(server_), 1s, 1s);
    while (!over) {
      EXPECT_EQ(*renewal_of(own.call(renew_command(held))), Renewal::kHeld);
      std::this_thread::sleep_for(300ms);
    }
  });
  const auto begun = Clock::now();
  const std::string why = refusal(30s);
  EXPECT_LT(Clock::now() - begun, 3s) << "one renewal is enough to know";
  EXPECT_NE(why.find("in use by process " + std::to_string(::getpid())), std::string::npos) << why;
  over = true;
  holder.join();
}

TEST_F(RedisLease, IsNeverTakenWithoutATimeToLive) {
  hold(LeaseOwner::this_process().text(), 60000);
  client_.call({"PERSIST", "p:lease"});
  EXPECT_NE(refusal(30s), "");
  client_.call({"SET", "p:lease", "somebody's text"});
  EXPECT_NE(refusal(30s).find("in use by \"somebody's text\""), std::string::npos);
}

TEST_F(RedisLease, HasOneWinnerAmongManyAtOnce) {
  LeaseOwner dead = LeaseOwner::this_process();
  dead.start_ticks -= 1;
  hold(dead.text(), 60000);
  std::atomic<int> winners{0}, losers{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      BlockingClient own(tcp(server_), 1s, 1s);
      try {
        acquire(own, "p", 60s, 300ms);
        ++winners;
      } catch (const std::runtime_error&) {
        ++losers;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(losers, 7);
  EXPECT_EQ(client_.call({"HGET", "p:meta", "fence"}).text, "1");
}

TEST_F(RedisLease, ComesBackToItsHolderIfItOnlyExpired) {
  const Lease lease = acquire(client_, "p", 1s, 0ms);
  client_.call({"DEL", "p:lease"});
  EXPECT_EQ(*renewal_of(client_.call(renew_command(lease))), Renewal::kHeld);
  EXPECT_EQ(client_.call({"GET", "p:lease"}).text, lease.owner);
  EXPECT_GT(client_.call({"PTTL", "p:lease"}).integer, 0);
}

TEST_F(RedisLease, IsLostWhenSomebodyElseHasOrHadIt) {
  const Lease first = acquire(client_, "p", 1s, 0ms);
  client_.call({"DEL", "p:lease"});
  const Lease second = acquire(client_, "p", 1s, 0ms);
  EXPECT_EQ(*renewal_of(client_.call(renew_command(first))), Renewal::kTaken);
  EXPECT_EQ(client_.call(release_command(first)).integer, 0);
  EXPECT_EQ(client_.call({"GET", "p:lease"}).text, second.owner);
  client_.call(release_command(second));
  EXPECT_EQ(*renewal_of(client_.call(renew_command(first))), Renewal::kTaken);
}

TEST_F(RedisLease, TellsThatRedisForgot) {
  const Lease lease = acquire(client_, "p", 1s, 0ms);
  client_.call({"FLUSHALL"});
  EXPECT_EQ(*renewal_of(client_.call(renew_command(lease))), Renewal::kForgotten);
  EXPECT_EQ(client_.call({"EXISTS", "p:lease"}).integer, 0);
  client_.call({"SET", "p:meta", "not a hash"});
  const Reply wrong = client_.call(renew_command(lease));
  ASSERT_FALSE(renewal_of(wrong));
  EXPECT_EQ(renewal_of(wrong).error().code, Errc::kUnavailable);
  EXPECT_NE(refusal().find("refuses the lease"), std::string::npos);
  EXPECT_EQ(client_.call({"EXISTS", "p:lease"}).integer, 0) << "refused as a whole";
}

TEST_F(RedisLease, IsTakenAndRenewedInAServerThatIsFull) {
  client_.call({"CONFIG", "SET", "maxmemory", "1"});
  ASSERT_EQ(client_.call({"SET", "k", "v"}).error_word(), "OOM");
  const Lease lease = acquire(client_, "p", 1s, 0ms);
  EXPECT_EQ(*renewal_of(client_.call(renew_command(lease))), Renewal::kHeld);
  EXPECT_EQ(client_.call(release_command(lease)).integer, 1);
}

}  // namespace
}  // namespace parley::store::redis::test
