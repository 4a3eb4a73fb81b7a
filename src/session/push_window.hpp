#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>

#include "parley/base/ids.hpp"

namespace parley::session {

/// Entries pushed to one client and not covered by its receipts yet, in the order they were pushed. It holds memory
/// only while there are some.
class PushWindow {
 public:
  struct Pushed {
    ConversationId conv;
    std::uint64_t seq;
    std::uint32_t bytes;
  };

  void push(ConversationId conv, std::uint64_t seq, std::uint32_t bytes) {
    if (size_ == capacity_) grow();
    items_[size_++] = {conv, seq, bytes};
    bytes_ += bytes;
  }
  /// The client has everything of the conversation up to `upto`.
  void cover(ConversationId conv, std::uint64_t upto) noexcept {
    Pushed* const last = std::remove_if(items_.get(), items_.get() + size_, [&](const Pushed& p) {
      const bool covered = p.conv == conv && p.seq <= upto;
      if (covered) bytes_ -= p.bytes;
      return covered;
    });
    size_ = static_cast<std::uint32_t>(last - items_.get());
    if (size_ == 0) clear();
  }
  void clear() noexcept {
    items_.reset();
    size_ = capacity_ = bytes_ = 0;
  }
  std::uint32_t bytes() const noexcept { return bytes_; }  ///< of all of them
  const Pushed* begin() const noexcept { return items_.get(); }
  const Pushed* end() const noexcept { return items_.get() + size_; }

 private:
  void grow() {
    const std::uint32_t more = std::max<std::uint32_t>(4, capacity_ * 2);
    std::unique_ptr<Pushed[]> items(new Pushed[more]);
    std::copy_n(items_.get(), size_, items.get());
    items_ = std::move(items);
    capacity_ = more;
  }

  std::unique_ptr<Pushed[]> items_;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  std::uint32_t bytes_ = 0;
};

}  // namespace parley::session
