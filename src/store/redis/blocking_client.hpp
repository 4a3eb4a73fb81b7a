#pragma once
#include <chrono>
#include <memory>
#include <stdexcept>
#include <vector>

#include "redis/reply.hpp"

namespace parley::store::redis {

/// The connection failed, or nothing came within the deadline; the next command connects anew. The outcome of the
/// commands on their way is unknown. The text names the server and is for people.
class ConnectionError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Redis for threads that may block: the start of the daemon, the flusher, the command line. One thread at a time.
/// It connects, authenticates and selects the database with the first command, and again after each ConnectionError.
class BlockingClient {
 public:
  /// `connect` bounds connecting, `answer` each wait for a piece of an answer or for room in the socket.
  BlockingClient(Endpoint endpoint, std::chrono::milliseconds connect, std::chrono::milliseconds answer);
  ~BlockingClient();
  BlockingClient(BlockingClient&&) noexcept;
  BlockingClient& operator=(BlockingClient&&) noexcept;

  /// Throws ConnectionError. An error reply is a value.
  Reply call(const Command& command);
  Reply call(const WireCommand& command);
  /// The replies stand in the order of the commands. All are sent even if some are answered with an error.
  std::vector<Reply> pipeline(const std::vector<Command>& commands);
  void disconnect();
  const Endpoint& endpoint() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::store::redis
