#include "redis/client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <deque>
#include <optional>
#include <system_error>
#include <variant>

#include "parley/base/bytes.hpp"
#include "redis/append_file.hpp"
#include "redis/command_writer.hpp"
#include "redis/endpoint.hpp"
#include "redis/reply_reader.hpp"

namespace parley::store::redis {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;
using Address = asio::generic::stream_protocol::endpoint;

constexpr Milliseconds kBackoffMin{100}, kBackoffMax{2000};
constexpr std::size_t kGatherBytes = 256u << 10;      // commands encoded ahead of the socket
constexpr std::size_t kWriteBytesPerTurn = 1u << 20;  // then others have their turn
constexpr std::size_t kReadBytes = 64u << 10;         // per system call
constexpr int kReadsPerTurn = 8;
constexpr std::size_t kFeedBytes = 16u << 10;
constexpr auto kNever = Clock::time_point::max();

/// A counter written at home and read anywhere.
class Gauge {
 public:
  void add(std::uint64_t n) noexcept { value_.store(get() + n, std::memory_order_relaxed); }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

std::string in_ms(Milliseconds time) { return std::to_string(time.count()) + " ms"; }

}  // namespace

/// Home reactor only. Handlers hold it alive; `epoch_` tells them, and the loops that run callbacks, that the
/// connection they belong to is gone.
struct Client::Impl : WheelTimer, std::enable_shared_from_this<Client::Impl> {
  enum class Phase { kDown, kConnecting, kSigningIn, kGuarding, kReady, kClosed };

  using AnyCommand = std::variant<Command, WireCommand>;
  struct Waiting {
    AnyCommand command;
    Done done;  // empty: nobody wants the answer (a probe, or the deadline has passed)
    Clock::time_point deadline;
    std::size_t size;            // on the wire
    std::uint64_t wire_end = 0;  // where it ends among all bytes of this connection's commands
    OnLoss on_loss;
  };

  Impl(Reactor& h, Options o)
      : home(h), options(std::move(o)), socket(h.context()), resolver(h.context()), buffer(new char[kReadBytes]) {}

  // --- connecting -------------------------------------------------------------------------------------------------

