#pragma once
#include <memory>
#include <string>

#include "redis/reply.hpp"

struct redisReader;

namespace parley::store::redis {

/// Bytes of RESP2 in, replies out: hiredis' reader, building our own type directly.
class ReplyReader {
 public:
  enum class State { kMore, kReply, kBroken };

  ReplyReader();
  /// Keep the pieces small (16 KiB): hiredis moves what is left of its buffer after every reply or so.
  void feed(const char* bytes, std::size_t size);
  /// kReply: `reply` is the next one. kMore: nothing whole is left. kBroken: this is no RESP; see error().
  State next(Reply& reply);
  std::string error() const;

  /// Makes the reader of a hiredis context build its replies in `root`, which must outlive it: what hiredis then gives
  /// as a reply is the address of `root`.
  static void install(redisReader& reader, Reply& root);

 private:
  struct Free {
    void operator()(redisReader* reader) const noexcept;
  };
  std::unique_ptr<Reply> root_;  // its address must not change
  std::unique_ptr<redisReader, Free> reader_;
};

}  // namespace parley::store::redis
