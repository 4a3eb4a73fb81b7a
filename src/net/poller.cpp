#include "poller.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "prefetch.hpp"

namespace parley::net {
namespace {

constexpr int kHandlersAhead = 4;
constexpr int kExpectedAhead = 2;
constexpr std::size_t kHandlerBytes = 128;  // a WsPeer

}  // namespace

Poller::Poller(Reactor& home) : ReactorBound(home), descriptor_(home.context()) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  descriptor_.assign(epoll_);
}

Poller::~Poller() = default;  // descriptor_ closes the set

void Poller::start() { wait(); }

void Poller::wait() {
  descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& ec) {
    if (ec) return;
    // One batch, then the turn ends and its output goes out; only then the next one. Waiting again right here would let
    // a busy set fill the turn.
    home().at_turn_end([this] { wait(); });
    dispatch();
  });
}

void Poller::dispatch() {
  const int found = ::epoll_wait(epoll_, batch_.data(), kBatch, 0);
  if (found <= 0) return;  // EINTR: the next wait finds the same events again
  batch_size_ = found;
  for (batch_next_ = 0; batch_next_ < batch_size_;) {
    prefetch_ahead();
    const epoll_event& event = batch_[static_cast<std::size_t>(batch_next_++)];
    if (event.data.ptr != nullptr) static_cast<Handler*>(event.data.ptr)->on_events(event.events);
  }
  batch_size_ = batch_next_ = 0;
}

/// The handlers first, since what they name can be asked for only once they are here.
void Poller::prefetch_ahead() const noexcept {
  const auto coming = [this](int ahead) -> const Handler* {
    const int at = batch_next_ + ahead;
    return at < batch_size_ ? static_cast<const Handler*>(batch_[static_cast<std::size_t>(at)].data.ptr) : nullptr;
  };
  prefetch(coming(kHandlersAhead), kHandlerBytes);
  if (const Handler* next = coming(kExpectedAhead)) next->expect_events();
}

bool Poller::add(int fd, std::uint32_t events, Handler& handler) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Poller::change(int fd, std::uint32_t events, Handler& handler) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Poller::replace(int fd, std::uint32_t events, Handler& before, Handler& after) noexcept {
  forget(before);
  change(fd, events, after);
}

void Poller::remove(int fd, Handler& handler) noexcept {
  forget(handler);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::forget(const Handler& handler) noexcept {
  for (int i = batch_next_; i < batch_size_; ++i) {
    epoll_event& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &handler) event.data.ptr = nullptr;
  }
}

}  // namespace parley::net
