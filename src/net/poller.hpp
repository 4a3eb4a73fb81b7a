#pragma once
#include <sys/epoll.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>

#include "parley/base/reactor.hpp"

namespace parley::net {

/// The epoll set of one reactor for many plain sockets, itself one descriptor in the reactor's io_context: at most 512
/// events a turn, no allocation and no queue per event. Level-triggered. A handler may remove or destroy any handler,
/// also itself, while a batch is being handled: removed ones get no further event of it. Threads: home reactor only
/// (before the reactor runs, also the constructing thread).
class Poller : private ReactorBound {
 public:
  class Handler {
   public:
    virtual void on_events(std::uint32_t events) = 0;  ///< EPOLLIN, EPOLLOUT, EPOLLHUP …
    /// Shortly before on_events(): what it will look at beyond the handler itself may be prefetched.
    virtual void expect_events() const noexcept {}

   protected:
    ~Handler() = default;
  };

  explicit Poller(Reactor& home);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Begins to wait; once, on the home reactor or before it runs.
  void start();
  /// False with errno if the kernel cannot watch more.
  [[nodiscard]] bool add(int fd, std::uint32_t events, Handler& handler) noexcept;
  void change(int fd, std::uint32_t events, Handler& handler) noexcept;
  /// Hands a watched descriptor over to another handler.
  void replace(int fd, std::uint32_t events, Handler& before, Handler& after) noexcept;
  void remove(int fd, Handler& handler) noexcept;

 private:
  void wait();
  void dispatch();
  void prefetch_ahead() const noexcept;
  void forget(const Handler& handler) noexcept;

  static constexpr int kBatch = 512;
  int epoll_ = -1;
  boost::asio::posix::stream_descriptor descriptor_;
  std::array<epoll_event, kBatch> batch_;
  int batch_size_ = 0;  // events of the batch being handled
  int batch_next_ = 0;  // the first one not yet handled
};

}  // namespace parley::net
