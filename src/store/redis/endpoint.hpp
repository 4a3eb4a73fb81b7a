#pragma once
#include <string>
#include <string_view>

#include "parley/base/result.hpp"
#include "redis/reply.hpp"

namespace parley::store::redis {

/// Reads where Redis is: `redis://[user[:password]@]host[:port][/database]` or
/// `unix://[user[:password]@]/path/of/the/socket[?database=n]`, or `unix:/path`. User and password may be
/// percent-encoded; a password alone is written `redis://:password@host`. IPv6 addresses stand in brackets. kBadInput
/// with a sentence for people, which never holds the password. TLS (rediss) is not spoken.
Result<Endpoint> parse_endpoint(std::string_view url);

/// For messages and logs: "127.0.0.1:6379" or the path of the socket; never the password.
std::string describe(const Endpoint& endpoint);

/// What a connection sends before anything else: AUTH and SELECT where needed, and a PING, which tells whether the
/// server answers commands at all (it may still be loading its data, or be full).
std::vector<Command> sign_in_commands(const Endpoint& endpoint);
/// Empty if `reply` to `command` of these is good; otherwise why the connection cannot be used, for people.
std::string sign_in_refusal(const Command& command, const Reply& reply);

}  // namespace parley::store::redis
