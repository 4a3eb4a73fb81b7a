#pragma once
#include <optional>
#include <string>

#include "parley/net/http.hpp"
#include "ws_peer.hpp"

namespace parley::net {

/// What is wrong with an upgrade request (RFC 6455 section 4.2.1): 400, or 426 for another version; nothing if it is
/// fine.
std::optional<HttpResponse> check_upgrade(const HttpRequest& request, const WsOptions& options);
/// The 101 answer to a request that is fine. No extension is negotiated.
std::string upgrade_answer(const HttpRequest& request, const WsOptions& options);

}  // namespace parley::net
