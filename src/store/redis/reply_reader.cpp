#include "redis/reply_reader.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <new>
#include <stdexcept>

namespace parley::store::redis {
namespace {

constexpr std::size_t kItemsAtOnce = 64;              // of an array get their memory before they come
constexpr std::size_t kReaderBufferBytes = 1u << 20;  // kept between replies

/// Where hiredis' current task belongs: in its array, or at the root. Arrays grow as their elements come, because
/// whoever only names a large number must not get the memory. The address of an array stays: what it stands in does not
/// grow before it is complete.
Reply& place_of(const redisReadTask* task) {
  if (!task->parent) return *static_cast<Reply*>(task->privdata);
  std::vector<Reply>& items = static_cast<Reply*>(task->parent->obj)->items;
  if (items.size() == static_cast<std::size_t>(task->idx)) items.emplace_back();
  return items[static_cast<std::size_t>(task->idx)];
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
  if (count < 0) return nullptr;
  Reply& reply = place_of(task);
  reply.type = Reply::Type::kArray;
  reply.items.reserve(std::min(static_cast<std::size_t>(count), kItemsAtOnce));
  return &reply;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void* create_integer(const redisReadTask* task, long long value) noexcept try {
  Reply& reply = place_of(task);
  reply.type = Reply::Type::kInteger;
  reply.integer = value;
  return &reply;
} catch (const std::bad_alloc&) {
  return nullptr;
}

void* create_nil(const redisReadTask* task) noexcept try {
  Reply& reply = place_of(task);
  reply.type = Reply::Type::kNil;
  return &reply;
} catch (const std::bad_alloc&) {
  return nullptr;
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
