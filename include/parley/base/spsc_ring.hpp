#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace parley {

/// Bounded queue between exactly one producing and one consuming thread; wait-free, no allocation after construction.
/// Source: Lamport's ring with cached indices, as in Rigtorp's SPSCQueue.
template <class T>
class SpscRing {
 public:
  explicit SpscRing(std::size_t capacity_power_of_two)
      : mask_(capacity_power_of_two - 1), slots_(std::make_unique<T[]>(capacity_power_of_two)) {}

  /// Producer. False, and `item` untouched, if full.
  bool push(T&& item) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    slots_[tail & mask_] = std::move(item);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  /// Consumer.
  bool pop(T& item) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return false;
    }
    item = std::move(slots_[head & mask_]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }
  /// Any thread, approximate.
  std::size_t size() const noexcept {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed);
  }

 private:
  const std::size_t mask_;
  std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t tail_seen_ = 0;  // consumer's copy
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t head_seen_ = 0;  // producer's copy
};

}  // namespace parley
