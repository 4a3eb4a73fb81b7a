#pragma once
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "connection.hpp"
#include "sqlite_database.hpp"

namespace parley::store {

/// Threads with a read-only connection each. A job sees one snapshot, taken when it starts, so it contains everything
/// that was acknowledged before it was asked for.
class Readers {
 public:
  using Job = SqliteDatabase::Job;
  Readers(const std::filesystem::path& file, const Connection::Options& options, unsigned threads);
  ~Readers() { stop(); }
  /// Any thread. False if the queue is full or the store is closing. What a reactor asks for begins at the end of its
  /// turn: to wake a thread costs more than most reads, so it is done once for all of a turn.
  bool enqueue(std::unique_ptr<Job> job);
  /// Finishes what was accepted and closes the connections.
  void stop();

 private:
  /// Shared with the turn that is going to wake a thread.
  struct Inbox {
    std::mutex mutex;  // leaf lock
    std::condition_variable ready;
    std::deque<std::unique_ptr<Job>> jobs;
    bool stopping = false;
  };
  void loop(Connection& db);
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::thread> threads_;
};

}  // namespace parley::store
