#pragma once
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parley/base/reactor.hpp"
#include "redis/client.hpp"
#include "support/servers.hpp"

namespace parley::store::redis::test {

using namespace std::chrono_literals;
using parley::test::eventually;
using parley::test::RedisServer;

inline Endpoint tcp(const RedisServer& server) {
  Endpoint endpoint;
  endpoint.port = server.port();
  return endpoint;
}
inline Endpoint unix_socket(const RedisServer& server) {
  Endpoint endpoint;
  endpoint.unix_socket = server.unix_socket();
  return endpoint;
}

/// A reactor on a thread of its own with one client, and ways to use it from the test's thread.
class ClientOnReactor {
 public:
  explicit ClientOnReactor(Client::Options options) {
    client_ = std::make_unique<Client>(reactor_, std::move(options));
    client_->on_change([this](bool connected, const std::string& reason) {
      std::lock_guard lock(mutex_);
      changes_.push_back(connected ? "connected" : reason);
    });
    reactor_.start();
  }
  ~ClientOnReactor() {
    run([this] { client_.reset(); });
    reactor_.stop();
    reactor_.join();
  }

  /// Runs `f` at home and returns what it returned.
  template <class F>
  std::invoke_result_t<F> run(F f) {
    using R = std::invoke_result_t<F>;
    auto task = std::make_shared<std::packaged_task<R()>>(std::move(f));
    reactor_.post([task] { (*task)(); });
    return task->get_future().get();
  }

  /// Sends one command and waits for what comes of it.
  Result<Reply> ask(Command command, OnLoss on_loss = OnLoss::kFail, std::chrono::milliseconds deadline = {}) {
    auto promise = std::make_shared<std::promise<Result<Reply>>>();
    reactor_.post([this, promise, command, on_loss, deadline] {
      auto done = [promise](Result<Reply> reply) { promise->set_value(std::move(reply)); };
      if (!client_->send(command, on_loss, done, deadline)) promise->set_value(Error(Errc::kOverloaded, "refused"));
    });
    auto future = promise->get_future();
    if (future.wait_for(20s) != std::future_status::ready) return Error(Errc::kInternal, "the test waited in vain");
    return future.get();
  }

  bool connected() {
    return run([this] { return client_->connected(); });
  }
  std::vector<std::string> changes() {
    std::lock_guard lock(mutex_);
    return changes_;
  }
  std::string down_reason() {
    return run([this] { return client_->down_reason(); });
  }

  Client& client() { return *client_; }
  std::unique_ptr<Client>& owned() { return client_; }
  Reactor& reactor() { return reactor_; }

 private:
  Reactor reactor_{"test"};
  std::unique_ptr<Client> client_;
  std::mutex mutex_;
  std::vector<std::string> changes_;
};

/// Somebody on a loopback port who is not Redis, or only pretends: `talk` runs once per connection, one after another;
/// the connection is closed when it returns.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(int fd, int nth)> talk) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no loopback port");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, talk = std::move(talk)] {
      for (int nth = 0;; ++nth) {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        connections_ = nth + 1;
        talk(fd, nth);
        ::close(fd);
      }
    });
  }
  ~FakeServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  Endpoint endpoint() const {
    Endpoint endpoint;
    endpoint.port = port_;
    return endpoint;
  }
  int connections() const { return connections_; }

  /// Reads until the bytes end with `end`; what came. Empty when the other side hung up.
  static std::string read_until(int fd, const std::string& end) {
    std::string text;
    char c;
    while (::recv(fd, &c, 1, 0) == 1) {
      text += c;
      if (text.ends_with(end)) return text;
    }
    return {};
  }
  static void say(int fd, const std::string& text) {
    [[maybe_unused]] const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  }
  /// The usual beginning of a connection without a password.
  static void sign_in(int fd) {
    read_until(fd, "PING\r\n");
    say(fd, "+PONG\r\n");
  }

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace parley::store::redis::test
