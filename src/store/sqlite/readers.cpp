#include "readers.hpp"

#include <pthread.h>

namespace parley::store {
namespace {
constexpr std::size_t kQueueMax = 16384;
}

Readers::Readers(const std::filesystem::path& file, const Connection::Options& options, unsigned threads) {
  Connection::Options read_only = options;
  read_only.read_only = true;
  for (unsigned i = 0; i < threads; ++i) connections_.push_back(std::make_unique<Connection>(file, read_only));
  for (const auto& connection : connections_) threads_.emplace_back([this, db = connection.get()] { loop(*db); });
}

bool Readers::enqueue(std::unique_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= kQueueMax) return false;
    queue_.push_back(std::move(job));
  }
  ready_.notify_one();
  return true;
}

void Readers::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  connections_.clear();
}

void Readers::loop(Connection& db) {
  pthread_setname_np(pthread_self(), "store-read");
  SqliteSql sql(db);
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      db.execute("begin");
      job->run(sql);
    } catch (const SqlError& error) {
      job->fail(error_of(error));
    } catch (const std::exception& error) {
      job->fail(Error(Errc::kInternal, error.what()));
    }
    db.rollback();
    job->finish();
  }
}

}  // namespace parley::store
