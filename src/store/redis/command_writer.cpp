#include "redis/command_writer.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace parley::store::redis {
namespace {

constexpr std::size_t kCopyBelow = 4096;  // copying less is cheaper than one more piece
constexpr std::size_t kPiecesPerCall = 64;

std::size_t digits(std::size_t value) noexcept {
  std::size_t count = 1;
  for (; value >= 10; value /= 10) ++count;
  return count;
}

void append_line(std::string& text, char kind, std::size_t value) {
  std::array<char, 24> line;
  line[0] = kind;
  char* end = std::to_chars(line.data() + 1, line.data() + line.size() - 2, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  text.append(line.data(), static_cast<std::size_t>(end - line.data()));
}

}  // namespace

std::size_t encoded_size(const Command& command) noexcept {
  std::size_t size = 3 + digits(command.size());
  for (const std::string& argument : command) size += 5 + digits(argument.size()) + argument.size();
  return size;
}

std::size_t encoded_size(const WireCommand& command) noexcept {
  std::size_t size = 0;
  for (const std::string& piece : command.pieces) size += piece.size();
  return size;
}

void CommandWriter::close_text_piece() {
  if (text_.size() > text_in_pieces_)
    pieces_.push_back(Piece{nullptr, text_in_pieces_, text_.size() - text_in_pieces_});
  text_in_pieces_ = text_.size();
}

void CommandWriter::add(const Command& command) {
  append_line(text_, '*', command.size());
  for (const std::string& argument : command) {
    append_line(text_, '$', argument.size());
    add_bytes(argument);
    text_ += "\r\n";
  }
  bytes_ += encoded_size(command);
}

void CommandWriter::add(const WireCommand& command) {
  for (const std::string& piece : command.pieces) add_bytes(piece);
  bytes_ += encoded_size(command);
}

void CommandWriter::add_bytes(const std::string& bytes) {
  if (bytes.size() < kCopyBelow) {
    text_ += bytes;
    return;
  }
  close_text_piece();
  pieces_.push_back(Piece{bytes.data(), 0, bytes.size()});
}

ssize_t CommandWriter::write_some(int fd) {
  close_text_piece();
  std::array<iovec, kPiecesPerCall> vectors;
  std::size_t count = 0;
  for (std::size_t i = first_; i < pieces_.size() && count < vectors.size(); ++i, ++count) {
    const Piece& piece = pieces_[i];
    const char* const start = piece.outside ? piece.outside : text_.data();
    vectors[count].iov_base = const_cast<char*>(start + piece.offset);
    vectors[count].iov_len = piece.size;
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  const ssize_t taken = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (taken < 0) return -errno;
  auto left = static_cast<std::size_t>(taken);
  bytes_ -= left;
  while (left > 0) {
    Piece& piece = pieces_[first_];
    const std::size_t part = std::min(left, piece.size);
    piece.offset += part;
    piece.size -= part;
    left -= part;
    if (piece.size == 0) ++first_;
  }
  if (bytes_ == 0) clear();
  return taken;
}

void CommandWriter::clear() noexcept {
  text_.clear();
  pieces_.clear();
  text_in_pieces_ = first_ = bytes_ = 0;
}

}  // namespace parley::store::redis
