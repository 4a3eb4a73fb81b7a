#pragma once
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"

namespace parley::store {

/// Work that another thread does with its `Context`. Exactly one of run() and fail() ends it; run() may throw SqlError,
/// then fail() follows.
template <class Context>
struct Call {
  virtual ~Call() = default;
  virtual void run(Context& context) = 0;
  virtual void fail(Error error) = 0;
};

/// Awaited on a reactor: `work` (R(Context&), R = Result<…>) runs where `queue.enqueue(unique_ptr<Call<Context>>)`
/// takes it, and the caller resumes at home.
template <class R, class Context, class Queue, class Work>
asio::awaitable<R> call_on(Queue& queue, Work work) {
  Reactor* home = Reactor::current();
  assert(home && "the store is awaited on a reactor");
  auto start = [&queue, home]<class Handler>(Handler handler, Work closure) {
    struct Typed final : Call<Context> {
      Typed(Reactor* h, std::shared_ptr<Handler> hd, Work w) : reactor(h), handler(std::move(hd)), work(std::move(w)) {}
      void run(Context& context) override { resume(work(context)); }
      void fail(Error error) override { resume(R(std::move(error))); }
      void resume(R result) {
        reactor->post([h = std::move(handler), r = std::move(result)]() mutable { (*h)(std::move(r)); });
      }
      Reactor* reactor;
      std::shared_ptr<Handler> handler;
      Work work;
    };
    auto shared = std::make_shared<Handler>(std::move(handler));
    if (!queue.enqueue(std::unique_ptr<Call<Context>>(std::make_unique<Typed>(home, shared, std::move(closure))))) {
      home->post([h = std::move(shared)]() mutable { (*h)(R(Error(Errc::kOverloaded, "the store's queue is full"))); });
    }
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(std::move(start), asio::use_awaitable,
                                                                      std::move(work));
}

}  // namespace parley::store
