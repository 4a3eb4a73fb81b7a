#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace parley {

/// A move-only `void()` with room for 48 bytes of captures in place, so that a hop between reactors allocates nothing.
class Task {
 public:
  Task() = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Task> && std::is_invocable_v<std::decay_t<F>&>)
      Task(F&& f) {  // NOLINT: implicit on purpose
    using Fn = std::decay_t<F>;
    if constexpr (sizeof(Fn) <= kRoom && alignof(Fn) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Fn>) {
      new (room_) Fn(std::forward<F>(f));
      ops_ = &kInPlace<Fn>;
    } else {
      auto* boxed = new Fn(std::forward<F>(f));
      new (room_) Fn*(boxed);
      ops_ = &kBoxed<Fn>;
    }
  }
  Task(Task&& other) noexcept { take(other); }
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { reset(); }

  void operator()() { ops_->call(room_); }
  explicit operator bool() const noexcept { return ops_ != nullptr; }

 private:
  static constexpr std::size_t kRoom = 48;
  struct Ops {
    void (*call)(void*);
    void (*move)(void* from, void* to) noexcept;  // also destroys `from`
    void (*destroy)(void*) noexcept;
  };
  template <class Fn>
  static constexpr Ops kInPlace{[](void* p) { (*static_cast<Fn*>(p))(); },
                                [](void* from, void* to) noexcept {
                                  new (to) Fn(std::move(*static_cast<Fn*>(from)));
                                  static_cast<Fn*>(from)->~Fn();
                                },
                                [](void* p) noexcept { static_cast<Fn*>(p)->~Fn(); }};
  template <class Fn>
  static constexpr Ops kBoxed{[](void* p) { (**static_cast<Fn**>(p))(); },
                              [](void* from, void* to) noexcept { new (to) Fn*(*static_cast<Fn**>(from)); },
                              [](void* p) noexcept { delete *static_cast<Fn**>(p); }};

  void take(Task& other) noexcept {
    ops_ = std::exchange(other.ops_, nullptr);
    if (ops_) ops_->move(other.room_, room_);
  }
  void reset() noexcept {
    if (ops_) std::exchange(ops_, nullptr)->destroy(room_);
  }
  alignas(std::max_align_t) std::byte room_[kRoom];
  const Ops* ops_ = nullptr;
};

}  // namespace parley
