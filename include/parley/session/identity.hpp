#pragma once
#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/result.hpp"
#include "parley/store/entities.hpp"

namespace parley::session {

struct AgentIdentity {
  TenantId tenant;
  AgentId agent;
  std::string name;
  store::Role role = store::Role::kAgent;
};

/// Turns an agent's credentials into who it is. Errors: kUnauthenticated, kForbidden (tenant disabled), kOverloaded,
/// kUnavailable. Threads: any reactor; the answer comes back there.
class IdentitySource {
 public:
  virtual ~IdentitySource() = default;
  virtual boost::asio::awaitable<Result<AgentIdentity>> by_cookie(std::string cookie) = 0;
  virtual boost::asio::awaitable<Result<AgentIdentity>> by_bearer(std::string token) = 0;
};

}  // namespace parley::session
