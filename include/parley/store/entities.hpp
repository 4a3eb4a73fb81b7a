#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/tenant/roles.hpp"

/// People and their places, as stored. Times are UTC nanoseconds.
namespace parley::store {

using tenant::Role;
using tenant::role_of;
using tenant::to_string;

struct Tenant {
  TenantId id;
  std::string slug;  ///< [a-z0-9-]{1,40}, unique
  std::string name;
  std::string locale = "en";
  std::string time_zone = "UTC";
  bool disabled = false;
  std::string settings = "{}";  ///< JSON object: reopen_window_h …
  std::int64_t created_ns = 0;
};
struct Account {
  AccountId id;
  std::string email;          ///< lower case, unique
  std::string password_hash;  ///< argon2id, encoded
  std::string locale = "en";
  std::string time_zone = "UTC";
  std::int64_t created_ns = 0;
};
struct Agent {
  AgentId id;
  TenantId tenant;
  AccountId account;
  Role role = Role::kAgent;
  std::string display_name;
  bool disabled = false;
  std::int64_t created_ns = 0;
  std::string email;  ///< of the account, filled by list reads
};
struct Channel {
  ChannelId id;
  TenantId tenant;
  std::string kind = "web";  ///< web, app
  std::string name;
  std::string public_key;                    ///< pk_…, unique
  std::vector<std::string> allowed_origins;  ///< scheme://host[:port]; empty: only the daemon's own origin
  std::string settings = "{}";               ///< JSON object: color, position …
  std::int64_t created_ns = 0;
};
struct ConsoleSession {
  std::string token_hash;  ///< SHA-256 of the cookie
  AccountId account;
  AgentId agent;  ///< whose tenant is selected
  std::int64_t created_ns = 0, last_used_ns = 0;
  bool remember = false;
};
struct ApiToken {
  std::uint64_t id = 0;
  AgentId agent;
  std::string name;
  std::string token_hash;
  std::int64_t created_ns = 0, last_used_ns = 0;
};
struct WordList {
  std::uint64_t id = 0;
  TenantId tenant;
  std::string name;
  std::string action;  ///< mask, block, flag
  std::vector<std::string> words;
  std::int64_t updated_ns = 0;
};

}  // namespace parley::store
