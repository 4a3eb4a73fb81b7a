#include "postgres/pg_watchdog.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>

namespace parley::store::test {
namespace {

using namespace std::chrono_literals;
using Clock = PgWatchdog::Clock;

/// Two ends of a connection; nobody ever sends anything.
class Silence {
 public:
  Silence() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) != 0) throw std::runtime_error("socketpair");
  }
  ~Silence() {
    for (const int end : ends_) ::close(end);
  }
  int socket() const { return ends_[0]; }
  /// How a blocking call for at most `patience` ends: 0 if the connection was cut, -1 if nothing happened.
  ssize_t receive(std::chrono::milliseconds patience = 10s) const {
    const timeval limit{patience / 1s, (patience % 1s) / 1us};
    ::setsockopt(ends_[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char byte;
    return ::recv(ends_[0], &byte, 1, 0);
  }

 private:
  std::array<int, 2> ends_;
};

TEST(PgWatchdog, EndsACallAtItsDeadline) {
  Silence silence;
  PgWatchdog dog;
  PgWatchdog::Watch watch(dog, silence.socket());
  const auto begin = Clock::now();
  watch.arm(begin + 50ms);
  EXPECT_EQ(silence.receive(), 0);
  EXPECT_GE(Clock::now() - begin, 50ms);
  EXPECT_FALSE(watch.disarm());
}

TEST(PgWatchdog, LeavesAloneWhatIsOverInTime) {
  Silence quick, slow;
  PgWatchdog dog;
  PgWatchdog::Watch done(dog, quick.socket()), waiting(dog, slow.socket());
  done.arm(Clock::now() + 30ms);
  EXPECT_TRUE(done.disarm());
  waiting.arm(Clock::now() + 100ms);
  EXPECT_EQ(slow.receive(), 0) << "the other deadline counts";
  EXPECT_EQ(quick.receive(20ms), -1);
  EXPECT_TRUE(done.disarm());
}

TEST(PgWatchdog, TakesAnEarlierDeadlineThanTheOneItSleepsFor) {
  Silence first, second;
  PgWatchdog dog;
  PgWatchdog::Watch far(dog, first.socket()), near(dog, second.socket());
  far.arm(Clock::now() + 1h);
  near.arm(Clock::now() + 50ms);
  EXPECT_EQ(second.receive(), 0);
  EXPECT_TRUE(far.disarm());
}

TEST(PgWatchdog, TheOwnerEndsWhatRunsAndWhatComesLater) {
  Silence running, later;
  PgWatchdog dog;
  PgWatchdog::Watch first(dog, running.socket()), second(dog, later.socket());
  first.arm(Clock::now() + 1h);
  auto call = std::async(std::launch::async, [&] { return running.receive(); });
  EXPECT_EQ(call.wait_for(20ms), std::future_status::timeout);
  dog.end_by(Clock::now());
  EXPECT_EQ(call.get(), 0);
  second.arm(Clock::now() + 1h);
  EXPECT_EQ(later.receive(), 0);
}

TEST(PgWatchdog, NeverTouchesWhatGotTheNumberOfAClosedSocket) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  PgWatchdog dog;
  PgWatchdog::Watch watch(dog, ends[0]);
  watch.arm(Clock::now() + 50ms);
  const Silence other;
  ASSERT_EQ(::dup3(other.socket(), ends[0], O_CLOEXEC), ends[0]) << "the number is another connection's now";
  char byte;
  EXPECT_EQ(::recv(ends[1], &byte, 1, 0), 0) << "the deadline has passed";
  EXPECT_EQ(other.receive(50ms), -1);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace parley::store::test
