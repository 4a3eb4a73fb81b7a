#include "checkpointer.hpp"

#include <pthread.h>

namespace parley::store {
namespace {
constexpr std::uint64_t kPassivePages = 8192;    // 32 MiB: rarer, since a hot page is then copied once for many commits
constexpr std::uint64_t kRestartPages = 16384;   // 64 MiB: begin at the start of the file again
constexpr std::uint64_t kTruncatePages = 65536;  // 256 MiB: and give the room back
constexpr int kBusyMs = 50;  // how long a checkpoint may hold up the writer while it waits for readers
constexpr auto kPause = std::chrono::milliseconds(100);
}  // namespace

Checkpointer::Checkpointer(const std::filesystem::path& file, const Connection::Options& options) : db_(file, options) {
  sqlite3_busy_timeout(db_.handle(), kBusyMs);
  thread_ = std::thread([this] { loop(); });
}

void Checkpointer::note_pages(std::uint64_t pages) {
  pages_.store(pages, std::memory_order_relaxed);
  if (pages < kPassivePages) return;
  {
    std::lock_guard lock(mutex_);
    if (due_) return;
    due_ = true;
  }
  wake_.notify_one();
}

void Checkpointer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::loop() {
  pthread_setname_np(pthread_self(), "store-checkpt");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return due_ || stopping_; });
    if (stopping_) return;
    lock.unlock();
    const std::uint64_t pages = pages_.load(std::memory_order_relaxed);
    // What fails here is tried again with the next commits; a lasting fault shows in the commits themselves.
    sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if (pages >= kTruncatePages) {
      sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    } else if (pages >= kRestartPages) {
      sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    }
    lock.lock();
    wake_.wait_for(lock, kPause, [&] { return stopping_; });
    due_ = false;
  }
}

}  // namespace parley::store
