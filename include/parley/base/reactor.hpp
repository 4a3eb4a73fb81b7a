#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "parley/base/task.hpp"
#include "parley/base/timer_wheel.hpp"

namespace parley {

namespace asio = boost::asio;

/// One thread with one io_context, and everything asynchronous that lives on it. Objects that belong to a reactor are
/// touched by its thread only, so they need no lock; other threads reach them through post().
///
/// A *turn* is one pass of the loop: all that was ready is handled, then the turn-end hooks run (sockets flush what was
/// queued for them, the journal gets its batch). Hops between reactors go through bounded single-producer rings with at
/// most one wake-up per batch.
class Reactor {
 public:
  /// `name` is shown by the system (at most 15 characters).
  explicit Reactor(std::string name);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  /// Starts the thread. Before it, everything may be prepared from the constructing thread.
  void start();
  /// Any thread: leaves the loop after the current turn. join() waits for the thread.
  void stop();
  void join();

  /// Runs the loop on the calling thread until stop(); for tests and tools. start() does the same on an own thread.
  void run();

  asio::io_context& context() noexcept { return context_; }
  const std::string& name() const noexcept { return name_; }
  bool is_home() const noexcept { return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed); }
  static Reactor* current() noexcept;  ///< The reactor of the calling thread, or null.

  /// Any thread: runs `task` on this reactor, later, in the order of the caller's own posts. Always accepted: for
  /// control messages, whose number is bounded by what exists (sessions, conversations, requests).
  void post(Task task);
  /// Any thread: the same for data; false (and nothing done) while the way there is full, so that the caller can refuse
  /// or leave a hint.
  bool try_post(Task&& task);

  /// Home: runs `hook` at the end of the current turn, once; to be asked for again. Hooks may add hooks; those run in
  /// the same turn, after.
  void at_turn_end(Task hook);

  /// Home: timers with the wheel's precision (base/timer_wheel.hpp).
  TimerWheel& timers() noexcept { return timers_; }

  /// Home: start of the current turn; cheap, good enough for time-outs.
  std::chrono::steady_clock::time_point now() const noexcept { return now_; }
  /// Home: the loop woke up and work begins. Called first by handlers that do much in one call (the socket poller), so
  /// that their time counts as busy, not as waiting.
  void begin_turn() noexcept {
    if (!turn_begun_) now_ = std::chrono::steady_clock::now();
    turn_begun_ = true;
  }

  /// Home: starts a coroutine that ends before the reactor does; logs what escapes it. `what` names it in the log.
  void spawn(const char* what, asio::awaitable<void> work);
  /// Any thread: called on the home thread with what escaped a spawned coroutine (set before start).
  void on_escape(std::function<void(const char* what, std::exception_ptr)> handler) { escape_ = std::move(handler); }

  struct Load {
    std::uint64_t turns = 0;
    std::uint64_t busy_ns = 0;          ///< time spent handling, not waiting
    std::uint64_t longest_turn_ns = 0;  ///< since the last take_load(): how long anything may have waited for the loop
    std::uint64_t mailbox_depth = 0;    ///< tasks from other threads still waiting
    std::uint64_t refused_posts = 0;
  };
  Load take_load() noexcept;  ///< Any thread; resets longest_turn_ns.

 private:
  struct Mailboxes;
  void loop();
  void drain_mailboxes();
  void arm_mailbox_wake();
  void run_turn_end();

  std::string name_;
  asio::io_context context_{1};
  std::atomic<std::thread::id> thread_id_{};
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  TimerWheel timers_;
  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
  bool turn_begun_ = false;
  std::vector<Task> turn_end_;
  std::unique_ptr<Mailboxes> mail_;
  std::function<void(const char*, std::exception_ptr)> escape_;
  std::atomic<std::uint64_t> turns_{0}, busy_ns_{0}, longest_ns_{0}, refused_{0};
};

/// Base of what belongs to one reactor. check_home() stands first in every function that only the home thread may call.
class ReactorBound {
 public:
  explicit ReactorBound(Reactor& home) : home_(home) {}
  Reactor& home() const noexcept { return home_; }

 protected:
  void check_home() const { assert(home_.is_home()); }

 private:
  Reactor& home_;
};

}  // namespace parley
