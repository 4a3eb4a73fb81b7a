#include "out_queue.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace parley::net {
namespace {

constexpr std::size_t kFramesPerCall = 64;
constexpr std::size_t kPooled = 1024;       // lists kept for the next connection that has something to say
constexpr std::size_t kPooledFrames = 256;  // a list that grew beyond is not worth keeping

}  // namespace

std::vector<std::unique_ptr<OutQueue::List>>& OutQueue::pool() {
  thread_local std::vector<std::unique_ptr<List>> lists;
  return lists;
}

OutQueue::~OutQueue() = default;

void OutQueue::push(session::FramePtr frame) {
  if (frame->empty()) return;
  if (!list_) {
    auto& lists = pool();
    if (lists.empty()) {
      list_ = std::make_unique<List>();
    } else {
      list_ = std::move(lists.back());
      lists.pop_back();
    }
  }
  bytes_ += frame->size();
  list_->frames.push_back(std::move(frame));
}

void OutQueue::give_back() noexcept {
  list_->frames.clear();
  list_->head = list_->offset = 0;
  if (pool().size() < kPooled && list_->frames.capacity() <= kPooledFrames) {
    pool().push_back(std::move(list_));
  }
  list_.reset();
  bytes_ = 0;
}

void OutQueue::taken(std::size_t bytes) {
  bytes_ -= bytes;
  while (bytes > 0) {
    session::FramePtr& first = list_->frames[list_->head];
    const std::size_t left = first->size() - list_->offset;
    if (bytes < left) {
      list_->offset += bytes;
      break;
    }
    bytes -= left;
    first.reset();
    list_->offset = 0;
    ++list_->head;
  }
  if (list_->head == list_->frames.size()) {
    give_back();
  } else if (list_->head >= 1024 && list_->head * 2 >= list_->frames.size()) {
    // A slow reader with a long queue: the slots of what is out must not pile up.
    list_->frames.erase(list_->frames.begin(), list_->frames.begin() + static_cast<std::ptrdiff_t>(list_->head));
    list_->head = 0;
  }
}

OutQueue::Flush OutQueue::flush(int fd, const NetMetrics& metrics) {
  for (unsigned round = 0; round < kRounds; ++round) {
    if (!list_) return Flush::kEmpty;
    std::array<iovec, kFramesPerCall> parts;
    std::size_t count = 0;
    std::size_t total = 0;
    for (std::size_t i = list_->head; i < list_->frames.size() && count < kFramesPerCall; ++i, ++count) {
      const session::Frame& frame = *list_->frames[i];
      const std::size_t skip = count == 0 ? list_->offset : 0;
      parts[count].iov_base = const_cast<char*>(frame.data() + skip);  // the kernel only reads it
      parts[count].iov_len = frame.size() - skip;
      total += frame.size() - skip;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    metrics.writev.add();
    const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);  // writev() would raise SIGPIPE
    if (sent < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Flush::kBlocked;
      return Flush::kDead;
    }
    metrics.bytes_out.add(static_cast<std::uint64_t>(sent));
    taken(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < total) return Flush::kBlocked;
  }
  return list_ ? Flush::kMore : Flush::kEmpty;
}

}  // namespace parley::net
