// Hops between reactors: the ring itself, a question with its answer, a stream of deliveries.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>

#include <memory>
#include <semaphore>
#include <string>

#include "parley/base/reactor.hpp"
#include "parley/base/spsc_ring.hpp"

namespace parley::micro {
namespace {

using Frame = std::shared_ptr<const std::string>;
constexpr int kBatch = 1000;  // fewer than the mailbox holds

/// Two running reactors: both on core 0, or one on core 0 and one on core 1.
class Pair {
 public:
  explicit Pair(int cores) {
    near.start();
    far.start();
    pinned = on(near, 0) && on(far, cores - 1);
  }
  ~Pair() {
    near.stop();
    far.stop();
  }
  std::binary_semaphore done{0};  // outlives the reactors, which may still be in release() when the waiter goes on
  Reactor near{"near"}, far{"far"};
  bool pinned = false;

 private:
  bool on(Reactor& reactor, int core) {
    bool moved = false;
    reactor.post([&] {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(static_cast<unsigned>(core), &set);
      moved = pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
      done.release();
    });
    done.acquire();
    return moved;
  }
};

/// Push and pop of a task that carries a frame, in bursts of 64, on one thread: the work, without another core's cache.
void ring(benchmark::State& state) {
  constexpr int kBurst = 64;
  SpscRing<Task> ring(4096);
  const Frame frame = std::make_shared<const std::string>("{}");
  std::size_t bytes = 0;
  while (state.KeepRunningBatch(kBurst)) {
    for (int i = 0; i < kBurst; ++i) {
      Task task([frame, &bytes] { bytes += frame->size(); });
      benchmark::DoNotOptimize(ring.push(std::move(task)));
    }
    for (Task task; ring.pop(task); task = Task()) task();
  }
  if (bytes != 2 * static_cast<std::size_t>(state.iterations())) state.SkipWithError("a task was lost");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ring)->Name("hop/ring_push_pop");

/// From one reactor to the other and back, one at a time, both asleep in between: wake-ups are nearly all of it.
struct PingPong {
  Pair& pair;
  int left = kBatch;
  void go() {
    if (left-- == 0) return pair.done.release();
    pair.far.post([this] { pair.near.post([this] { go(); }); });
  }
};
void round_trip(benchmark::State& state) {
  Pair pair(static_cast<int>(state.range(0)));
  if (!pair.pinned) return state.SkipWithError("needs a second core");
  while (state.KeepRunningBatch(kBatch)) {
    PingPong game{pair};
    pair.near.post([&] { game.go(); });
    pair.done.acquire();
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("there and back, two wake-ups");
}
BENCHMARK(round_trip)->Name("hop/round_trip")->ArgName("cores")->Arg(1)->Arg(2)->UseRealTime();

/// A home hands frames to sessions of another reactor: posting, ring, running, with the wake-ups of a busy pair.
void stream(benchmark::State& state) {
  Pair pair(static_cast<int>(state.range(0)));
  if (!pair.pinned) return state.SkipWithError("needs a second core");
  const Frame frame = std::make_shared<const std::string>("{}");
  std::size_t bytes = 0;  // far's
  while (state.KeepRunningBatch(kBatch)) {
    pair.near.post([&] {
      for (int i = 0; i < kBatch; ++i) pair.far.post([frame, &bytes] { bytes += frame->size(); });
      pair.far.post([&] { pair.done.release(); });
    });
    pair.done.acquire();
  }
  if (bytes != 2 * static_cast<std::size_t>(state.iterations())) state.SkipWithError("a task was lost");
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("1,000 posts in a row");
}
BENCHMARK(stream)->Name("hop/stream")->ArgName("cores")->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace parley::micro
