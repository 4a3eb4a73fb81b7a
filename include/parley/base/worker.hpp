#pragma once
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"

namespace parley {

/// A few named threads for work that blocks (SQL, password hashing), with one bounded queue. Results come back to the
/// reactor that asked.
class Worker {
 public:
  Worker(std::string name, std::size_t threads, std::size_t queue_max);
  ~Worker();  ///< Finishes what was accepted, then joins.
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Any thread. False if the queue is full or the worker is stopping.
  bool submit(Task task);
  /// Any thread: tasks waiting.
  std::size_t depth() const;
  /// Finishes what was accepted and joins; later submits are refused.
  void stop();

  /// On a reactor: runs `work` (returning Result<T>) on a worker thread and resumes the caller at home with what it
  /// returned. kOverloaded if the queue is full; an exception becomes kInternal. `work` must own what it uses: the
  /// caller may be gone before it ends.
  template <class Work, class R = std::invoke_result_t<Work&>>
  asio::awaitable<R> run(Work work) {
    Reactor* home = Reactor::current();
    assert(home && "Worker::run is awaited on a reactor");
    auto start = [this, home]<class Handler>(Handler handler, Work job) {
      // Shared, because Task is destroyed unrun when submit() refuses, and the handler must then still be called.
      auto shared = std::make_shared<Handler>(std::move(handler));
      bool taken = submit([home, shared, job = std::move(job)]() mutable {
        R result = guarded<R>(job);
        home->post(
            [shared = std::move(shared), result = std::move(result)]() mutable { (*shared)(std::move(result)); });
      });
      if (!taken) {
        home->post([shared, name = name_]() mutable {
          (*shared)(R(Error(Errc::kOverloaded, "the queue of " + name + " is full")));
        });
      }
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(std::move(start), asio::use_awaitable,
                                                                        std::move(work));
  }

 private:
  template <class R, class Work>
  static R guarded(Work& work) {
    try {
      return work();
    } catch (const std::exception& e) {
      return Error(Errc::kInternal, e.what());
    }
  }
  void loop(std::string thread_name);

  const std::string name_;
  const std::size_t queue_max_;
  mutable std::mutex mutex_;  // leaf lock: nothing is called while it is held
  std::condition_variable ready_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace parley
