#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "protocol.hpp"

namespace load {

std::int64_t now_ns();

/// The sockets of a run: one epoll set, one read buffer, one send per connection and turn.
class Wire {
 public:
  Wire(const Options& options, Protocol& protocol, Sink& sink);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// Begins to connect; what follows happens in turns. `c` stays where it is as long as it is connected.
  void connect(Connection& c);
  /// Its output is sent at the end of the turn.
  void queue(Connection& c);
  static constexpr int kEvents = 512;
  /// Sends what is queued, waits for events for that long at most, handles at most `events` of them and sends again.
  /// Returns how many there were.
  int turn(std::int64_t patience_ns, int events = kEvents);
  void close(Connection& c);
  /// Nothing is read from it any more.
  void stall(Connection& c);

  /// Connects all, at most `concurrency` at a time, until each is signed in. Throws std::runtime_error at the first
  /// that is refused, or when nothing happens for 30 s.
  void open(const std::vector<Connection*>& connections, unsigned concurrency);
  /// Sends its output, and turns until what comes back holds `until`; what was heard so far. Throws after 20 s. Only
  /// while the connection is being set up.
  std::string exchange(Connection& c, std::string_view until);

 private:
  void write_out(Connection& c);
  /// `ended`: no more will come than is there now.
  void read_in(Connection& c, bool ended);
  /// As recv(); `at` becomes the time when the newest of it came.
  ssize_t receive(const Connection& c, std::int64_t& at);
  void take(Connection& c, std::string_view bytes, std::int64_t at);
  void handle(Connection& c, std::string_view message, std::int64_t at);
  std::size_t take_upgrade_answer(Connection& c, std::string_view bytes);
  void lost(Connection& c, const std::string& why);
  void flush();

  const Options& options_;
  Protocol& protocol_;
  Sink& sink_;
  const int epoll_;
  unsigned connects_ = 0;                   ///< so far, of any connection
  std::int64_t kernel_clock_ahead_ns_ = 0;  ///< clock of the kernel's time stamps against now_ns(), in this turn
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  std::vector<Connection*> dirty_;
  std::vector<Connection*> signed_in_;  ///< since open() looked
};

}  // namespace load
