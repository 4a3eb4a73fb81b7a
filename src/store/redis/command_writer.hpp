#pragma once
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "redis/reply.hpp"

namespace parley::store::redis {

/// Bytes of `command` on the wire.
std::size_t encoded_size(const Command& command) noexcept;
std::size_t encoded_size(const WireCommand& command) noexcept;

/// Commands on their way into a socket. Small arguments are gathered in one buffer, large ones are written from where
/// they are.
class CommandWriter {
 public:
  /// `command` must stay as it is until empty() or clear().
  void add(const Command& command);
  void add(const WireCommand& command);
  /// Bytes not yet written.
  std::size_t bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return bytes_ == 0; }
  /// One system call: how many bytes the socket took, or minus errno. Never blocks.
  ssize_t write_some(int fd);
  void clear() noexcept;

 private:
  struct Piece {
    const char* outside;  // null: in text_ at `offset`
    std::size_t offset, size;
  };
  void close_text_piece();
  void add_bytes(const std::string& bytes);

  std::string text_;
  std::vector<Piece> pieces_;
  std::size_t text_in_pieces_ = 0;  // bytes of text_ that pieces name already
  std::size_t first_ = 0;           // piece to go on with
  std::size_t bytes_ = 0;
};

}  // namespace parley::store::redis
