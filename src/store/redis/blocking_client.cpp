#include "redis/blocking_client.hpp"

#include <hiredis/hiredis.h>

#include <cerrno>
#include <new>
#include <system_error>

#include "redis/command_writer.hpp"
#include "redis/endpoint.hpp"
#include "redis/reply_reader.hpp"

namespace parley::store::redis {
namespace {

constexpr std::size_t kPipelineBytes = 1u
                                       << 20;  // written before answers are read: hiredis copies and moves its buffer

timeval to_timeval(std::chrono::milliseconds time) {
  timeval value{};
  value.tv_sec = time.count() / 1000;
  value.tv_usec = (time.count() % 1000) * 1000;
  return value;
}

struct FreeContext {
  void operator()(redisContext* context) const noexcept { redisFree(context); }
};

}  // namespace

struct BlockingClient::Impl {
  Endpoint endpoint;
  std::chrono::milliseconds connect_time, answer_time;
  Reply root = {};  // what hiredis builds its replies in
  std::unique_ptr<redisContext, FreeContext> context = nullptr;

  [[noreturn]] void fail(const std::string& why) {
    context.reset();
    throw ConnectionError("Redis at " + describe(endpoint) + ": " + why);
  }

  [[noreturn]] void fail_as_hiredis_says(std::chrono::milliseconds limit) {
    // After a failed call hiredis leaves errno as the system call set it.
    const int number = errno;
    const bool late =
        context->err == REDIS_ERR_IO && (number == EAGAIN || number == EWOULDBLOCK || number == ETIMEDOUT);
    if (late) fail("no answer within " + std::to_string(limit.count()) + " ms");
    fail(context->err == REDIS_ERR_EOF ? "the server closed the connection" : std::string(context->errstr));
  }

  void append(const Command& command) {
    std::vector<const char*> arguments(command.size());
    std::vector<std::size_t> sizes(command.size());
    for (std::size_t i = 0; i < command.size(); ++i) {
      arguments[i] = command[i].data();
      sizes[i] = command[i].size();
    }
    const int count = static_cast<int>(command.size());
    if (redisAppendCommandArgv(context.get(), count, arguments.data(), sizes.data()) != REDIS_OK)
      fail_as_hiredis_says(answer_time);
  }

  void append(const WireCommand& command) {
    for (const std::string& piece : command.pieces) {
      if (redisAppendFormattedCommand(context.get(), piece.data(), piece.size()) != REDIS_OK)
        fail_as_hiredis_says(answer_time);
    }
  }

  Reply take() {
    void* found = nullptr;
    if (redisGetReply(context.get(), &found) != REDIS_OK || !found) fail_as_hiredis_says(answer_time);
    Reply reply = std::move(root);
    root = Reply();
    return reply;
  }

  void connect() {
    if (context) return;
    const timeval limit = to_timeval(connect_time);
    context.reset(endpoint.unix_socket.empty() ? redisConnectWithTimeout(endpoint.host.c_str(), endpoint.port, limit)
                                               : redisConnectUnixWithTimeout(endpoint.unix_socket.c_str(), limit));
    if (!context) throw std::bad_alloc();
    if (context->err) fail("cannot connect: " + std::string(context->errstr));
    root = Reply();
    ReplyReader::install(*context->reader, root);
    if (redisSetTimeout(context.get(), to_timeval(answer_time)) != REDIS_OK) fail_as_hiredis_says(answer_time);
    for (const Command& command : sign_in_commands(endpoint)) {
      append(command);
      const std::string refusal = sign_in_refusal(command, take());
      if (!refusal.empty()) fail(refusal);
    }
  }
};

BlockingClient::BlockingClient(Endpoint endpoint, std::chrono::milliseconds connect, std::chrono::milliseconds answer)
    : impl_(std::make_unique<Impl>()) {
  impl_->endpoint = std::move(endpoint);
  impl_->connect_time = connect;
  impl_->answer_time = answer;
}

BlockingClient::~BlockingClient() = default;
BlockingClient::BlockingClient(BlockingClient&&) noexcept = default;
BlockingClient& BlockingClient::operator=(BlockingClient&&) noexcept = default;

Reply BlockingClient::call(const Command& command) {
  impl_->connect();
  impl_->append(command);
  return impl_->take();
}

Reply BlockingClient::call(const WireCommand& command) {
  impl_->connect();
  impl_->append(command);
  return impl_->take();
}

std::vector<Reply> BlockingClient::pipeline(const std::vector<Command>& commands) {
  impl_->connect();
  std::vector<Reply> replies;
  replies.reserve(commands.size());
  std::size_t appended = 0;
  while (replies.size() < commands.size()) {
    for (std::size_t bytes = 0; appended < commands.size() && bytes < kPipelineBytes; ++appended) {
      impl_->append(commands[appended]);
      bytes += encoded_size(commands[appended]);
    }
    while (replies.size() < appended) replies.push_back(impl_->take());
  }
  return replies;
}

void BlockingClient::disconnect() { impl_->context.reset(); }
const Endpoint& BlockingClient::endpoint() const noexcept { return impl_->endpoint; }

}  // namespace parley::store::redis
