#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <thread>

#include "connection.hpp"

namespace parley::store {

/// Copies the write-ahead log into the database file on a thread of its own, because a checkpoint inside a commit costs
/// 10 to 40 ms. Passive while the log is small; a large one is also started anew, which makes the writer wait for some
/// milliseconds.
class Checkpointer {
 public:
  Checkpointer(const std::filesystem::path& file, const Connection::Options& options);
  ~Checkpointer() { stop(); }
  void note_pages(std::uint64_t pages);  ///< The writer, after each commit: the present length of the log.
  std::uint64_t wal_pages() const noexcept { return pages_.load(std::memory_order_relaxed); }
  void stop();

 private:
  void loop();
  Connection db_;
  std::atomic<std::uint64_t> pages_{0};
  std::mutex mutex_;  // leaf lock
  std::condition_variable wake_;
  bool due_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace parley::store
