#include "redis/reply_reader.hpp"

#include <hiredis/hiredis.h>

#include <new>
#include <stdexcept>

namespace parley::store::redis {
namespace {

constexpr int kItemsMax = 1 << 22;                    // of one array: nothing we ask for has nearly as many
constexpr std::size_t kReaderBufferBytes = 1u << 20;  // kept between replies

/// Where hiredis' current task belongs: in its array, or at the root.
Reply& place_of(const redisReadTask* task) {
  if (!task->parent) return *static_cast<Reply*>(task->privdata);
  return static_cast<Reply*>(task->parent->obj)->items[static_cast<std::size_t>(task->idx)];
}

Reply::Type type_of(int type) {
  switch (type) {
    case REDIS_REPLY_STATUS:
      return Reply::Type::kStatus;
    case REDIS_REPLY_ERROR:
      return Reply::Type::kError;
    default:
      return Reply::Type::kString;
  }
}

// Null means out of memory to hiredis, which then reports a broken connection. No exception may pass through it.

void* create_string(const redisReadTask* task, char* text, std::size_t size) noexcept try {
  Reply& reply = place_of(task);
  reply.type = type_of(task->type);
  reply.text.assign(text, size);
  return &reply;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void* create_array(const redisReadTask* task, int count) noexcept try {
  if (count < 0 || count > kItemsMax) return nullptr;
  Reply& reply = place_of(task);
  reply.type = Reply::Type::kArray;
  reply.items.resize(static_cast<std::size_t>(count));
  return &reply;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void* create_integer(const redisReadTask* task, long long value) noexcept {
  Reply& reply = place_of(task);
  reply.type = Reply::Type::kInteger;
  reply.integer = value;
  return &reply;
}

void* create_nil(const redisReadTask* task) noexcept {
  Reply& reply = place_of(task);
  reply.type = Reply::Type::kNil;
  return &reply;
}

void free_object(void*) noexcept {}  // the root belongs to somebody else

redisReplyObjectFunctions* functions() {
  static redisReplyObjectFunctions table = {create_string, create_array, create_integer, create_nil, free_object};
  return &table;
}

}  // namespace

void ReplyReader::Free::operator()(redisReader* reader) const noexcept { redisReaderFree(reader); }

ReplyReader::ReplyReader() : root_(std::make_unique<Reply>()), reader_(redisReaderCreateWithFunctions(functions())) {
  if (!reader_) throw std::bad_alloc();
  install(*reader_, *root_);
}

void ReplyReader::install(redisReader& reader, Reply& root) {
  reader.fn = functions();
  reader.privdata = &root;
  reader.maxbuf = kReaderBufferBytes;
}

void ReplyReader::feed(const char* bytes, std::size_t size) { redisReaderFeed(reader_.get(), bytes, size); }

ReplyReader::State ReplyReader::next(Reply& reply) {
  void* found = nullptr;
  if (redisReaderGetReply(reader_.get(), &found) != REDIS_OK) return State::kBroken;
  if (!found) return State::kMore;
  reply = std::move(*root_);
  *root_ = Reply();
  return State::kReply;
}

std::string ReplyReader::error() const { return reader_->errstr; }

}  // namespace parley::store::redis
