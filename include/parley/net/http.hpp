#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parley/base/result.hpp"

namespace parley::net {

/// A parsed HTTP/1.1 request. Header names are compared without case.
struct HttpRequest {
  std::string method;  ///< upper case
  std::string path;    ///< decoded, no query, "." and ".." refused before
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string ip;                             ///< the client's, after trusted proxies
  bool secure = false;                        ///< https, after trusted proxies
  std::string host;                           ///< of the Host header (or of server.public_url)
  bool own_origin = false;                    ///< the Origin header is the daemon's own
  bool admin_socket = false;                  ///< came over data/admin.sock
  std::map<std::string, std::string> params;  ///< filled by the router: {id} in the pattern

  std::string_view header(std::string_view name) const;
  std::optional<std::string_view> query_value(std::string_view name) const;
  std::string_view cookie(std::string_view name) const;
};

/// `Content-Length`, `Date`, `Connection` and the headers every answer carries (nosniff, referrer policy) are added
/// when it is sent.
struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// Shared body (static files); used instead of `body` if set.
  std::shared_ptr<const std::string> shared_body;
  std::string ref;  ///< of a problem: stands in the body, and in the log beside the route

  static HttpResponse json(int status, std::string body);
  /// application/problem+json; the ref is logged together with the route. `after_ms` > 0 also gives Retry-After.
  static HttpResponse problem(int status, std::string_view code, std::string_view detail, std::string_view field = {},
                              std::int64_t after_ms = 0);
  /// The status and general code of an Error (bad_field, unauthenticated, forbidden, not_found, conflict, gone,
  /// too_large, filtered, rate, busy, unavailable, storage_full, internal). The detail of kInternal goes to the log
  /// only.
  static HttpResponse of(const Error& error);
};

/// Routes by method and pattern ("/api/v1/agents/{id}"; a last segment "{*rest}" takes all that is left). Handlers run
/// as coroutines on the reactor of the connection. A literal segment wins over a parameter. HEAD is answered by the GET
/// route (the body is not sent). Unknown path: 404 problem; known path, other method: 405 with Allow. What a handler
/// throws becomes a 500 and a line in the log. Threads: add() before the server starts; handle() on any reactor.
class Router {
 public:
  using Handler = std::function<boost::asio::awaitable<HttpResponse>(HttpRequest&)>;
  void add(std::string_view method, std::string_view pattern, Handler handler);
  boost::asio::awaitable<HttpResponse> handle(HttpRequest& request) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace parley::net
