#include "parley/base/reactor.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cassert>
#include <deque>
#include <mutex>
#include <system_error>

#include "parley/base/spsc_ring.hpp"

namespace parley {
namespace {

constexpr std::size_t kRingTasks = 4096;    // per pair of threads
constexpr unsigned kHandlersPerTurn = 256;  // then the turn ends, so that queued output never waits long

thread_local Reactor* current_reactor = nullptr;

}  // namespace

/// The ways into one reactor: one ring per producing thread, made at that thread's first post. Only making one takes
/// the lock; so does posting from a thread that is about to end, which nothing on the message path does.
struct Reactor::Mailboxes {
  struct Lane {
    SpscRing<Task> ring{kRingTasks};
    // What did not fit, kept by the producer in order and pushed before anything newer; and its size for the consumer,
    // which asks for another round while there is some.
    std::mutex mutex;  // taken only when the ring is full
    std::deque<Task> overflow;
    std::atomic<std::size_t> overflowing{0};
  };

  explicit Mailboxes(asio::io_context& context) : wake(context), id(next_id.fetch_add(1)) {
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    wake.assign(fd);
  }

  Lane& lane_of_this_thread() {
    // Indexed by reactor id; ids are never reused, so an entry of a reactor that is gone is never looked at again.
    thread_local std::vector<std::shared_ptr<Lane>> mine;
    if (mine.size() <= id) mine.resize(id + 1);
    if (!mine[id]) {
      mine[id] = std::make_shared<Lane>();
      std::lock_guard lock(mutex);
      lanes.push_back(mine[id]);
      lanes_changed.store(true, std::memory_order_release);
    }
    return *mine[id];
  }

  void signal() {
    // Only the first of a batch pays for the system call; the consumer clears the flag before it drains.
    if (signalled.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake.native_handle(), &one, sizeof one);
  }

  static inline std::atomic<std::size_t> next_id{0};
  asio::posix::stream_descriptor wake;
  const std::size_t id;
  std::atomic<bool> signalled{false};
  std::mutex mutex;  // guards lanes while a thread adds its own
  std::vector<std::shared_ptr<Lane>> lanes;
  std::atomic<bool> lanes_changed{false};
  std::vector<std::shared_ptr<Lane>> seen;  // consumer's copy
};

Reactor::Reactor(std::string name) : name_(std::move(name)), mail_(std::make_unique<Mailboxes>(context_)) {}

Reactor::~Reactor() {
  stop();
  join();
}

Reactor* Reactor::current() noexcept { return current_reactor; }

void Reactor::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    run();
  });
}

void Reactor::stop() {
  stopping_.store(true, std::memory_order_release);
  mail_->signal();
}

void Reactor::join() {
  if (thread_.joinable()) thread_.join();
}

void Reactor::post(Task task) {
  Mailboxes::Lane& lane = mail_->lane_of_this_thread();
  if (lane.overflowing.load(std::memory_order_relaxed) > 0 || !lane.ring.push(std::move(task))) {
    std::lock_guard lock(lane.mutex);
    lane.overflow.push_back(std::move(task));
    lane.overflowing.store(lane.overflow.size(), std::memory_order_release);
  }
  mail_->signal();
}

bool Reactor::try_post(Task&& task) {
  Mailboxes::Lane& lane = mail_->lane_of_this_thread();
  if (lane.overflowing.load(std::memory_order_relaxed) > 0 || !lane.ring.push(std::move(task))) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  mail_->signal();
  return true;
}

void Reactor::at_turn_end(Task hook) {
  assert(is_home() || thread_id_.load() == std::thread::id{});
  turn_end_.push_back(std::move(hook));
}

