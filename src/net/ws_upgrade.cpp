#include "ws_upgrade.hpp"

#include <algorithm>

#include "http_text.hpp"
#include "parley/protocol/ws.hpp"

namespace parley::net {
namespace {

constexpr std::string_view kSubprotocol = "parley.v1";

/// Lists may be spread over several lines of the same name.
bool header_has(const HttpRequest& request, std::string_view name, std::string_view token) {
  return std::any_of(request.headers.begin(), request.headers.end(), [&](const auto& header) {
    return equal_no_case(header.first, name) && has_token(header.second, token);
  });
}

/// base64 of 16 bytes: 22 characters and two signs of equality.
bool is_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  return std::all_of(key.begin(), key.end() - 2,
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; });
}

}  // namespace

std::optional<HttpResponse> check_upgrade(const HttpRequest& request, const WsOptions& options) {
  const auto bad = [](std::string_view detail) { return HttpResponse::problem(400, "bad_handshake", detail); };
  if (request.method != "GET") return bad("A WebSocket begins with GET.");
  if (!header_has(request, "Upgrade", "websocket") || !header_has(request, "Connection", "upgrade")) {
    return bad(
        "This address is a WebSocket: Upgrade and Connection are missing. A proxy in between must pass them on.");
  }
  if (trimmed(request.header("Sec-WebSocket-Version")) != "13") {
    HttpResponse response =
        HttpResponse::problem(426, "websocket_version", "Only WebSocket version 13 is spoken here.");
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    response.headers.emplace_back("Upgrade", "websocket");
    return response;
  }
  if (!is_key(trimmed(request.header("Sec-WebSocket-Key")))) return bad("Sec-WebSocket-Key is not 16 bytes in base64.");
  if (options.require_subprotocol && !header_has(request, "Sec-WebSocket-Protocol", kSubprotocol)) {
    return bad("The subprotocol parley.v1 must be offered in Sec-WebSocket-Protocol.");
  }
  return std::nullopt;
}

std::string upgrade_answer(const HttpRequest& request, const WsOptions& options) {
  std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
  answer.append(protocol::ws::accept_key(trimmed(request.header("Sec-WebSocket-Key"))));
  if (options.require_subprotocol) answer.append("\r\nSec-WebSocket-Protocol: ").append(kSubprotocol);
  answer.append("\r\n\r\n");
  return answer;
}

}  // namespace parley::net
