#include <algorithm>
#include <exception>
#include <stdexcept>

#include "parley/net/http.hpp"
#include "parley/obs/log.hpp"

namespace parley::net {
namespace {

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
  }
  return segments;
}

bool is_parameter(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}
bool takes_rest(const std::string& segment) { return segment.starts_with("{*") && segment.ends_with('}'); }

/// 0 a literal, 1 a parameter, 2 the rest: the smaller the more exact.
int looseness(const std::string& segment) { return takes_rest(segment) ? 2 : is_parameter(segment) ? 1 : 0; }

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (takes_rest(pattern[i])) return path.size() >= i;
    if (i >= path.size()) return false;
    if (is_parameter(pattern[i]) ? path[i].empty() : pattern[i] != path[i]) return false;
  }
  return pattern.size() == path.size();
}

bool more_exact(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const std::string& x, const std::string& y) { return looseness(x) < looseness(y); });
}

std::map<std::string, std::string> params_of(const std::vector<std::string>& pattern,
                                             const std::vector<std::string>& path) {
  std::map<std::string, std::string> params;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (takes_rest(pattern[i])) {
      std::string rest;
      for (std::size_t k = i; k < path.size(); ++k) rest.append(k == i ? "" : "/").append(path[k]);
      params[pattern[i].substr(2, pattern[i].size() - 3)] = std::move(rest);
    } else if (is_parameter(pattern[i])) {
      params[pattern[i].substr(1, pattern[i].size() - 2)] = path[i];
    }
  }
  return params;
}

std::string text_of(const std::vector<std::string>& pattern) {
  std::string text;
  for (const std::string& segment : pattern) text.append("/").append(segment);
  return text;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  if (!pattern.starts_with('/')) throw std::invalid_argument("a route begins with a slash");
  Route route;
  route.method = method;
  route.segments = segments_of(pattern);
  route.handler = std::move(handler);
  routes_.push_back(std::move(route));
}

boost::asio::awaitable<HttpResponse> Router::handle(HttpRequest& request) const {
  const std::vector<std::string> path =
      request.path.starts_with('/') ? segments_of(request.path) : std::vector<std::string>{};
  const Route* best = nullptr;
  std::vector<std::string_view> allowed;
  const auto serves = [&](const Route& route) {
    return route.method == request.method || (request.method == "HEAD" && route.method == "GET");
  };
  for (const Route& route : routes_) {
    if (!request.path.starts_with('/') || !matches(route.segments, path)) continue;
    if (!serves(route)) {
      if (std::find(allowed.begin(), allowed.end(), route.method) == allowed.end()) allowed.push_back(route.method);
    } else if (best == nullptr || more_exact(route.segments, best->segments)) {
      best = &route;
    }
  }
  HttpResponse response;
  if (best != nullptr) {
    request.params = params_of(best->segments, path);
    std::string cause;
    try {
      response = co_await best->handler(request);
    } catch (const std::exception& error) {
      cause = error.what();
      if (cause.empty()) cause = "exception";
    }
    if (!cause.empty()) response = HttpResponse::of(Error(Errc::kInternal, cause));
  } else if (!allowed.empty()) {
    response = HttpResponse::problem(405, "method_not_allowed", "This address does not answer to that method.");
    std::string list;
    for (const std::string_view method : allowed) list.append(list.empty() ? "" : ", ").append(method);
    response.headers.emplace_back("Allow", std::move(list));
  } else {
    response = HttpResponse::problem(404, "not_found", "There is nothing at this address.");
  }
  if (!response.ref.empty()) {
    const std::string route = best != nullptr ? text_of(best->segments) : std::string("-");
    log::at(response.status >= 500 ? log::Level::kWarn : log::Level::kDebug, "http_refused",
            "ref={} method={} route={} status={}", response.ref, log::quote(request.method), route, response.status);
  }
  co_return response;
}

}  // namespace parley::net