void Reactor::drain_mailboxes() {
  mail_->signalled.exchange(false, std::memory_order_acq_rel);
  if (mail_->lanes_changed.exchange(false, std::memory_order_acq_rel)) {
    std::lock_guard lock(mail_->mutex);
    mail_->seen = mail_->lanes;
  }
  Task task;
  for (const auto& lane : mail_->seen) {
    // At most one ring's worth per lane and drain: what arrives meanwhile gets the next turn, so a busy sender cannot
    // starve sockets and timers.
    std::size_t budget = kRingTasks;
    while (budget-- > 0 && lane->ring.pop(task)) {
      task();
      task = Task();
    }
    if (lane->ring.size() > 0) {
      mail_->signal();
      continue;
    }
    if (lane->overflowing.load(std::memory_order_acquire) > 0) {
      // The ring is empty and the producer keeps appending behind the overflow until that is empty too, so this order
      // is the order of posting.
      std::deque<Task> batch;
      {
        std::lock_guard lock(lane->mutex);
        // A push may have slipped into the ring before the overflow began; it comes first.
        if (lane->ring.size() > 0) {
          mail_->signal();
          continue;
        }
        batch.swap(lane->overflow);
      }
      for (Task& late : batch) late();
      std::lock_guard lock(lane->mutex);
      lane->overflowing.store(lane->overflow.size(), std::memory_order_release);
      if (!lane->overflow.empty()) mail_->signal();
    }
  }
}

void Reactor::arm_mailbox_wake() {
  mail_->wake.async_wait(asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& ec) {
    if (ec) return;
    begin_turn();
    std::uint64_t count;
    [[maybe_unused]] const ssize_t n = ::read(mail_->wake.native_handle(), &count, sizeof count);
    drain_mailboxes();
    arm_mailbox_wake();
  });
}

void Reactor::run_turn_end() {
  for (std::size_t i = 0; i < turn_end_.size(); ++i) {
    Task hook = std::move(turn_end_[i]);
    hook();
  }
  turn_end_.clear();
}

void Reactor::run() {
  thread_id_.store(std::this_thread::get_id());
  current_reactor = this;
  loop();
  current_reactor = nullptr;
}

void Reactor::loop() {
  using Clock = std::chrono::steady_clock;
  arm_mailbox_wake();
  asio::steady_timer ticker(context_);
  std::function<void()> tick = [&] {
    ticker.expires_after(TimerWheel::kTick);
    ticker.async_wait([&](const boost::system::error_code& ec) {
      if (ec) return;
      begin_turn();
      timers_.advance(Clock::now());
      tick();
    });
  };
  timers_.advance(Clock::now());
  tick();
  drain_mailboxes();
  run_turn_end();
  while (!stopping_.load(std::memory_order_acquire)) {
    turn_begun_ = false;
    if (context_.run_one() == 0) break;  // sleeps until something is ready, then runs one handler
    begin_turn();                        // for handlers that did not say so themselves
    for (unsigned i = 1; i < kHandlersPerTurn && context_.poll_one() > 0; ++i) {
    }
    run_turn_end();
    const auto spent = static_cast<std::uint64_t>((Clock::now() - now_).count());
    turns_.fetch_add(1, std::memory_order_relaxed);
    busy_ns_.fetch_add(spent, std::memory_order_relaxed);
    if (spent > longest_ns_.load(std::memory_order_relaxed)) longest_ns_.store(spent, std::memory_order_relaxed);
  }
  run_turn_end();
}

void Reactor::spawn(const char* what, asio::awaitable<void> work) {
  asio::co_spawn(context_, std::move(work), [this, what](std::exception_ptr error) {
    if (error && escape_) escape_(what, error);
  });
}

Reactor::Load Reactor::take_load() noexcept {
  Load load;
  load.turns = turns_.load(std::memory_order_relaxed);
  load.busy_ns = busy_ns_.load(std::memory_order_relaxed);
  load.longest_turn_ns = longest_ns_.exchange(0, std::memory_order_relaxed);
  load.refused_posts = refused_.load(std::memory_order_relaxed);
  std::lock_guard lock(mail_->mutex);
  for (const auto& lane : mail_->lanes)
    load.mailbox_depth += lane->ring.size() + lane->overflowing.load(std::memory_order_relaxed);
  return load;
}

}  // namespace parley
