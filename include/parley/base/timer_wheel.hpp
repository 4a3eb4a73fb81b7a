#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace parley {

/// A timer that lives inside the object it belongs to: 40 bytes, no allocation. Derive from it, or hold it beside an
/// owner pointer. Destroying it disarms it.
class WheelTimer {
 public:
  WheelTimer() = default;
  virtual ~WheelTimer() { unlink(); }
  WheelTimer(const WheelTimer&) = delete;
  WheelTimer& operator=(const WheelTimer&) = delete;
  bool armed() const noexcept { return next_ != nullptr; }
  void cancel() noexcept { unlink(); }

 protected:
  virtual void on_timer() = 0;

 private:
  friend class TimerWheel;
  void unlink() noexcept {
    if (!next_) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }
  WheelTimer* next_ = nullptr;
  WheelTimer* prev_ = nullptr;
  std::uint64_t due_tick_ = 0;
};

/// Hashed timing wheel: arming and cancelling are O(1), a tick costs its own slot. Precision is one tick (50 ms); a
/// timer never fires early. Threads: home reactor only. Source: Varghese and Lauck, "Hashed and Hierarchical Timing
/// Wheels", scheme 6.
class TimerWheel {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{50};

  explicit TimerWheel(Clock::time_point now = Clock::now(), std::size_t slots = 1024);
  ~TimerWheel();
  /// Arms, or arms anew, `timer` to fire once after `delay`.
  void arm(WheelTimer& timer, std::chrono::milliseconds delay);
  /// Fires everything due at `now`. Called by the reactor once per tick; by tests with a time of their own.
  void advance(Clock::time_point now);

 private:
  struct Slot : WheelTimer {
    void on_timer() override {}
  };
  std::uint64_t tick_of(Clock::time_point t) const;
  Clock::time_point start_;
  std::uint64_t now_tick_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace parley
