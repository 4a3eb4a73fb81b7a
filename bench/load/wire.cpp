#include "wire.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "frames.hpp"

namespace load {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Edge-triggered: level-triggered, epoll looks at each socket once more to find that it has nothing left.
constexpr std::uint32_t kAlways = EPOLLIN | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET);

/// 127.0.0.2 and up, a thousand connections from each: the more ports of an address are taken, or were until just now,
/// the longer the kernel looks for a free one, and that would be most of what a handshake costs here.
std::uint32_t source_address(unsigned number) { return 0x7f000002u + number / 1000; }

}  // namespace

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

Wire::Wire(const Options& options, Protocol& protocol, Sink& sink)
    : options_(options), protocol_(protocol), sink_(sink), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Wire::~Wire() { ::close(epoll_); }

void Wire::connect(Connection& c) {
  c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c.fd < 0) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
  c.phase = Phase::kConnecting;
  c.step = 0;
  const int one = 1;
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(source_address(connects_++));
  bind(c.fd, reinterpret_cast<sockaddr*>(&at), sizeof at);
  // On a schedule nobody waits in epoll: what came, came when the kernel had it, not when it was read.
  if (options_.rate > 0) setsockopt(c.fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  at.sin_port = htons(options_.port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(c.fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 && errno != EINPROGRESS)
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  const std::string host = "127.0.0.1:" + std::to_string(options_.port);
  c.out = "GET " + protocol_.target(c) + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host +
          "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Sec-WebSocket-Version: 13\r\n";
  if (const auto name = protocol_.subprotocol(); !name.empty())
    c.out.append("Sec-WebSocket-Protocol: ").append(name).append("\r\n");
  c.out += "\r\n";
  c.waits_for_room = true;
  epoll_event event{};
  event.events = kAlways | EPOLLOUT;
  event.data.ptr = &c;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
}

void Wire::queue(Connection& c) {
  if (c.queued || c.phase == Phase::kLost) return;
  c.queued = true;
  dirty_.push_back(&c);
}

int Wire::turn(std::int64_t patience_ns, int most) {
  flush();
  epoll_event events[kEvents];
  const timespec patience{static_cast<time_t>(patience_ns / kSecond), patience_ns % kSecond};
  const int n = epoll_pwait2(epoll_, events, std::min(most, kEvents), &patience, nullptr);
  if (options_.rate > 0)
    kernel_clock_ahead_ns_ = std::chrono::system_clock::now().time_since_epoch().count() - now_ns();
  for (int i = 0; i < n; ++i) {
    auto& c = *static_cast<Connection*>(events[i].data.ptr);
    const std::uint32_t what = events[i].events;
    if (what & ~static_cast<std::uint32_t>(EPOLLOUT)) read_in(c, (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    if (what & EPOLLOUT) write_out(c);
  }
  flush();
  return std::max(n, 0);
}

void Wire::close(Connection& c) {
  if (c.fd >= 0) ::close(c.fd);
  c.fd = -1;
  c.phase = Phase::kLost;
}

void Wire::stall(Connection& c) {
  c.stalled = true;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fd, nullptr);
}

void Wire::open(const std::vector<Connection*>& connections, unsigned concurrency) {
  std::size_t begun = 0, done = 0;
  std::int64_t last = now_ns();
  signed_in_.clear();
  while (done < connections.size()) {
    while (begun < connections.size() && begun - done < concurrency) connect(*connections[begun++]);
    turn(10'000'000);
    if (!signed_in_.empty()) last = now_ns();
    done += signed_in_.size();
    signed_in_.clear();
    if (now_ns() - last > 30 * kSecond)
      throw std::runtime_error("signed in: " + std::to_string(done) + " of " + std::to_string(connections.size()) +
                               ", and nothing more for 30 s");
  }
}

std::string Wire::exchange(Connection& c, std::string_view until) {
  queue(c);
  const std::int64_t deadline = now_ns() + 20 * kSecond;
  c.heard.clear();
  while (c.heard.find(until) == std::string::npos) {
    if (c.phase == Phase::kLost) throw std::runtime_error("lost while setting up");
    if (now_ns() > deadline)
      throw std::runtime_error("no \"" + std::string(until) + "\" in 20 s: " + c.heard.substr(0, 400));
    turn(10'000'000);
  }
  return std::exchange(c.heard, {});
}

void Wire::write_out(Connection& c) {
  if (c.phase == Phase::kLost) return;
  if (!c.out.empty()) {
    const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return lost(c, std::string("send: ") + std::strerror(errno));
    if (n == static_cast<ssize_t>(c.out.size())) {
      c.out.clear();
    } else if (n > 0) {
      c.out.erase(0, static_cast<std::size_t>(n));
    }
  }
  const bool waits = !c.out.empty();
  if (waits == c.waits_for_room) return;
  c.waits_for_room = waits;
  epoll_event event{};
  event.events = kAlways | (waits ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
  event.data.ptr = &c;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
}

void Wire::flush() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    dirty_[i]->queued = false;
    write_out(*dirty_[i]);
  }
  dirty_.clear();
}

void Wire::lost(Connection& c, const std::string& why) {
  const bool in_use = c.phase == Phase::kReady;
  close(c);
  if (!in_use) throw std::runtime_error(why);
  sink_.failed(why);
}

void Wire::read_in(Connection& c, bool ended) {
  for (bool more = true; more && c.phase != Phase::kLost;) {
    std::int64_t at = 0;
    const ssize_t n = receive(c, at);
    if (n == 0) return lost(c, "closed by the server");
    if (n < 0) {
      if (errno != EAGAIN) lost(c, std::string("recv: ") + std::strerror(errno));
      return;
    }
    take(c, {buffer_.data(), static_cast<std::size_t>(n)}, at);
    // Less than there was room for: nothing is left, and what comes later is an event of its own.
    more = ended || static_cast<std::size_t>(n) == buffer_.size();
  }
}

ssize_t Wire::receive(const Connection& c, std::int64_t& at) {
  if (options_.rate == 0) {
    const ssize_t n = recv(c.fd, buffer_.data(), buffer_.size(), 0);
    at = now_ns();
    return n;
  }
  iovec room{buffer_.data(), buffer_.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(c.fd, &message, 0);
  const cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
    at = stamp.tv_sec * kSecond + stamp.tv_nsec - kernel_clock_ahead_ns_;
  } else {
    at = now_ns();
  }
  return n;
}

void Wire::take(Connection& c, std::string_view bytes, std::int64_t at) {
  std::string joined;
  if (!c.in.empty()) {
    joined = std::exchange(c.in, {});
    joined.append(bytes);
    bytes = joined;
  }
  if (c.phase == Phase::kConnecting) bytes.remove_prefix(take_upgrade_answer(c, bytes));
  while (c.phase != Phase::kConnecting && c.phase != Phase::kLost) {
    const auto frame = first_server_frame(bytes);
    if (!frame) break;
    bytes.remove_prefix(frame->size);
    if (frame->opcode <= 2) {
      if (frame->last && c.message.empty()) {
        handle(c, frame->payload, at);
      } else {
        c.message.append(frame->payload);
        if (frame->last) handle(c, std::exchange(c.message, {}), at);
      }
    } else if (frame->opcode == 9) {
      append_frame(c.out, frame->payload, 10);
      queue(c);
    } else if (frame->opcode == 8) {
      return lost(c, "closed by the server: " + std::string(frame->payload));
    }
  }
  if (!bytes.empty()) c.in.assign(bytes);
}

std::size_t Wire::take_upgrade_answer(Connection& c, std::string_view bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  if (!bytes.starts_with("HTTP/1.1 101"))
    throw std::runtime_error("handshake refused: " + std::string(bytes.substr(0, 300)));
  c.phase = Phase::kSigningIn;
  protocol_.upgraded(c);
  if (c.phase != Phase::kSigningIn) signed_in_.push_back(&c);
  if (!c.out.empty()) queue(c);
  return end + 4;
}

void Wire::handle(Connection& c, std::string_view message, std::int64_t at) {
  if (c.phase == Phase::kReady) {
    protocol_.message(c, message, at, sink_);
  } else if (c.phase == Phase::kSettingUp) {
    c.heard.append(message).push_back('\n');
  } else {
    protocol_.signing_in(c, message);
    if (c.phase != Phase::kSigningIn) signed_in_.push_back(&c);
    if (!c.out.empty()) queue(c);
  }
}

}  // namespace load
