#include "readers.hpp"

#include <pthread.h>

#include "parley/base/reactor.hpp"

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
  bool first = false;
  {
    std::lock_guard lock(inbox_->mutex);
    if (inbox_->stopping || inbox_->jobs.size() >= kQueueMax) return false;
    first = inbox_->jobs.empty();
    inbox_->jobs.push_back(std::move(job));
  }
  // Who waits behind others is seen by the thread that takes those.
  if (!first) return true;
  if (Reactor* home = Reactor::current()) {
    home->at_turn_end([inbox = inbox_] { inbox->ready.notify_one(); });
  } else {
    inbox_->ready.notify_one();
  }
  return true;
}

void Readers::stop() {
  {
    std::lock_guard lock(inbox_->mutex);
    inbox_->stopping = true;
  }
  inbox_->ready.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  connections_.clear();
}

void Readers::loop(Connection& db) {
  pthread_setname_np(pthread_self(), "store-read");
  SqliteSql sql(db);
  for (;;) {
    std::unique_ptr<Job> job;
    bool more = false;
    {
      std::unique_lock lock(inbox_->mutex);
      inbox_->ready.wait(lock, [&] { return inbox_->stopping || !inbox_->jobs.empty(); });
      if (inbox_->jobs.empty()) return;
      job = std::move(inbox_->jobs.front());
      inbox_->jobs.pop_front();
      more = !inbox_->jobs.empty();
    }
    if (more) inbox_->ready.notify_one();  // this one may take long
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
