#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace parley::session {

class FramePtr;

/// Bytes on their way to sockets: encoded once, shared by all receivers, never changed after that. Count, length and
/// bytes are one allocation, so that a receiver touches nothing else. Any thread may hold and drop one.
class Frame {
 public:
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  const char* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::string_view bytes() const noexcept { return {data_, size_}; }

  /// `fill(char*)` writes exactly `size` bytes.
  template <class Fill>
  static FramePtr make(std::size_t size, Fill&& fill);
  static FramePtr copy(std::string_view bytes);
  /// Large bytes that somebody else keeps, too (a file): not copied.
  static FramePtr share(std::shared_ptr<const std::string> bytes);

 private:
  friend class FramePtr;
  struct Borrowing;
  Frame(const char* data, std::size_t size) : data_(data), size_(size) {}
  ~Frame() = default;
  char* own_bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  void hold() const noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  void drop() const noexcept {
    // The last one needs no locked instruction: nobody else can add a holder.
    if (holders_.load(std::memory_order_acquire) == 1 || holders_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      destroy();
  }
  void destroy() const noexcept;

  const char* data_;
  std::size_t size_;
  mutable std::atomic<std::uint32_t> holders_{1};
  bool borrows_ = false;
};

/// A holder of a frame, or of none.
class FramePtr {
 public:
  FramePtr() = default;
  FramePtr(std::nullptr_t) noexcept {}
  FramePtr(const FramePtr& other) noexcept : frame_(other.frame_) {
    if (frame_) frame_->hold();
  }
  FramePtr(FramePtr&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  FramePtr& operator=(FramePtr other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~FramePtr() {
    if (frame_) frame_->drop();
  }
  const Frame* get() const noexcept { return frame_; }
  const Frame* operator->() const noexcept { return frame_; }
  const Frame& operator*() const noexcept { return *frame_; }
  explicit operator bool() const noexcept { return frame_ != nullptr; }
  bool operator==(const FramePtr&) const = default;
  void reset() noexcept {
    if (const Frame* frame = std::exchange(frame_, nullptr)) frame->drop();
  }

 private:
  friend class Frame;
  explicit FramePtr(const Frame* frame) noexcept : frame_(frame) {}
  const Frame* frame_ = nullptr;
};

struct Frame::Borrowing : Frame {
  explicit Borrowing(std::shared_ptr<const std::string> bytes)
      : Frame(bytes->data(), bytes->size()), owner(std::move(bytes)) {
    borrows_ = true;
  }
  std::shared_ptr<const std::string> owner;
};

inline void Frame::destroy() const noexcept {
  if (borrows_) {
    delete static_cast<const Borrowing*>(this);
  } else {
    this->~Frame();
    ::operator delete(const_cast<Frame*>(this));
  }
}

template <class Fill>
FramePtr Frame::make(std::size_t size, Fill&& fill) {
  auto* frame = ::new (::operator new(sizeof(Frame) + size)) Frame(nullptr, size);
  frame->data_ = frame->own_bytes();
  fill(frame->own_bytes());
  return FramePtr(frame);
}

inline FramePtr Frame::copy(std::string_view bytes) {
  return make(bytes.size(), [&](char* to) {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  });
}

inline FramePtr Frame::share(std::shared_ptr<const std::string> bytes) {
  return FramePtr(new Borrowing(std::move(bytes)));
}

/// A complete, unmasked WebSocket frame of text.
FramePtr make_text_frame(std::string_view json);

}  // namespace parley::session
