#pragma once
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/net/server.hpp"
#include "parley/protocol/ws.hpp"

/// What the tests of net share: a server on real loopback sockets with two reactors, and a client that sees raw bytes.
namespace parley::net::test {

using namespace std::chrono_literals;

/// Polls until `done` holds; false after five seconds.
inline bool eventually(const std::function<bool()>& done, std::chrono::milliseconds limit = 5000ms) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

inline session::FramePtr text_frame(std::string_view text) {
  std::string frame;
  protocol::ws::append_frame(frame, protocol::ws::Opcode::kText, text);
  return session::Frame::copy(frame);
}

/// A masked client frame.
inline std::string client_frame(std::string_view payload, unsigned opcode = 1, bool fin = true) {
  std::string frame;
  frame.push_back(static_cast<char>((fin ? 0x80U : 0U) | opcode));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80U | payload.size()));
  } else if (payload.size() < 65536) {
    frame.push_back(static_cast<char>(0x80U | 126U));
    for (int shift = 8; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(payload.size() >> shift & 0xff));
  } else {
    frame.push_back(static_cast<char>(0x80U | 127U));
    for (int shift = 56; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(payload.size() >> shift & 0xff));
  }
  const char mask[4] = {0x11, 0x22, 0x33, 0x44};
  frame.append(mask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) frame.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return frame;
}

inline std::string close_payload(std::uint16_t code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return payload.append(reason);
}

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};
struct Frame {
  unsigned opcode = 0;
  std::string payload;
  std::uint16_t code() const {
    return payload.size() < 2 ? std::uint16_t{0}
                              : static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 |
                                                           static_cast<unsigned char>(payload[1]));
  }
};

