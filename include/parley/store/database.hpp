#pragma once
#include <boost/asio/awaitable.hpp>
#include <cassert>
#include <memory>
#include <string>

#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"
#include "parley/base/worker.hpp"
#include "parley/store/sql.hpp"

namespace parley::store {

/// Where entities live. `read` runs a closure on a reader thread with a read-only snapshot, `write` on the writer
/// thread in a transaction; both resume the caller at its reactor. A closure returns Result<T>, owns what it uses, and
/// may run only short SQL (a slice of at most 5 ms on the writer). A SqlError becomes kConflict (unique), kStorageFull,
/// or kUnavailable; a failed Result rolls back.
class Database {
 public:
  virtual ~Database() = default;
  template <class F, class R = std::invoke_result_t<F&, Sql&>>
  asio::awaitable<R> read(F work) {
    return run<R>(false, std::move(work));
  }
  template <class F, class R = std::invoke_result_t<F&, Sql&>>
  asio::awaitable<R> write(F work) {
    return run<R>(true, std::move(work));
  }

 protected:
  /// Runs `work` on the right thread and calls it with the connection; `work` has its own way to report. False if the
  /// queue is full.
  struct Job {
    virtual ~Job() = default;
    virtual bool run(Sql& sql) = 0;      ///< false: roll back. May throw SqlError.
    virtual void fail(Error error) = 0;  ///< SqlError, rollback at commit …: replaces what run() stored
    virtual void finish() = 0;           ///< last call, on the worker thread: hands the result to its reactor
  };
  virtual bool enqueue(bool write, std::unique_ptr<Job> job) = 0;

 private:
  template <class R, class F>
  asio::awaitable<R> run(bool write, F work) {
    Reactor* home = Reactor::current();
    assert(home && "Database is awaited on a reactor");
    auto start = [this, home, write]<class Handler>(Handler handler, F closure) {
      struct Typed final : Job {
        Typed(Reactor* h, Handler hd, F c)
            : reactor(h), handler(std::make_shared<Handler>(std::move(hd))), closure(std::move(c)) {}
        bool run(Sql& sql) override {
          result.emplace(closure(sql));
          return result->has_value();
        }
        void fail(Error error) override { result.emplace(R(std::move(error))); }
        void finish() override {
          reactor->post([h = std::move(handler), r = std::move(*result)]() mutable { (*h)(std::move(r)); });
        }
        Reactor* reactor;
        std::shared_ptr<Handler> handler;
        F closure;
        std::optional<R> result;
      };
      auto job = std::make_unique<Typed>(home, std::move(handler), std::move(closure));
      auto handler_copy = job->handler;
      if (!enqueue(write, std::move(job))) {
        home->post([h = std::move(handler_copy)]() mutable {
          (*h)(R(Error(Errc::kOverloaded, "the database queue is full")));
        });
      }
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(std::move(start), asio::use_awaitable,
                                                                        std::move(work));
  }
};

}  // namespace parley::store
