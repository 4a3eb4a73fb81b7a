#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "parley/base/ids.hpp"

namespace parley {

/// Objects by id, for look-ups on the message path: open addressing with linear probing, so that one in a cold table
/// costs a cache line and the object's own, where std::unordered_map takes three. Objects stay where they are; the
/// table never shrinks. The id 0 is nobody's. Removal moves what follows back (Knuth, The Art of Computer Programming,
/// volume 3, 6.4, algorithm R). Not thread-safe.
template <class Key, class T>
class IdTable {
 public:
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  T* find(Key key) const noexcept {
    if (slots_.empty() || !key) return nullptr;
    for (std::size_t at = home_of(key.value);; at = next(at)) {
      if (slots_[at].key == key.value) return slots_[at].object.get();
      if (slots_[at].key == 0) return nullptr;
    }
  }
  bool contains(Key key) const noexcept { return find(key) != nullptr; }

  /// Precondition: there is none with this key.
  T& add(Key key, std::unique_ptr<T> object) {
    assert(key && object && !contains(key));
    if ((size_ + 1) * 8 > slots_.size() * 5) grow();
    ++size_;
    return *place({key.value, std::move(object)});
  }
  /// The object of this key, default-constructed if there was none.
  std::pair<T&, bool> obtain(Key key) {
    if (T* known = find(key)) return {*known, false};
    return {add(key, std::make_unique<T>()), true};
  }
  /// Null if there is none.
  std::unique_ptr<T> take(Key key) {
    if (slots_.empty() || !key) return nullptr;
    std::size_t hole = home_of(key.value);
    while (slots_[hole].key != key.value) {
      if (slots_[hole].key == 0) return nullptr;
      hole = next(hole);
    }
    std::unique_ptr<T> taken = std::move(slots_[hole].object);
    for (std::size_t at = next(hole); slots_[at].key != 0; at = next(at)) {
      // What stands between its home and the hole may not be found behind it any more.
      const std::size_t from_home = (at - home_of(slots_[at].key)) & mask(), from_hole = (at - hole) & mask();
      if (from_home < from_hole) continue;
      slots_[hole] = std::move(slots_[at]);
      hole = at;
    }
    slots_[hole] = Slot();
    --size_;
    return taken;
  }
  void erase(Key key) { take(key); }

  /// `visit(Key, T&)` for each, in no order; it may not add or remove.
  template <class Visit>
  void each(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.key != 0) visit(Key{slot.key}, *slot.object);
    }
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::unique_ptr<T> object;
  };
  static constexpr std::size_t kSlotsMin = 16;

  std::size_t mask() const noexcept { return slots_.size() - 1; }
  std::size_t next(std::size_t at) const noexcept { return (at + 1) & mask(); }
  std::size_t home_of(std::uint64_t key) const noexcept { return mix64(key) & mask(); }
  T* place(Slot slot) {
    std::size_t at = home_of(slot.key);
    while (slots_[at].key != 0) at = next(at);
    slots_[at] = std::move(slot);
    return slots_[at].object.get();
  }
  void grow() {
    std::vector<Slot> before = std::exchange(slots_, {});
    slots_.resize(before.empty() ? kSlotsMin : before.size() * 2);
    for (Slot& slot : before) {
      if (slot.key != 0) place(std::move(slot));
    }
  }

  std::vector<Slot> slots_;  // a power of two of them
  std::size_t size_ = 0;
};

}  // namespace parley
