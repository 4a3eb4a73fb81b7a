#include "net/poller.hpp"

#include <fcntl.h>

#include "net/unique_fd.hpp"
#include "net_fixture.hpp"

namespace parley::net::test {
namespace {

struct Probe final : Poller::Handler {
  std::function<void(std::uint32_t)> then;
  int calls = 0;
  void on_events(std::uint32_t events) override {
    ++calls;
    if (then) then(events);
  }
};

struct Pair {
  Pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0) {
      near = UniqueFd(fds[0]);
      far = UniqueFd(fds[1]);
    }
  }
  void make_readable() const { EXPECT_EQ(::write(far.get(), "x", 1), 1); }
  UniqueFd near, far;
};

/// Runs the loop for a moment.
void run_briefly(Reactor& reactor) {
  std::thread stopper([&] {
    std::this_thread::sleep_for(30ms);
    reactor.stop();
  });
  reactor.run();
  stopper.join();
}

TEST(Poller, GivesARemovedHandlerNoFurtherEventOfTheSameBatch) {
  Reactor reactor("poller");
  Poller poller(reactor);
  Pair a, b, c;
  Probe first;
  auto second = std::make_unique<Probe>();
  Probe reused;
  std::optional<Pair> fresh;
  const auto once = [&](Probe& self, const Pair& own) {
    poller.remove(own.near.get(), self);
    if (!second) return;
    poller.remove(b.near.get(), *second);
    // The descriptor is closed and its number taken by a new one within the batch; the old event must not reach the new
    // handler.
    const int number = b.near.get();
    second.reset();
    b.near.reset();
    fresh.emplace();
    EXPECT_EQ(fresh->near.get(), number) << "the kernel gives the lowest number that is free";
    ASSERT_TRUE(poller.add(number, EPOLLIN, reused));
  };
  first.then = [&](std::uint32_t) { once(first, a); };
  Probe third;
  third.then = [&](std::uint32_t) { poller.remove(c.near.get(), third); };
  ASSERT_TRUE(poller.add(a.near.get(), EPOLLIN, first));
  ASSERT_TRUE(poller.add(b.near.get(), EPOLLIN, *second));
  ASSERT_TRUE(poller.add(c.near.get(), EPOLLIN, third));
  a.make_readable();
  b.make_readable();
  c.make_readable();
  poller.start();
  run_briefly(reactor);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(third.calls, 1);
  EXPECT_EQ(second, nullptr);
  EXPECT_EQ(reused.calls, 0) << "the event was of the descriptor's former owner";
}

TEST(Poller, HandlesOneBatchATurnSoThatOutputIsNotHeldBack) {
  Reactor reactor("poller");
  Poller poller(reactor);
  Pair busy;
  Probe probe;
  int turn_ends = 0;
  probe.then = [&](std::uint32_t) {
    reactor.at_turn_end([&] { ++turn_ends; });
  };  // never reads, so it is ready again at once
  ASSERT_TRUE(poller.add(busy.near.get(), EPOLLIN, probe));
  busy.make_readable();
  poller.start();
  run_briefly(reactor);
  EXPECT_GT(probe.calls, 10);
  EXPECT_EQ(turn_ends, probe.calls);
}

TEST(Poller, HandsADescriptorOverToAnotherHandler) {
  Reactor reactor("poller");
  Poller poller(reactor);
  Pair pair;
  Probe before, after;
  after.then = [&](std::uint32_t) { poller.remove(pair.near.get(), after); };
  before.then = [&](std::uint32_t) { poller.replace(pair.near.get(), EPOLLIN, before, after); };
  ASSERT_TRUE(poller.add(pair.near.get(), EPOLLIN, before));
  pair.make_readable();
  poller.start();
  run_briefly(reactor);
  EXPECT_EQ(before.calls, 1);
  EXPECT_EQ(after.calls, 1);
}

TEST(Poller, SaysSoWhenTheKernelCannotWatch) {
  Reactor reactor("poller");
  Poller poller(reactor);
  Probe probe;
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(poller.add(-1, EPOLLIN, probe));
}

}  // namespace
}  // namespace parley::net::test
