#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net_metrics.hpp"
#include "parley/session/peer.hpp"

namespace parley::net {

/// Frames on their way to one socket, in order. An empty queue is 16 bytes: the list behind it is borrowed from a pool
/// of the thread.
class OutQueue {
 public:
  enum class Flush { kEmpty, kBlocked, kMore, kDead };

  OutQueue() = default;
  ~OutQueue();
  OutQueue(const OutQueue&) = delete;
  OutQueue& operator=(const OutQueue&) = delete;

  void push(session::FramePtr frame);
  bool empty() const noexcept { return list_ == nullptr; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// Writes as much as the kernel takes, 64 frames per system call, at most `kRounds` calls (then kMore). kDead: errno
  /// says why.
  Flush flush(int fd, const NetMetrics& metrics);

 private:
  struct List {
    std::vector<session::FramePtr> frames;
    std::size_t head = 0;    // frames before it are out
    std::size_t offset = 0;  // bytes of frames[head] that are out
  };
  static constexpr unsigned kRounds = 4;
  static std::vector<std::unique_ptr<List>>& pool();
  void give_back() noexcept;
  void taken(std::size_t bytes);

  std::unique_ptr<List> list_;
  std::size_t bytes_ = 0;
};

}  // namespace parley::net
