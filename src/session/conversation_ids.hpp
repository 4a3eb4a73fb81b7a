#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "parley/base/ids.hpp"

namespace parley::session {

/// A few conversations in the order they came, each once; 16 bytes while there is at most one, as nearly always.
class ConversationIds {
 public:
  ConversationIds() = default;
  ~ConversationIds() { release(); }
  ConversationIds(const ConversationIds&) = delete;
  ConversationIds& operator=(const ConversationIds&) = delete;

  const ConversationId* begin() const noexcept { return capacity_ > 1 ? many_ : &one_; }
  const ConversationId* end() const noexcept { return begin() + size_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const ConversationId& back() const noexcept { return *(end() - 1); }
  bool contains(ConversationId conv) const noexcept {
    for (ConversationId known : *this) {
      if (known == conv) return true;
    }
    return false;
  }
  /// `conv` is not among them yet.
  void push_back(ConversationId conv) {
    if (size_ == capacity_) grow();
    items()[size_++] = conv;
  }
  void pop_front() noexcept {
    --size_;
    std::memmove(items(), items() + 1, size_ * sizeof(ConversationId));
  }

 private:
  ConversationId* items() noexcept { return capacity_ > 1 ? many_ : &one_; }
  void grow() {
    auto* more = new ConversationId[capacity_ * 2];
    std::memcpy(more, items(), size_ * sizeof(ConversationId));
    release();
    many_ = more;
    capacity_ *= 2;
  }
  void release() noexcept {
    if (capacity_ > 1) delete[] many_;
  }

  union {
    ConversationId one_{};
    ConversationId* many_;
  };
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 1;
};

}  // namespace parley::session
