#include "parley/base/timer_wheel.hpp"

namespace parley {

TimerWheel::TimerWheel(Clock::time_point now, std::size_t slots) : start_(now), slots_(slots) {
  for (Slot& slot : slots_) slot.next_ = slot.prev_ = &slot;
}

TimerWheel::~TimerWheel() {
  for (Slot& slot : slots_) {
    while (slot.next_ != &slot) slot.next_->unlink();
    slot.next_ = slot.prev_ = nullptr;
  }
}

std::uint64_t TimerWheel::tick_of(Clock::time_point t) const {
  return t <= start_ ? 0 : static_cast<std::uint64_t>((t - start_) / kTick);
}

void TimerWheel::arm(WheelTimer& timer, std::chrono::milliseconds delay) {
  timer.unlink();
  // One tick more than asked: the present tick has partly gone by, and a timer never fires early.
  const auto ticks =
      static_cast<std::uint64_t>(
          (std::max(delay, std::chrono::milliseconds(0)) + kTick - std::chrono::milliseconds(1)) / kTick) +
      1;
  timer.due_tick_ = now_tick_ + ticks;
  Slot& slot = slots_[timer.due_tick_ % slots_.size()];
  timer.prev_ = slot.prev_;
  timer.next_ = &slot;
  slot.prev_->next_ = &timer;
  slot.prev_ = &timer;
}

void TimerWheel::advance(Clock::time_point now) {
  const std::uint64_t target = tick_of(now);
  while (now_tick_ < target) {
    ++now_tick_;
    Slot& slot = slots_[now_tick_ % slots_.size()];
    // Due timers are moved to a list of their own first: a callback may arm or cancel any timer, also in this slot.
    Slot due;
    due.next_ = due.prev_ = &due;
    for (WheelTimer* timer = slot.next_; timer != &slot;) {
      WheelTimer* next = timer->next_;
      if (timer->due_tick_ <= now_tick_) {
        timer->unlink();
        timer->prev_ = due.prev_;
        timer->next_ = &due;
        due.prev_->next_ = timer;
        due.prev_ = timer;
      }
      timer = next;
    }
    while (due.next_ != &due) {
      WheelTimer* timer = due.next_;
      timer->unlink();
      timer->on_timer();
    }
    due.next_ = due.prev_ = nullptr;
  }
}

}  // namespace parley
