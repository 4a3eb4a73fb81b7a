// The floor: the least that a WebSocket relay on this machine can cost. One thread, raw epoll, one shared read buffer,
// one send per connection and turn of the loop. It knows no users, stores nothing and checks nothing.
//
//   parley_floor PORT      listens on 127.0.0.1
//
// A client connects to /ID, its address; several may have the same. {"to":ID,"n":N,…} is given unchanged to everybody
// at that address, and the sender gets 32 bytes that name N.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "websocket.hpp"

namespace {

constexpr std::size_t kAddressMax = 1'000'000;

struct Connection {
  explicit Connection(int descriptor) : fd(descriptor) {}
  const int fd;
  bool upgraded = false, dead = false, waits_for_room = false;
  std::size_t address = 0;
  std::string rest;                  // what of the input is not a whole frame yet
  std::unique_ptr<std::string> out;  // from the pool, and only while something waits
};

/// The number that follows `label` at the start of `text`, which is cut behind it. False if the text is otherwise.
bool take_number(std::string_view& text, std::string_view label, std::size_t& value) {
  if (!text.starts_with(label)) return false;
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data() + label.size(), end, value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(next - text.data()));
  return true;
}

class Relay {
 public:
  explicit Relay(std::uint16_t port)
      : epoll_(epoll_create1(EPOLL_CLOEXEC)),
        listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || listen(listener_, 4096) != 0) {
      std::perror("floor");
      std::exit(1);
    }
    watch(listener_, nullptr, EPOLLIN, EPOLL_CTL_ADD);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events{};
    for (;;) {
      const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < n; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        auto* c = static_cast<Connection*>(event.data.ptr);
        if (c == nullptr) {
          accept_all();
        } else {
          if (event.events & EPOLLOUT) flush(*c);
          if (event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) read_in(*c);
        }
      }
      for (Connection* c : dirty_) flush(*c);
      dirty_.clear();
      for (Connection* c : dead_) bury(c);
      dead_.clear();
    }
  }

 private:
  void watch(int fd, Connection* c, std::uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = c;
    epoll_ctl(epoll_, operation, fd, &event);
  }

  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      watch(fd, new Connection(fd), EPOLLIN, EPOLL_CTL_ADD);  // bury() deletes it
    }
  }

  void read_in(Connection& c) {
    if (c.dead) return;
    const std::size_t kept = c.rest.size();
    if (kept > buffer_.size() / 2) return end(c);
    std::memcpy(buffer_.data(), c.rest.data(), kept);
    const ssize_t n = recv(c.fd, buffer_.data() + kept, buffer_.size() - kept, 0);
    if (n <= 0) {
      if (n == 0 || errno != EAGAIN) end(c);
      return;
    }
    char* bytes = buffer_.data();
    std::size_t size = kept + static_cast<std::size_t>(n);
    if (!c.upgraded) {
      const std::size_t used = upgrade(c, {bytes, size});
      bytes += used;
      size -= used;
    }
    while (c.upgraded && !c.dead) {
      const auto frame = relay::first_frame(bytes, size);
      if (!frame) break;
      if (frame->opcode == 8) return end(c);
      if (frame->opcode == 1) message(c, frame->payload);
      bytes += frame->size;
      size -= frame->size;
    }
    if (size == 0 && c.rest.empty()) return;
    c.rest.assign(bytes, size);
    if (size == 0) c.rest.shrink_to_fit();
  }

  /// How much of the input it was; the connection has its address then.
  std::size_t upgrade(Connection& c, std::string_view input) {
    const auto end_of_head = input.find("\r\n\r\n");
    if (end_of_head == std::string_view::npos) return 0;
    const std::string_view head = input.substr(0, end_of_head + 4);
    std::string_view target = relay::target_of(head);
    const std::string answer = relay::upgrade_answer(head);
    if (answer.empty() || !take_number(target, "/", c.address) || c.address >= kAddressMax) {
      end(c);
      return head.size();
    }
    c.upgraded = true;
    if (at_.size() <= c.address) at_.resize(c.address + 1);
    at_[c.address].push_back(&c);
    output(c) += answer;
    return head.size();
  }

  void message(Connection& from, std::string_view text) {
    std::string_view rest = text;
    std::size_t to = 0, number = 0;
    if (!take_number(rest, R"({"to":)", to) || !take_number(rest, R"(,"n":)", number) || to >= at_.size())
      return end(from);
    for (Connection* c : at_[to]) relay::append_text(output(*c), text);
    std::array<char, 32> ack{};
    ack.fill(' ');
    std::memcpy(ack.data(), R"({"ack":)", 7);
    std::to_chars(ack.data() + 7, ack.data() + 31, number);
    ack.back() = '}';
    relay::append_text(output(from), {ack.data(), ack.size()});
  }

  std::string& output(Connection& c) {
    if (!c.out) {
      if (pool_.empty()) pool_.push_back(std::make_unique<std::string>());
      c.out = std::move(pool_.back());
      pool_.pop_back();
      dirty_.push_back(&c);
    }
    return *c.out;
  }

  void flush(Connection& c) {
    if (!c.out || c.dead) return;
    const ssize_t n = send(c.fd, c.out->data(), c.out->size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return end(c);
    if (n > 0) c.out->erase(0, static_cast<std::size_t>(n));
    const bool waits = !c.out->empty();
    if (waits != c.waits_for_room)
      watch(c.fd, &c, EPOLLIN | (waits ? static_cast<std::uint32_t>(EPOLLOUT) : 0u), EPOLL_CTL_MOD);
    c.waits_for_room = waits;
    if (!waits) pool_.push_back(std::move(c.out));
  }

  void end(Connection& c) {
    if (c.dead) return;
    c.dead = true;
    dead_.push_back(&c);
  }

  void bury(Connection* c) {
    close(c->fd);
    if (c->upgraded) std::erase(at_[c->address], c);
    delete c;
  }

  const int epoll_, listener_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  std::vector<std::vector<Connection*>> at_;  // by address
  std::vector<Connection*> dirty_, dead_;
  std::vector<std::unique_ptr<std::string>> pool_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: parley_floor PORT\n");
    return 2;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  Relay(static_cast<std::uint16_t>(std::atoi(argv[1]))).run();
}
