#pragma once
#include <chrono>
#include <memory>
#include <stdexcept>
#include <vector>

#include "redis/reply.hpp"

namespace parley::store::redis {

/// The connection failed, or nothing came within the deadline; the next command connects anew.
class ConnectionError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Redis for threads that may block: the start of the daemon, the flusher, the command line. One thread at a time.
class BlockingClient {
 public:
  BlockingClient(Endpoint endpoint, std::chrono::milliseconds connect, std::chrono::milliseconds answer);
  ~BlockingClient();
  /// Throws ConnectionError. An error reply is a value.
  Reply call(const Command& command);
  std::vector<Reply> pipeline(const std::vector<Command>& commands);
  void disconnect();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::store::redis
