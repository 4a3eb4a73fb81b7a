// How often memory is asked for on the reactor while a message goes from a visitor through the journal to an agent.
#include <algorithm>
#include <cstdlib>
#include <future>
#include <new>

#include "parley/protocol/ws.hpp"
#include "session_fixture.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PARLEY_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PARLEY_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef PARLEY_COUNTS_ALLOCATIONS
#define PARLEY_COUNTS_ALLOCATIONS 1
#endif

namespace {
thread_local std::uint64_t allocations = 0;
}

#if PARLEY_COUNTS_ALLOCATIONS
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace parley::session::test {
namespace {

class Allocations : public ChatTest {
 protected:
  Allocations() { settings.session.visitor_sends_per_second = settings.session.visitor_send_burst = 1e6; }
  void SetUp() override {
    if (PARLEY_COUNTS_ALLOCATIONS == 0) GTEST_SKIP() << "a sanitizer has its own allocator";
  }

  /// Of `rounds` times `at_once` texts of 300 bytes, each: those on the reactor's thread. The median of the rounds,
  /// since lists and tails have work of their own from time to time.
  double per_message(Client& visitor, FakePeer& reader, std::size_t rounds, std::size_t at_once) {
    std::vector<std::uint64_t> counts;
    for (std::size_t round = 0; round < rounds; ++round) {
      std::string text = "[";
      for (std::size_t i = 0; i < at_once; ++i) {
        text += text.size() > 1 ? "," : "";
        text += json{{"t", "send"},
                     {"conv", visitor.conv()},
                     {"n", ++visitor.counters[visitor.conv()]},
                     {"type", "text"},
                     {"body", {{"text", std::string(300, 'x')}}}}
                    .dump();
      }
      text += "]";
      const std::size_t size = text.size(), seen = reader.counted();
      text.resize(size + protocol::ws::kPadding);
      const std::uint64_t before = on_reactor();
      reactors[0]->post([&] { visitor.peer->hear({text.data(), size}); });
      EXPECT_TRUE(eventually([&] { return reader.counted() == seen + at_once; }));
      counts.push_back(on_reactor() - before);
    }
    std::nth_element(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(rounds / 2), counts.end());
    return static_cast<double>(counts[rounds / 2]) / static_cast<double>(at_once);
  }

 private:
  std::uint64_t on_reactor() {
    std::promise<std::uint64_t> counted;
    reactors[0]->post([&] { counted.set_value(allocations); });
    return counted.get_future().get();
  }
};

TEST_F(Allocations, OfAForwardedMessageAreFewAndKnown) {
  start();
  Client v = visitor(1, 0, {{"echo", false}}), ann = agent(kAnn);
  v.text("opens");
  watch(ann, v.conv());
  ann.send(v.conv(), "claim");
  v.peer->settle();
  ann.peer->settle();
  v.peer->count_only();
  ann.peer->count_only();
  per_message(v, *ann.peer, 200, 1);  // the tail is full, tables have their size
  const double alone = per_message(v, *ann.peer, 200, 1), together = per_message(v, *ann.peer, 20, 10);
  // Request, text, body and its copy for the log, preview twice and once more in the list, what waits for the journal,
  // ack, entry, and half a block of the tail; a turn and a batch have some of their own. Make it fewer, and lower this.
  EXPECT_LE(together, 10.5);
  EXPECT_LE(alone, 17);
  EXPECT_GT(together, 5) << "is anything counted?";
}

}  // namespace
}  // namespace parley::session::test
