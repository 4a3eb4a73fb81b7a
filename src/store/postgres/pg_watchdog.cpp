#include "pg_watchdog.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace parley::store {

PgWatchdog::PgWatchdog() : thread_([this] { loop(); }) {}

PgWatchdog::~PgWatchdog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void PgWatchdog::end_by(Clock::time_point when) {
  {
    std::lock_guard lock(mutex_);
    end_ = std::min(end_, when);
  }
  wake_.notify_one();
}

void PgWatchdog::loop() {
  ::pthread_setname_np(::pthread_self(), "store-pg-watch");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wakes_at_ = bite(Clock::now());
    if (wakes_at_ == Clock::time_point::max()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, wakes_at_);
    }
  }
}

PgWatchdog::Clock::time_point PgWatchdog::bite(Clock::time_point now) {
  Clock::time_point next = Clock::time_point::max();
  for (Entry& entry : entries_) {
    if (entry.deadline == Clock::time_point::max() || entry.cut) continue;
    const Clock::time_point due = std::min(entry.deadline, end_);
    if (due > now) {
      next = std::min(next, due);
      continue;
    }
    ::shutdown(entry.socket, SHUT_RDWR);
    entry.cut = true;
  }
  return next;
}

PgWatchdog::Watch::Watch(PgWatchdog& dog, int socket) : dog_(dog) {
  const int own = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (own < 0) throw std::system_error(errno, std::generic_category(), "the socket to PostgreSQL");
  std::lock_guard lock(dog_.mutex_);
  entry_ = dog_.entries_.insert(dog_.entries_.end(), Entry{own});
}

PgWatchdog::Watch::~Watch() {
  std::lock_guard lock(dog_.mutex_);
  ::close(entry_->socket);
  dog_.entries_.erase(entry_);
}

void PgWatchdog::Watch::arm(Clock::time_point deadline) {
  bool earlier = false;
  {
    std::lock_guard lock(dog_.mutex_);
    entry_->deadline = deadline;
    earlier = std::min(deadline, dog_.end_) < dog_.wakes_at_;
  }
  // Seldom: deadlines grow, so the thread mostly wakes for one that is long over, and then looks again.
  if (earlier) dog_.wake_.notify_one();
}

bool PgWatchdog::Watch::disarm() {
  std::lock_guard lock(dog_.mutex_);
  entry_->deadline = Clock::time_point::max();
  return !entry_->cut;
}

void PgWatchdog::Watch::cut() {
  std::lock_guard lock(dog_.mutex_);
  if (!entry_->cut) ::shutdown(entry_->socket, SHUT_RDWR);
  entry_->cut = true;
}

}  // namespace parley::store