  void connect() {
    phase = Phase::kConnecting;
    attempt_ends = Clock::now() + options.connect;
    addresses.clear();
    next_address = 0;
    last_error.clear();
    const Endpoint& endpoint = options.endpoint;
    if (!endpoint.unix_socket.empty()) {
      try {
        addresses.push_back(Address(asio::local::stream_protocol::endpoint(endpoint.unix_socket)));
      } catch (const std::exception& e) {
        last_error = e.what();  // the path is too long
      }
      return connect_next();
    }
    boost::system::error_code ec;
    const asio::ip::address literal = asio::ip::make_address(endpoint.host, ec);
    if (!ec) {
      addresses.push_back(Address(asio::ip::tcp::endpoint(literal, endpoint.port)));
      return connect_next();
    }
    resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), asio::ip::resolver_base::numeric_service,
                           [self = shared_from_this(), e = epoch](const boost::system::error_code& failure,
                                                                  const asio::ip::tcp::resolver::results_type& found) {
                             if (e != self->epoch) return;
                             if (failure) self->last_error = failure.message();
                             for (const auto& entry : found) self->addresses.push_back(Address(entry.endpoint()));
                             self->connect_next();
                           });
  }

  void connect_next() {
    if (next_address == addresses.size()) {
      if (last_error.empty()) last_error = "the name has no address";
      return lose("cannot connect: " + last_error);
    }
    boost::system::error_code ignored;
    socket.close(ignored);
    socket.async_connect(addresses[next_address++],
                         [self = shared_from_this(), e = epoch](const boost::system::error_code& ec) {
                           if (e != self->epoch) return;
                           if (!ec) return self->sign_in();
                           self->last_error = ec.message();
                           self->connect_next();
                         });
  }

  void sign_in() {
    phase = Phase::kSigningIn;
    heard_at = home.now();
    if (options.endpoint.unix_socket.empty()) {
      const int on = 1;
      ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    reader.emplace();
    sign_in_list = sign_in_commands(options.endpoint);
    signed_in = 0;
    for (const Command& command : sign_in_list) writer.add(command);
    wait_readable();
    flush();
  }

  void take_sign_in_reply(const Reply& reply) {
    if (signed_in == sign_in_list.size()) return lose("the server answers what nobody asked for");
    std::string refusal = sign_in_refusal(sign_in_list[signed_in], reply);
    if (!refusal.empty()) return lose(std::move(refusal));
    if (++signed_in < sign_in_list.size()) return;
    if (!options.guard_file) return get_ready();
    phase = Phase::kGuarding;
    guard.emplace(Clock::now());
    ask_guard();
  }

  void ask_guard() {
    guard_command = guard->command();
    guard_asked = true;
    attempt_ends = Clock::now() + options.deaf;
    writer.add(guard_command);
    ask_flush();
    plan();
  }

  void take_guard_reply(const Reply& reply) {
    if (!guard_asked) return lose("the server answers what nobody asked for");
    guard_asked = false;
    switch (guard->take(reply, Clock::now())) {
      case AppendFileGuard::Step::kDone:
        return get_ready();
      case AppendFileGuard::Step::kSend:
        return ask_guard();
      case AppendFileGuard::Step::kPause:
        attempt_ends = Clock::now() + AppendFileGuard::kPause;
        plan();
        return tell_down(guard->reason());
      case AppendFileGuard::Step::kFailed:
        return lose(guard->reason());
    }
  }

  void get_ready() {
    phase = Phase::kReady;
    backoff = kBackoffMin;
    encoded = written = 0;
    if (connected_before) reconnects.add(1);
    connected_before = true;
    reason.clear();
    ask_flush();
    plan();
    if (changed) changed(true, reason);
  }

  // --- losing -----------------------------------------------------------------------------------------------------

  void drop_connection() {
    ++epoch;
    boost::system::error_code ignored;
    socket.close(ignored);
    resolver.cancel();
    writer.clear();
    reader.reset();
    waiting_writable = false;
  }

  void lose(std::string why) {
    const bool was_ready = phase == Phase::kReady;
    drop_connection();
    phase = Phase::kDown;
    if (was_ready) down_since = Clock::now();
    // Jitter by drawing the next pause from a range that grows with the last one.
    const auto spread = static_cast<std::uint64_t>(3 * backoff.count() - kBackoffMin.count()) + 1;
    backoff = std::min(kBackoffMax, kBackoffMin + Milliseconds(static_cast<std::int64_t>(random_u64() % spread)));
    retry_at = Clock::now() + backoff;

    std::vector<Done> failed;
    if (was_ready) give_up_unknown(failed);
    plan();
    const std::string told = why;  // the callbacks below may change everything
    tell_down(std::move(why), was_ready);
    for (const Done& done : failed) done(Error(Errc::kUnavailable, "Redis: " + told));
  }

  void tell_down(std::string why, bool was_ready = false) {
    const bool news = was_ready || why != reason;
    reason = std::move(why);
    if (!news || !changed) return;
    const std::string told = reason;  // the handler may change everything
    changed(false, told);
  }

  /// Of the commands that were given to the socket, those that may not run twice end now. One of which no byte had
  /// been written cannot have run and stays.
  void give_up_unknown(std::vector<Done>& failed) {
    auto kept = queue.begin();
    const auto end = queue.begin() + static_cast<std::ptrdiff_t>(sent);
    for (auto it = queue.begin(); it != end; ++it) {
      const bool touched = it->wire_end - it->size < written;
      const bool over = it->on_loss == OnLoss::kFail && (touched || !it->done);
      if (over) {
        forget_bytes(it->size);
        if (it->done) failed.push_back(std::move(it->done));
      } else {
        if (kept != it) *kept = std::move(*it);
        ++kept;
      }
    }
    queue.erase(kept, end);
    set_sent(0);
  }

  void close() {
    if (phase == Phase::kClosed) return;
    phase = Phase::kClosed;
    down_since = Clock::now();
    reason = "closed";
    drop_connection();
    cancel();
    const auto ended = std::move(queue);
    queue.clear();
    set_sent(0);
    waiting_bytes.set(0);
    for (const Waiting& waiting : ended)
      if (waiting.done) waiting.done(Error(Errc::kClosed, "the connection to Redis was closed"));
  }

  // --- writing ----------------------------------------------------------------------------------------------------

  bool send(AnyCommand command, OnLoss on_loss, Done done, Milliseconds deadline) {
    const std::size_t size = std::visit([](const auto& any) { return encoded_size(any); }, command);
    if (phase == Phase::kClosed || waiting_bytes.get() + size > options.queue_bytes_max) return false;
    const bool timed = on_loss == OnLoss::kFail && deadline > Milliseconds(0);
    const auto until = timed ? Clock::now() + deadline : kNever;
    queue.push_back(Waiting{std::move(command), std::move(done), until, size, 0, on_loss});
    waiting_bytes.add(size);
    commands.add(1);
    if (phase == Phase::kReady) ask_flush();
    if (until < earliest_deadline) {
      earliest_deadline = until;
      plan();
    }
    return true;
  }

  void ask_flush() {
    if (flush_asked) return;
    flush_asked = true;
    home.at_turn_end([self = shared_from_this()] {
      self->flush_asked = false;
      self->flush();
    });
  }

  void gather() {
    if (phase != Phase::kReady || sent == queue.size()) return;
    if (sent == 0) progress_at = home.now();  // from now on an answer is due
    std::size_t count = sent;
    for (; count < queue.size() && writer.bytes() < kGatherBytes; ++count) {
      Waiting& next = queue[count];
      std::visit([this](const auto& any) { writer.add(any); }, next.command);
      encoded += next.size;
      next.wire_end = encoded;
    }
    set_sent(count);
  }

  void flush() {
    if ((phase != Phase::kReady && phase != Phase::kSigningIn && phase != Phase::kGuarding) || waiting_writable) return;
    for (std::size_t this_turn = 0;;) {
      if (writer.empty()) gather();
      if (writer.empty()) return;
      if (this_turn >= kWriteBytesPerTurn) return wait_writable();
      const ssize_t taken = writer.write_some(socket.native_handle());
      if (taken == -EINTR) continue;
      if (taken == -EAGAIN || taken == -EWOULDBLOCK) return wait_writable();
      if (taken < 0) return lose(std::generic_category().message(static_cast<int>(-taken)));
      // Bytes that go out are a sign of life as long as not even the command that is answered next is out.
      if (phase == Phase::kReady && sent > 0 && queue.front().wire_end > written) progress_at = home.now();
      written += static_cast<std::uint64_t>(taken);
      this_turn += static_cast<std::size_t>(taken);
    }
  }

  void wait_writable() {
    waiting_writable = true;
    socket.async_wait(asio::socket_base::wait_write,
                      [self = shared_from_this(), e = epoch](const boost::system::error_code& ec) {
                        if (e != self->epoch) return;
                        self->waiting_writable = false;
                        if (!ec) self->flush();
                      });
  }

  // --- reading ----------------------------------------------------------------------------------------------------

  void wait_readable() {
    socket.async_wait(asio::socket_base::wait_read,
                      [self = shared_from_this(), e = epoch](const boost::system::error_code& ec) {
                        if (e != self->epoch) return;
                        if (ec) return self->lose(ec.message());
                        self->read();
                        if (e == self->epoch) self->wait_readable();
                      });
  }

  void read() {
    const std::uint64_t before = epoch;
    for (int i = 0; i < kReadsPerTurn; ++i) {
      const ssize_t got = ::recv(socket.native_handle(), buffer.get(), kReadBytes, MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got < 0) return lose(std::generic_category().message(errno));
      if (got == 0) return lose("the server closed the connection");
      heard_at = progress_at = home.now();
      const auto size = static_cast<std::size_t>(got);
      for (std::size_t at = 0; at < size; at += kFeedBytes) {
        reader->feed(buffer.get() + at, std::min(kFeedBytes, size - at));
        take_replies();
        if (epoch != before) return;
      }
      if (size < kReadBytes) return;
    }
  }

  void take_replies() {
    const std::uint64_t before = epoch;
    for (Reply reply;;) {
      switch (reader->next(reply)) {
        case ReplyReader::State::kMore:
          return;
        case ReplyReader::State::kBroken:
          return lose("the server does not speak the Redis protocol: " + reader->error());
        case ReplyReader::State::kReply:
          break;
      }
      if (phase == Phase::kReady)
        take_reply(std::move(reply));
      else if (phase == Phase::kGuarding)
        take_guard_reply(reply);
      else
        take_sign_in_reply(reply);
      if (epoch != before) return;
    }
  }

  void take_reply(Reply&& reply) {
    // Only an error that the server sends before it hangs up can come early.
    if (sent == 0 || queue.front().wire_end > written)
      return lose(reply.is_error() ? "the server said: " + reply.text : "the server answers what nobody asked for");
    const Done done = std::move(queue.front().done);
    forget_bytes(queue.front().size);
    queue.pop_front();
    set_sent(sent - 1);
    if (done) done(Result<Reply>(std::move(reply)));
  }

  // --- time -------------------------------------------------------------------------------------------------------

  /// Arms the timer for what is due next. In kReady that is a lower bound, so that commands need not touch the timer.
  void plan() {
    const auto now = Clock::now();  // the turn may have begun long ago
    auto next = earliest_deadline;
    switch (phase) {
      case Phase::kDown:
        next = std::min(next, retry_at);
        break;
      case Phase::kConnecting:
      case Phase::kSigningIn:
      case Phase::kGuarding:
        next = std::min(next, attempt_ends);
        break;
      case Phase::kReady:
        next = std::min(next,
                        sent > 0 ? progress_at + options.deaf : std::min(heard_at + options.probe, now + options.deaf));
        break;
      case Phase::kClosed:
        return;
    }
    const auto pause = std::chrono::ceil<Milliseconds>(next - now);
    home.timers().arm(*this, std::max(pause, Milliseconds(1)));
  }

  void on_timer() override {
    const auto self = shared_from_this();
    expire();
    const auto now = home.now();
    if (phase == Phase::kDown && now >= retry_at) {
      connect();
    } else if ((phase == Phase::kConnecting || phase == Phase::kSigningIn) && now >= attempt_ends) {
      lose("no connection within " + in_ms(options.connect));
    } else if (phase == Phase::kGuarding && now >= attempt_ends) {
      if (guard_asked)
        lose("no answer for " + in_ms(options.deaf));
      else
        ask_guard();
    } else if (phase == Phase::kReady && sent > 0) {
      const std::uint64_t before = epoch;
      // We may have been held up ourselves and the answer lies in the socket.
      if (now >= progress_at + options.deaf) read();
      if (before == epoch && sent > 0 && now >= progress_at + options.deaf)
        lose("no answer for " + in_ms(options.deaf));
    } else if (phase == Phase::kReady && queue.empty() && now >= heard_at + options.probe) {
      Command ping = {"PING"};
      const std::size_t size = encoded_size(ping);
      queue.push_back(Waiting{std::move(ping), Done(), kNever, size, 0, OnLoss::kFail});
      waiting_bytes.add(size);
      ask_flush();
    }
    plan();
  }

  void expire() {
    const auto now = home.now();
    if (now < earliest_deadline) return;
    std::vector<Done> late;
    earliest_deadline = kNever;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < queue.size(); ++i) {
      Waiting& waiting = queue[i];
      bool stays = true;
      if (waiting.done && waiting.deadline <= now) {
        late.push_back(std::move(waiting.done));
        waiting.done = nullptr;
        stays = i < sent;  // its answer will come, and must meet its place in the queue
      } else if (waiting.done) {
        earliest_deadline = std::min(earliest_deadline, waiting.deadline);
      }
      if (!stays) {
        forget_bytes(waiting.size);
        continue;
      }
      if (kept != i) queue[kept] = std::move(waiting);
      ++kept;
    }
    queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(kept), queue.end());
    for (const Done& done : late) done(Error(Errc::kTimeout, "Redis gave no answer in time"));
  }

  // ----------------------------------------------------------------------------------------------------------------

  void forget_bytes(std::size_t size) { waiting_bytes.set(waiting_bytes.get() - size); }
  void set_sent(std::size_t count) {
    sent = count;
    unanswered.set(count);
  }

  Reactor& home;
  const Options options;
  Phase phase = Phase::kDown;
  std::uint64_t epoch = 0;
  std::function<void(bool, const std::string&)> changed;
  std::string reason;
  Clock::time_point down_since = Clock::now();
  bool connected_before = false;

  asio::generic::stream_protocol::socket socket;
  asio::ip::tcp::resolver resolver;
  std::vector<Address> addresses;
  std::size_t next_address = 0;
  std::string last_error;
  std::vector<Command> sign_in_list;
  std::size_t signed_in = 0;  // replies to it
  std::optional<AppendFileGuard> guard;
  Command guard_command;
  bool guard_asked = false;  // else it pauses
  Milliseconds backoff = kBackoffMin;
  Clock::time_point retry_at{}, attempt_ends{};

  std::deque<Waiting> queue;  // the first `sent` of them are with the writer or the server
  std::size_t sent = 0;
  Clock::time_point earliest_deadline = kNever;  // or a little before: deadlines that no longer count stay in it
  CommandWriter writer;
  std::uint64_t encoded = 0, written = 0;  // bytes of commands of this connection, without signing in
  bool flush_asked = false, waiting_writable = false;

  std::optional<ReplyReader> reader;
  std::unique_ptr<char[]> buffer;
  Clock::time_point heard_at{};     // last byte from the server
  Clock::time_point progress_at{};  // last sign that the answer due next will come

  Gauge reconnects, commands, waiting_bytes, unanswered;
};

