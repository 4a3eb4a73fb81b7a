#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pg_connection.hpp"
#include "postgres_database.hpp"

namespace parley::store {

/// Threads with a connection each that run the jobs of one queue, each job in a transaction.
class PgWorkers {
 public:
  using Job = PostgresDatabase::Job;
  PgWorkers(const PostgresDatabaseOptions& options, std::shared_ptr<PgWatchdog> watchdog, bool write, unsigned threads);
  ~PgWorkers() { stop(); }
  /// Any thread. False if the queue is full or this is closed.
  bool enqueue(std::unique_ptr<Job> job);
  void stop();
  std::string trouble() const;  ///< empty: all connections work

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::unique_ptr<Job> job;
    Clock::time_point since;
  };
  /// What one thread knows of its connection.
  struct Link {
    PgConnection connection;
    std::size_t number;
    Clock::time_point retry_at{};
    std::chrono::milliseconds delay{0};
    std::string reason{};  ///< why there is no connection
  };
  void loop(std::size_t number);
  bool next(Waiting& waiting);
  void serve(Link& link, Waiting& waiting);
  void probe(Link& link);
  std::optional<Error> begin(Link& link);
  void note(Link& link, std::string reason);

  const PostgresDatabaseOptions options_;
  const std::shared_ptr<PgWatchdog> watchdog_;
  const bool write_;
  mutable std::mutex mutex_;  // leaf lock: guards all below
  std::condition_variable ready_;
  std::deque<Waiting> queue_;
  bool stopping_ = false;
  std::vector<std::string> troubles_;  // of each thread
  std::vector<std::thread> threads_;
};

}  // namespace parley::store
