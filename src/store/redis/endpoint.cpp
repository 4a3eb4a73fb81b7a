#include "redis/endpoint.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace parley::store::redis {
namespace {

constexpr std::size_t kSocketPathMax = 107;  // sizeof sockaddr_un::sun_path, less the NUL

Error bad(std::string detail) {
  return Error(Errc::kBadInput, std::move(detail) +
                                    "; expected redis://[user:password@]host[:port][/database] or "
                                    "unix://[user:password@]/path[?database=n]");
}

std::optional<unsigned> number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data(), end, value);
  if (text.empty() || ec != std::errc() || rest != end || value > max) return std::nullopt;
  return value;
}

/// A NUL would end it for the system's calls, and none of them stands in a name.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; });
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* const end = text.data() + i + 3;
    const auto [rest, ec] = std::from_chars(text.data() + i + 1, end, value, 16);
    if (ec != std::errc() || rest != end) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

/// Takes `user:password@` off the front of `rest`; false if it is malformed.
bool take_user(std::string_view& rest, std::size_t at, Endpoint& endpoint) {
  const std::string_view who = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const std::size_t colon = who.find(':');
  const std::optional<std::string> user = percent_decoded(who.substr(0, colon));
  std::optional<std::string> password = std::string();
  if (colon != std::string_view::npos) password = percent_decoded(who.substr(colon + 1));
  if (!user || !password || (password->empty() && !user->empty())) return false;
  endpoint.user = *user;
  endpoint.password = *password;
  return true;
}

Result<Endpoint> parse_unix(std::string_view rest) {
  Endpoint endpoint;
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return bad("the path of the Redis socket must begin with a slash");
  if (slash > 0) {
    // Everything before the path must be a user: a host makes no sense here.
    if (rest[slash - 1] != '@' || !take_user(rest, slash - 1, endpoint))
      return bad("what stands before the path of the Redis socket is not user:password@");
  }
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    std::string_view query = rest.substr(question + 1);
    rest = rest.substr(0, question);
    constexpr std::string_view kKey = "database=";
    const std::optional<unsigned> database =
        query.starts_with(kKey) ? number(query.substr(kKey.size()), 16383) : std::nullopt;
    if (!database) return bad("after the question mark only database=n is known");
    endpoint.database = *database;
  }
  if (rest.size() > kSocketPathMax) return bad("the path of a unix socket has at most 107 characters");
  if (rest.size() < 2) return bad("the path of the Redis socket is missing");
  if (has_control(rest)) return bad("the path of the Redis socket holds a control character");
  endpoint.unix_socket = rest;
  return endpoint;
}

Result<Endpoint> parse_tcp(std::string_view rest) {
  Endpoint endpoint;
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos && !take_user(rest, at, endpoint))
    return bad("what stands before the @ is not user:password (a password alone: redis://:password@host)");
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view path = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    if (!path.empty()) {
      const std::optional<unsigned> database = number(path, 16383);
      if (!database) return bad("what follows the host is not the number of a Redis database");
      endpoint.database = *database;
    }
  }
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return bad("the bracket of the IPv6 address is not closed");
    endpoint.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    has_port = rest.starts_with(':');
    if (!rest.empty() && !has_port) return bad("what follows the IPv6 address is not a port");
    if (has_port) port = rest.substr(1);
  } else {
    const std::size_t colon = rest.find(':');
    endpoint.host = rest.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = rest.substr(colon + 1);
  }
  if (endpoint.host.empty()) return bad("the host is missing");
  if (endpoint.host.find_first_of(" ?#[]") != std::string::npos || has_control(endpoint.host))
    return bad("that is not the name of a host");
  if (has_port) {
    const std::optional<unsigned> value = number(port, 65535);
    if (!value || *value == 0) return bad("the port is not a number from 1 to 65535");
    endpoint.port = static_cast<std::uint16_t>(*value);
  }
  return endpoint;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view url) {
  constexpr std::string_view kTcp = "redis://", kUnix = "unix://", kTls = "rediss://";
  if (url.starts_with(kTcp)) return parse_tcp(url.substr(kTcp.size()));
  if (url.starts_with(kUnix)) return parse_unix(url.substr(kUnix.size()));
  if (url.starts_with("unix:/")) return parse_unix(url.substr(5));
  if (url.starts_with(kTls))
    return bad(
        "TLS to Redis is not supported: keep Redis on a private network or a unix socket, or put a tunnel before it");
  return bad("the address of Redis begins neither with redis:// nor with unix://");
}

std::string describe(const Endpoint& endpoint) {
  if (!endpoint.unix_socket.empty()) return endpoint.unix_socket;
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

std::vector<Command> sign_in_commands(const Endpoint& endpoint) {
  std::vector<Command> commands;
  if (!endpoint.password.empty()) {
    Command auth = {"AUTH"};
    if (!endpoint.user.empty()) auth.push_back(endpoint.user);
    auth.push_back(endpoint.password);
    commands.push_back(std::move(auth));
  }
  if (endpoint.database != 0) commands.push_back(Command{"SELECT", std::to_string(endpoint.database)});
  commands.push_back(Command{"PING"});
  return commands;
}

std::string sign_in_refusal(const Command& command, const Reply& reply) {
  if (!reply.is_error()) return {};
  if (command[0] == "AUTH") return "wrong user or password: " + reply.text;
  if (reply.error_word() == "NOAUTH") return "a password is needed: " + reply.text;
  if (command[0] == "SELECT") return "the database cannot be selected: " + reply.text;
  // An ACL may forbid PING and allow everything we need.
  if (reply.error_word() == "NOPERM") return {};
  return "not ready: " + reply.text;
}

}  // namespace parley::store::redis