Client::Client(Reactor& home, Options options)
    : ReactorBound(home), impl_(std::make_shared<Impl>(home, std::move(options))) {
  home.post([impl = impl_] {
    if (impl->phase != Impl::Phase::kDown) return;
    impl->connect();
    impl->plan();
  });
}

Client::~Client() { impl_->close(); }

bool Client::send(Command command, OnLoss on_loss, Done done, Milliseconds deadline) {
  check_home();
  return impl_->send(std::move(command), on_loss, std::move(done), deadline);
}

bool Client::send(WireCommand command, OnLoss on_loss, Done done, Milliseconds deadline) {
  check_home();
  return impl_->send(std::move(command), on_loss, std::move(done), deadline);
}

asio::awaitable<Result<Reply>> Client::call(Command command, Milliseconds deadline) {
  check_home();
  auto start = [impl = impl_.get(), deadline]<class Handler>(Handler handler, Command what) {
    auto shared = std::make_shared<Handler>(std::move(handler));
    auto done = [shared](Result<Reply> reply) { (*shared)(std::move(reply)); };
    if (impl->send(std::move(what), OnLoss::kFail, std::move(done), deadline)) return;
    const bool closed = impl->phase == Impl::Phase::kClosed;
    impl->home.post([shared, closed] {
      (*shared)(Result<Reply>(closed ? Error(Errc::kClosed, "the connection to Redis was closed")
                                     : Error(Errc::kOverloaded, "the queue of commands for Redis is full")));
    });
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Result<Reply>)>(std::move(start), asio::use_awaitable,
                                                                                  std::move(command));
}

bool Client::connected() const noexcept { return impl_->phase == Impl::Phase::kReady; }
Clock::time_point Client::down_since() const noexcept { return impl_->down_since; }
const std::string& Client::down_reason() const noexcept { return impl_->reason; }
void Client::on_change(std::function<void(bool, const std::string&)> handler) { impl_->changed = std::move(handler); }

void Client::close() {
  check_home();
  const auto keep = impl_;  // a callback may destroy the client
  keep->close();
}

Client::Stats Client::stats() const noexcept {
  Stats stats;
  stats.reconnects = impl_->reconnects.get();
  stats.commands = impl_->commands.get();
  stats.waiting_bytes = impl_->waiting_bytes.get();
  stats.unanswered = impl_->unanswered.get();
  return stats;
}

}  // namespace parley::store::redis
