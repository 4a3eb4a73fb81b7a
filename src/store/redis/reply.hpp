#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parley::store::redis {

/// An answer of Redis. Errors are values: the server's refusal of a command is not a failure of the connection.
struct Reply {
  enum class Type { kNil, kInteger, kString, kStatus, kError, kArray };
  Type type = Type::kNil;
  std::int64_t integer = 0;
  std::string text;  ///< of a string, status or error
  std::vector<Reply> items;

  bool is_error() const noexcept { return type == Type::kError; }
  /// First word of an error ("OOM", "FENCED", "ERR"); empty otherwise.
  std::string_view error_word() const noexcept {
    return is_error() ? std::string_view(text).substr(0, text.find(' ')) : std::string_view();
  }
};

/// A command with its arguments, binary safe.
using Command = std::vector<std::string>;

/// A command that is written out already: its bytes on the wire, in pieces.
struct WireCommand {
  std::vector<std::string> pieces;
};

struct Endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string unix_socket;  ///< used instead of host and port if not empty
  std::string user, password;
  unsigned database = 0;
};

}  // namespace parley::store::redis
