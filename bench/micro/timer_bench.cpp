// The timer wheel with one timer per session, touched in no order.
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <vector>

#include "parley/base/timer_wheel.hpp"
#include "samples.hpp"

namespace parley::micro {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kHeartbeat{25'000};

/// Like a session's: in an object of its own, armed anew whenever it fires.
class SessionTimer final : public WheelTimer {
 public:
  explicit SessionTimer(TimerWheel& wheel) : wheel_(wheel) {}
  std::uint64_t fired = 0;

 private:
  void on_timer() override {
    ++fired;
    wheel_.arm(*this, kHeartbeat);
  }
  TimerWheel& wheel_;
  char rest_of_the_session_[192]{};
};

struct Sessions {
  explicit Sessions(std::size_t count) : order(shuffled(count)) {
    Random random(31);
    for (std::size_t i = 0; i < count; ++i) {
      timers.push_back(std::make_unique<SessionTimer>(wheel));
      wheel.arm(*timers.back(), milliseconds(random() % 25'000));
    }
  }
  SessionTimer& next() {
    at = at + 1 == order.size() ? 0 : at + 1;
    return *timers[order[at]];
  }
  TimerWheel::Clock::time_point now{};
  TimerWheel wheel{now};
  std::vector<std::unique_ptr<SessionTimer>> timers;
  std::vector<std::size_t> order;
  std::size_t at = 0;
};

/// What every frame of a session does: its silence begins anew.
void arm_anew(benchmark::State& state) {
  Sessions sessions(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) sessions.wheel.arm(sessions.next(), kHeartbeat);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(arm_anew)->Name("timer/arm_anew")->ArgName("sessions")->Arg(1000)->Arg(100'000);

void arm_and_cancel(benchmark::State& state) {
  Sessions sessions(static_cast<std::size_t>(state.range(0)));
  Random random(37);
  std::vector<milliseconds> delays(1024);
  for (milliseconds& delay : delays) delay = milliseconds(random() % 60'000);
  std::size_t i = 0;
  for (auto _ : state) {
    SessionTimer& timer = sessions.next();
    timer.cancel();
    benchmark::DoNotOptimize(timer.armed());
    sessions.wheel.arm(timer, delays[i++ % delays.size()]);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(arm_and_cancel)->Name("timer/cancel_and_arm")->ArgName("sessions")->Arg(1000)->Arg(100'000);

/// One tick of 50 ms, in which one session of 500 gets its heartbeat and is armed anew; items are these.
void tick(benchmark::State& state) {
  Sessions sessions(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) sessions.wheel.advance(sessions.now += TimerWheel::kTick);
  std::uint64_t fired = 0;
  for (const auto& timer : sessions.timers) fired += timer->fired;
  state.SetItemsProcessed(static_cast<std::int64_t>(fired));
  state.SetLabel("a tick; items are timers that fired");
}
BENCHMARK(tick)->Name("timer/tick")->ArgName("sessions")->Arg(1000)->Arg(100'000);

}  // namespace
}  // namespace parley::micro