/// A blocking client; every wait ends after five seconds.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    start(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  explicit Client(const std::filesystem::path& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    start(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// Ends with a reset instead of a FIN.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Reads more into the buffer; false at the end, an error or after the time limit.
  bool more() {
    char chunk[16384];
    const ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
    if (got <= 0) {
      ended_ = got == 0;
      return false;
    }
    buffer_.append(chunk, static_cast<std::size_t>(got));
    return true;
  }
  bool until(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      if (!more()) return false;
    }
    return true;
  }
  std::string take(std::size_t bytes) {
    std::string taken = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return taken;
  }
  /// The rest, until the server closes; `ended()` tells a FIN from a reset or a time-out.
  std::string rest() {
    while (more()) {
    }
    return take(buffer_.size());
  }
  bool ended() const { return ended_; }
  /// The server closed without a further byte.
  bool closed_silently() { return rest().empty() && ended_; }

  std::optional<Answer> answer(bool head = false) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return std::nullopt;
    }
    const std::string text = take(end + 4);
    Answer answer;
    if (!text.starts_with("HTTP/1.1 ")) return std::nullopt;
    answer.status = std::stoi(text.substr(9, 3));
    std::size_t at = text.find("\r\n") + 2;
    while (at + 2 < text.size()) {
      const std::size_t stop = text.find("\r\n", at);
      const std::size_t colon = text.find(": ", at);
      std::string name = text.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      answer.headers[name] = text.substr(colon + 2, stop - colon - 2);
      at = stop + 2;
    }
    if (!head && answer.headers.contains("content-length")) {
      const std::size_t length = std::stoul(answer.headers["content-length"]);
      if (!until(length)) return std::nullopt;
      answer.body = take(length);
    }
    return answer;
  }
  std::optional<Answer> get(const std::string& path, const std::string& headers = {}) {
    send("GET " + path + " HTTP/1.1\r\nHost: t.example\r\n" + headers + "\r\n");
    return answer();
  }

  static std::string upgrade_request(const std::string& headers = {}) {
    return "GET /ws HTTP/1.1\r\nHost: t.example\r\nUpgrade: websocket\r\nConnection: keep-alive, "
           "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: other, parley.v1\r\n" +
           headers + "\r\n";
  }
  bool upgrade(const std::string& headers = {}) {
    send(upgrade_request(headers));
    const auto got = answer();
    return got && got->status == 101;
  }
  std::optional<Frame> frame() {
    if (!until(2)) return std::nullopt;
    Frame frame;
    frame.opcode = static_cast<unsigned char>(buffer_[0]) & 0x0fU;
    EXPECT_EQ(static_cast<unsigned char>(buffer_[0]) & 0xf0U, 0x80U)
        << "the server neither fragments nor sets reserved bits";
    std::size_t length = static_cast<unsigned char>(buffer_[1]);
    EXPECT_LT(length, 128U) << "server frames are not masked";
    std::size_t head = 2;
    if (length >= 126) {
      const std::size_t bytes = length == 126 ? 2 : 8;
      head += bytes;
      if (!until(head)) return std::nullopt;
      length = 0;
      for (std::size_t i = 2; i < head; ++i) length = length << 8 | static_cast<unsigned char>(buffer_[i]);
    }
    if (!until(head + length)) return std::nullopt;
    take(head);
    frame.payload = take(length);
    return frame;
  }

 private:
  void start(const sockaddr* address, socklen_t size) {
    const timeval limit{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    connected_ = ::connect(fd_, address, size) == 0;
  }
  int fd_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

/// A session whose every step is a function of the test; they run on the reactor of the peer. What came is kept for the
/// test thread.
class Session final : public session::PeerHandler {
  template <class F>
  auto locked(F f) const {
    std::lock_guard lock(mutex_);
    return f();
  }

 public:
  session::Peer* peer = nullptr;
  std::function<void(Session&, std::string_view)> on_text;
  std::function<void(Session&)> on_drain;

  std::vector<std::string> messages() const {
    return locked([&] { return messages_; });
  }
  std::size_t count() const {
    return locked([&] { return messages_.size(); });
  }
  std::optional<std::uint16_t> closed() const {
    return locked([&] { return closed_; });
  }
  int drained() const {
    return locked([&] { return drained_; });
  }
  session::PeerInfo info;

 private:
  void on_message(std::span<char> text) override {
    std::string copy(text.begin(), text.end());
    for (std::size_t i = 0; i < protocol::ws::kPadding; ++i)
      static_cast<void>(*static_cast<volatile char*>(text.data() + text.size() + i));  // must be readable
    locked([&] {
      messages_.push_back(copy);
      return 0;
    });
    if (on_text) on_text(*this, copy);
  }
  void on_drained() override {
    locked([&] { return ++drained_; });
    if (on_drain) on_drain(*this);
  }
  void on_closed(std::uint16_t code) override {
    EXPECT_FALSE(closed()) << "on_closed comes once";
    locked([&] {
      closed_ = code;
      return 0;
    });
  }
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
  std::optional<std::uint16_t> closed_;
  int drained_ = 0;
};

class ServerTest : public ::testing::Test, public session::PeerAcceptor {
 protected:
  ServerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "parley-net-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    settings.server.port = 0;
    settings.ops.port = 0;
    settings.store.folder = folder;
    settings.server.web_root = folder / "web";
  }
  ~ServerTest() override {
    stop();
    std::filesystem::remove_all(folder);
  }
  void start(std::size_t reactors = 2) {
    for (std::size_t i = 0; i < reactors; ++i) loops.push_back(std::make_unique<Reactor>("t" + std::to_string(i)));
    std::vector<Reactor*> all;
    for (auto& loop : loops) {
      loop->on_escape([](const char* what, std::exception_ptr) { ADD_FAILURE() << "escaped from " << what; });
      all.push_back(loop.get());
    }
    server = std::make_unique<Server>(all, settings, registry, *this, Server::Routers{open, ops, admin}, limits);
    if (page_key) server->set_page_key(page_key);
    server->start();
    for (auto& loop : loops) loop->start();
  }
  void stop() {
    for (auto& loop : loops) loop->stop();
    for (auto& loop : loops) loop->join();
    server.reset();
    loops.clear();
  }
  void on_peer(session::Peer& peer) override {
    auto session = std::make_unique<Session>();
    session->peer = &peer;
    session->info = peer.info();
    if (prepare) prepare(*session);
    if (sets_handler) peer.set_handler(session.get());
    std::lock_guard lock(mutex);
    sessions.push_back(std::move(session));
  }
  /// The n-th session, as soon as it is there.
  Session& session(std::size_t n = 0) {
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(mutex);
      return sessions.size() > n;
    }));
    std::lock_guard lock(mutex);
    return *sessions.at(n);
  }
  /// Runs `work` on the reactor of the session's peer and waits for it.
  template <class F>
  void on_home(Session& s, F work) {
    std::promise<void> done;
    s.peer->home().post([&] {
      work();
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(5s), std::future_status::ready);
  }
  /// A value as it stands in the scrape: `series` is name and labels.
  double metric(const std::string& series) const {
    const std::string text = "\n" + registry.scrape();
    const std::size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + series.size() + 2));
  }
  double connections(const std::string& kind) const { return metric("parley_net_connections{kind=\"" + kind + "\"}"); }
  double refused(const std::string& reason) const {
    return metric("parley_net_refused_total{reason=\"" + reason + "\"}");
  }
  double answered(const std::string& status) const {
    return metric("parley_net_http_requests_total{status=\"" + status + "\"}");
  }
  double writev_calls() const { return metric("parley_net_writev_total"); }
  void write_file(const std::string& name, std::string_view content) {
    const std::filesystem::path path = folder / "web" / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
  }

  std::filesystem::path folder;
  config::Settings settings;
  HttpLimits limits;
  obs::Registry registry;
  Router open, ops, admin;
  PageKey page_key;
  std::vector<std::unique_ptr<Reactor>> loops;
  std::unique_ptr<Server> server;
  std::function<void(Session&)> prepare;
  bool sets_handler = true;
  std::mutex mutex;
  std::vector<std::unique_ptr<Session>> sessions;
};

}  // namespace parley::net::test
