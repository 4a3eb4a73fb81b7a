#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "parley/store/database.hpp"

namespace parley::store::test {

/// Passes everything on to the real one, until it is told otherwise. Asked on reactors, told from the test's thread.
class FaultyDatabase final : public Database {
 public:
  explicit FaultyDatabase(Database& real) : real_(real) {}

  void fail(bool on) { failing_ = on; }  ///< as if its server were away
  /// What is read from now on is answered at release(), with what stood there when it was read.
  void hold() {
    std::lock_guard lock(mutex_);
    holding_ = true;
  }
  /// Reads are answered again; those that are held stay.
  void unhold() {
    std::lock_guard lock(mutex_);
    holding_ = false;
  }
  void release() {
    std::vector<std::shared_ptr<Job>> held;
    {
      std::lock_guard lock(mutex_);
      holding_ = false;
      held.swap(held_);
    }
    for (const auto& job : held) job->finish();
  }
  std::size_t held() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  std::size_t reads() const { return reads_; }  ///< so far, also those that failed

 protected:
  bool enqueue(bool write, std::unique_ptr<Job> job) override {
    if (!write) ++reads_;
    if (failing_) {
      job->fail(Error(Errc::kUnavailable, "told to fail"));
      job->finish();
      return true;
    }
    Reactor::current()->spawn("pass on", pass(write, std::move(job)));
    return true;
  }

 private:
  asio::awaitable<void> pass(bool write, std::shared_ptr<Job> job) {
    auto refused = std::make_shared<bool>(false);
    auto work = [job, refused](Sql& sql) -> Result<> {
      *refused = !job->run(sql);
      if (*refused) return Error(Errc::kConflict, "to be rolled back");
      return {};
    };
    Result<> done;
    if (write) {
      done = co_await real_.write(work);
    } else {
      done = co_await real_.read(work);
    }
    if (!done && !*refused) job->fail(done.error());
    {
      std::lock_guard lock(mutex_);
      if (holding_ && !write) {
        held_.push_back(job);
        co_return;
      }
    }
    job->finish();
  }

  Database& real_;
  std::atomic<bool> failing_{false};
  std::atomic<std::size_t> reads_{0};
  mutable std::mutex mutex_;
  bool holding_ = false;
  std::vector<std::shared_ptr<Job>> held_;
};

}  // namespace parley::store::test
