#pragma once
#include <filesystem>
#include <string>

#include "parley/base/result.hpp"

namespace parley::app {

struct AdminRequest {
  std::string method;  ///< GET or POST
  std::string target;  ///< "/admin/v1/tenants"
  std::string body;    ///< JSON; empty for GET
};
struct AdminReply {
  int status = 0;
  std::string body;
};

/// Asks the daemon that listens on a Unix socket. Blocks for at most 30 s; the main thread of the command line only.
/// Errors: kUnavailable (nobody answers there), kForbidden (the socket belongs to someone else), kTimeout, kBadInput
/// (the path is longer than a socket address holds), kInternal (an answer that is not HTTP).
Result<AdminReply> call_admin(const std::filesystem::path& socket, const AdminRequest& request);

}  // namespace parley::app
