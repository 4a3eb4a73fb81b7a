// Reading beside the appends, on a connection of its own.
#include "lane.hpp"

namespace parley::store::standard {

asio::awaitable<Result<redis::Reply>> JournalLane::call(redis::Command command) {
  check_home();
  if (!started_ || closed_) co_return Error(Errc::kOverloaded, "the store is closed");
  Result<redis::Reply> reply = co_await reads_->call(std::move(command), kReadDeadline);
  co_return reply;
}

asio::awaitable<Result<std::vector<redis::Reply>>> JournalLane::call_all(std::vector<redis::Command> commands) {
  check_home();
  using R = Result<std::vector<redis::Reply>>;
  if (!started_ || closed_) co_return Error(Errc::kOverloaded, "the store is closed");
  if (commands.empty()) co_return std::vector<redis::Reply>();
  auto start = [this]<class Handler>(Handler handler, std::vector<redis::Command> all) {
    struct Asked {
      explicit Asked(Handler h) : handler(std::move(h)) {}
      Handler handler;
      std::vector<redis::Reply> replies;
      std::optional<Error> error;
      std::size_t left = 0;
    };
    auto asked = std::make_shared<Asked>(std::move(handler));
    asked->left = all.size();
    asked->replies.resize(all.size());
    auto arrived = [home = &home(), asked](std::size_t i, Result<redis::Reply> reply) {
      if (!reply) {
        asked->error = std::move(reply).error();
      } else if (reply->is_error()) {
        asked->error = redis::error_of(*reply);
      } else {
        asked->replies[i] = std::move(*reply);
      }
      if (--asked->left > 0) return;
      home->post(
          [asked] { asked->handler(asked->error ? R(std::move(*asked->error)) : R(std::move(asked->replies))); });
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto done = [arrived, i](Result<redis::Reply> reply) { arrived(i, std::move(reply)); };
      if (!reads_->send(std::move(all[i]), redis::OnLoss::kFail, std::move(done), kReadDeadline))
        arrived(i, Error(Errc::kOverloaded, "too many reads wait for Redis"));
    }
  };
  R replies = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(
      std::move(start), asio::use_awaitable, std::move(commands));
  co_return replies;
}

}  // namespace parley::store::standard
