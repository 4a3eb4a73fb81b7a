#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "net_metrics.hpp"
#include "parley/base/reactor.hpp"
#include "poller.hpp"

namespace parley::net {

class ReactorNet;

/// What all reactors of a server count together.
struct NetShared {
  explicit NetShared(obs::Registry& registry) : metrics(registry) {}
  NetMetrics metrics;
  std::atomic<std::size_t> open{0};  // connections, also those between two reactors
  std::atomic<std::uint64_t> last_id{0};
};

/// A socket that lives in the table of one ReactorNet, which owns it. It is never destroyed while one of its functions
/// runs: bury() frees at the end of the turn.
class Connection : public Poller::Handler {
 public:
  Connection(ReactorNet& net, int fd, Kind kind) : net_(&net), fd_(fd), kind_(kind) {}
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

 protected:
  friend class ReactorNet;
  /// Once at the end of each turn in which mark_dirty() was called: write what is queued.
  virtual void on_turn_end() = 0;
  /// The daemon ends: close politely, or at once.
  virtual void on_shutdown(bool at_once) = 0;

  ReactorNet& net() const noexcept { return *net_; }
  int fd() const noexcept { return fd_; }
  int release_fd() noexcept { return std::exchange(fd_, -1); }
  bool buried() const noexcept { return fd_ < 0; }
  /// Makes the poller wait for exactly these events.
  void want(std::uint32_t events);
  std::uint32_t wanted() const noexcept { return wanted_; }

 private:
  static constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
  ReactorNet* net_;
  int fd_;
  std::uint32_t place_ = kNowhere;  // in the table
  std::uint32_t dirty_ = kNowhere;  // in the list of those with something to do at the end of the turn
  std::uint32_t wanted_ = 0;
  Kind kind_;
};

/// The network side of one reactor: its epoll set, the read buffer all its sockets share, its connections, and the work
/// of a turn's end. Threads: home reactor only.
class ReactorNet : private ReactorBound {
 public:
  static constexpr std::size_t kReadBytes = 256 * 1024;

  ReactorNet(Reactor& home, NetShared& shared);
  ~ReactorNet();
  using ReactorBound::home;

  Poller& poller() noexcept { return poller_; }
  const NetMetrics& metrics() const noexcept { return shared_.metrics; }
  std::uint64_t next_id() noexcept { return shared_.last_id.fetch_add(1, std::memory_order_relaxed) + 1; }
  /// kReadBytes, and behind them what a decoder may read or write past the end. Valid until the next read of any
  /// socket.
  std::span<char> read_buffer() noexcept { return {buffer_.get(), kReadBytes}; }

  /// Takes ownership and begins to wait for `events`. Null: the kernel refused (the connection is gone).
  Connection* add(std::unique_ptr<Connection> connection, std::uint32_t events);
  /// Ends a connection: closed now, freed at the end of the turn.
  void bury(Connection& connection);
  /// The new connection takes over socket and place of the old one, which is freed at the end of the turn.
  void replace(Connection& before, std::unique_ptr<Connection> after, std::uint32_t events);
  /// Takes a connection out of this reactor, to be adopted by another one; nothing of this object touches it
  /// afterwards.
  std::unique_ptr<Connection> release(Connection& connection);
  /// The other half, at the new home. The connection waits for nothing yet. False: the kernel cannot watch it; it is
  /// owned all the same.
  bool adopt(std::unique_ptr<Connection> connection);

  void mark_dirty(Connection& connection);
  /// Every connection is asked to close; those that come later too.
  void shut_down(bool at_once);
  bool shutting_down() const noexcept { return shutting_down_; }
  bool cutting() const noexcept { return cutting_; }  ///< the deadline for it has passed
  /// HTTP answers announce the end of their connection.
  void stop_keeping_alive() noexcept { keep_alive_ = false; }
  bool keeps_alive() const noexcept { return keep_alive_; }
  /// For the Date header; made once a second.
  const std::string& http_date();

 private:
  void place(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> unplace(Connection& connection);
  void count(const Connection& connection, int by);
  void arm();
  void turn_end();

  NetShared& shared_;
  Poller poller_;
  std::unique_ptr<char[]> buffer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<std::unique_ptr<Connection>> graveyard_;
  bool armed_ = false;
  bool shutting_down_ = false;
  bool cutting_ = false;
  bool keep_alive_ = true;
  std::int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace parley::net
