#pragma once
#include <chrono>
#include <functional>
#include <memory>

#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"
#include "redis/reply.hpp"

namespace parley::store::redis {

/// What becomes of a command whose answer had not come when the connection was lost.
enum class OnLoss {
  kReplay,  ///< it is sent again, in its old place, on the next connection: for commands that may run twice
  kFail,    ///< it ends with kUnavailable: its outcome is unknown
};

/// One connection to Redis on a reactor: pipelined, answers in the order of the commands, one write per turn. It
/// connects by itself, again and again (100 ms to 2 s apart, jittered), authenticates, selects the database, asks
/// whether the server is ready (one that is still loading its data is not), and then sends what waits: first the
/// commands that are to be replayed, in their old order, then the new ones.
/// With guard_file it also waits, before it counts as connected, until the server has rewritten its append-only file
/// since it was started, and asks for that if need be (append_file.hpp): nothing that is answered may be lost behind a
/// torn transaction.
/// A connection that is alive but deaf is noticed: while nothing is awaited, a PING goes out every `probe`, and if
/// `deaf` passes without a byte although an answer is due, the connection is dropped and made anew.
/// An answer that is not the Redis protocol, or that nobody asked for, drops the connection too.
/// Threads: the home reactor, all functions but stats(); made before the reactor starts or on it, destroyed on it or
/// after it ended. Never blocks. Times have the precision of the reactor's timers.
/// Source: hiredis 0.14 reader for RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/
class Client : private ReactorBound {
 public:
  struct Options {
    Endpoint endpoint;
    std::chrono::milliseconds connect{2000};  ///< for connecting and signing in
    std::chrono::milliseconds probe{2000};
    std::chrono::milliseconds deaf{5000};
    std::size_t queue_bytes_max = 64u << 20;  ///< commands waiting or unanswered; beyond, send() is refused
    bool guard_file = false;                  ///< for clients that write
  };
  using Done = std::function<void(Result<Reply>)>;

  Client(Reactor& home, Options options);
  ~Client();  ///< As close().

  /// False, and nothing done, if the queue is full or the client is closed. `done` runs once on the home reactor, never
  /// inside send(); it may send, close, and destroy the client. Commands queued while there is no connection wait for
  /// the next one.
  /// kFail commands end with kTimeout if no answer came within `deadline` (0: none); its answer is then thrown away
  /// when it comes. kReplay commands have no deadline: only close() ends them, with kClosed.
  /// An error reply is a value, not an Error.
  bool send(Command command, OnLoss on_loss, Done done, std::chrono::milliseconds deadline = {});
  bool send(WireCommand command, OnLoss on_loss, Done done, std::chrono::milliseconds deadline = {});
  /// The same for coroutines, with kFail. kOverloaded if the queue is full, kClosed after close().
  asio::awaitable<Result<Reply>> call(Command command, std::chrono::milliseconds deadline);

  /// Signed in, and everything that has to come before commands is done: a server that only accepts does not count.
  bool connected() const noexcept;
  /// Since when there has been no connection, however many attempts failed since; meaningful only while !connected().
  std::chrono::steady_clock::time_point down_since() const noexcept;
  /// Why there is no connection, for people; empty while connected() and before the first attempt ended.
  const std::string& down_reason() const noexcept;
  /// Called on the home reactor at each change of connected(), with the reason for people ("" when connected), and
  /// also when an attempt failed, or waits, for another reason than was told before. Not called by close().
  void on_change(std::function<void(bool connected, const std::string& reason)> handler);
  /// Ends everything that waits with kClosed, inside this call, and goes no further.
  void close();

  struct Stats {
    std::uint64_t reconnects = 0;     ///< connections after the first one
    std::uint64_t commands = 0;       ///< taken by send() so far
    std::uint64_t waiting_bytes = 0;  ///< of commands waiting or unanswered
    std::uint64_t unanswered = 0;     ///< commands on their way
  };
  Stats stats() const noexcept;  ///< any thread

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the handlers that are on their way
};

}  // namespace parley::store::redis
