#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/blocking_client.hpp"
#include "redis/reply.hpp"

namespace parley::store::redis {

/// What the start of the daemon finds out about a Redis. What could not be asked for is empty.
struct ServerFacts {
  std::string version;                     ///< "7.0.15"
  std::optional<bool> appendonly;          ///< every write goes to a file
  std::string appendfsync;                 ///< "always", "everysec", "no"
  std::optional<std::uint64_t> maxmemory;  ///< bytes; 0: no limit
  std::string maxmemory_policy;            ///< "noeviction", …
  std::vector<std::string> warnings;       ///< for the log: what could be lost as this server is set, and the remedy
};

/// Throws std::runtime_error with one line that names the remedy if this server can never hold the journal: it is older
/// than 7.0, may evict keys, is a replica or runs in cluster mode. Throws ConnectionError if it cannot be asked.
ServerFacts check_server(BlockingClient& client);

/// Function libraries: the command that asks for library `name` with its code, whether the reply to it shows that the
/// library is there with exactly this `source`, and the command that loads it, also over another version. For the
/// asynchronous client, after a Redis came back without its functions.
Command library_query(std::string_view name);
bool library_is_current(const Reply& reply, std::string_view name, std::string_view source);
Command library_load(std::string_view source);

/// Loads the library unless it is there as it should be; true if it was loaded. Throws std::runtime_error if Redis
/// refuses (the text says why), ConnectionError.
bool load_library(BlockingClient& client, std::string_view name, std::string_view source);

}  // namespace parley::store::redis
