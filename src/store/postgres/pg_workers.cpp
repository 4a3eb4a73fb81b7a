#include "pg_workers.hpp"

#include <pthread.h>

#include <algorithm>

#include "sql_error.hpp"

namespace parley::store {

PgWorkers::PgWorkers(const PostgresDatabaseOptions& options, std::shared_ptr<PgWatchdog> watchdog, bool write,
                     unsigned threads)
    : options_(options), watchdog_(std::move(watchdog)), write_(write), troubles_(threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this, i] { loop(i); });
}

bool PgWorkers::enqueue(std::unique_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.queue_max) return false;
    queue_.push_back({std::move(job), Clock::now()});
  }
  ready_.notify_one();
  return true;
}

void PgWorkers::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::string PgWorkers::trouble() const {
  std::lock_guard lock(mutex_);
  const auto found = std::find_if(troubles_.begin(), troubles_.end(), [](const auto& text) { return !text.empty(); });
  return found == troubles_.end() ? std::string() : *found;
}

/// The next job, or none because nothing came for a while. False when the thread shall end.
bool PgWorkers::next(Waiting& waiting) {
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, options_.probe, [&] { return stopping_ || !queue_.empty(); });
  waiting.job.reset();
  if (queue_.empty()) return !stopping_;
  waiting = std::move(queue_.front());
  queue_.pop_front();
  return true;
}

void PgWorkers::loop(std::size_t number) {
  pthread_setname_np(pthread_self(), write_ ? "store-pg-write" : "store-pg-read");
  PgOptions how;
  how.conninfo = options_.conninfo;
  how.read_only = !write_;
  how.connect = options_.connect;
  how.statement = options_.statement;
  how.watchdog = watchdog_;
  Link link{PgConnection(how), number};
  Waiting waiting;
  probe(link);
  while (next(waiting)) {
    if (waiting.job) {
      serve(link, waiting);
      waiting.job->finish();
    } else {
      probe(link);
    }
  }
}

void PgWorkers::note(Link& link, std::string reason) {
  link.reason = reason;
  std::lock_guard lock(mutex_);
  troubles_[link.number] = std::move(reason);
}

/// Begins a transaction, over a new connection if the old one is gone.
std::optional<Error> PgWorkers::begin(Link& link) {
  PgConnection& connection = link.connection;
  for (;;) {
    const bool old = connection.connected();
    if (!old) {
      std::unique_lock lock(mutex_);
      if (stopping_ || Clock::now() < link.retry_at) {
        lock.unlock();
        return Error(Errc::kUnavailable, link.reason.empty() ? "the store is closing" : link.reason);
      }
    }
    try {
      connection.begin();
      link.delay = std::chrono::milliseconds(0);
      note(link, {});
      return std::nullopt;
    } catch (const PgError& error) {
      // It may have died unnoticed while idle. Nothing was done on it yet, so a new one can do it; unless it cost all
      // the time that there is.
      if (old && !connection.connected() && !error.too_slow()) continue;
      note(link, error.what());
      if (!connection.connected()) {
        link.delay = std::clamp(link.delay * 2, options_.retry_min, options_.retry_max);
        link.retry_at = Clock::now() + link.delay;
      }
      return Error(Errc::kUnavailable, error.what());
    }
  }
}

void PgWorkers::serve(Link& link, Waiting& waiting) {
  Job& job = *waiting.job;
  PgConnection& connection = link.connection;
  if (Clock::now() - waiting.since > options_.patience)
    return job.fail(Error(Errc::kUnavailable, "PostgreSQL is too slow or down: the job waited too long"));
  if (std::optional<Error> error = begin(link)) return job.fail(std::move(*error));
  try {
    const bool keep = job.run(connection);
    if (write_ && keep) connection.commit();
  } catch (const SqlError& error) {
    job.fail(error_of(error));
    if (!connection.connected()) note(link, error.what());
  } catch (const std::exception& error) {
    job.fail(Error(Errc::kInternal, error.what()));
  }
  connection.rollback();
}

/// Keeps the connection and what is known of it fresh.
void PgWorkers::probe(Link& link) {
  if (!begin(link)) link.connection.rollback();
}

}  // namespace parley::store
