#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace parley::session {

/// Objects of one reactor by a key that is given once: the number of a slot, and above it how often the slot was taken.
/// So a look-up is one access to an array, and the key of somebody who is gone finds nobody. Keys fit in 56 bits and
/// are never 0. Not thread-safe.
template <class T>
class SlotTable {
 public:
  /// Takes a slot; put() follows at once.
  std::uint64_t claim() {
    if (free_.empty()) {
      assert(slots_.size() < kSlotsMax);
      slots_.emplace_back();
      free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
    }
    const std::uint32_t place = free_.back();
    free_.pop_back();
    std::uint32_t& taken = slots_[place].taken;
    if (++taken == 0) ++taken;  // or slot 0 would give the key 0
    return static_cast<std::uint64_t>(taken) << kPlaceBits | place;
  }
  T& put(std::uint64_t key, std::unique_ptr<T> object) {
    Slot& slot = slots_[place_of(key)];
    assert(!slot.object && slot.taken == key >> kPlaceBits);
    slot.object = std::move(object);
    ++size_;
    return *slot.object;
  }
  T* find(std::uint64_t key) const noexcept {
    const std::size_t place = place_of(key);
    if (place >= slots_.size() || slots_[place].taken != key >> kPlaceBits) return nullptr;
    return slots_[place].object.get();
  }
  /// Null if there is none.
  std::unique_ptr<T> take(std::uint64_t key) {
    if (find(key) == nullptr) return nullptr;
    const std::size_t place = place_of(key);
    free_.push_back(static_cast<std::uint32_t>(place));
    --size_;
    return std::move(slots_[place].object);
  }
  std::size_t size() const noexcept { return size_; }
  /// `visit(T&)` for each; it may not claim, put or take.
  template <class Visit>
  void each(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.object) visit(*slot.object);
    }
  }

 private:
  static constexpr unsigned kPlaceBits = 24;
  static constexpr std::size_t kSlotsMax = std::size_t{1} << kPlaceBits;
  struct Slot {
    std::unique_ptr<T> object;
    std::uint32_t taken = 0;
  };
  static std::size_t place_of(std::uint64_t key) noexcept { return key & (kSlotsMax - 1); }

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace parley::session
