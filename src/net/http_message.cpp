#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "http_text.hpp"
#include "http_wire.hpp"
#include "parley/net/http.hpp"
#include "parley/obs/log.hpp"

namespace parley::net {
namespace {

std::string_view status_text(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return status < 400 ? "OK" : "Error";
  }
}

bool clean(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_no_case(key, name)) return value;
  }
  return {};
}

std::optional<std::string_view> HttpRequest::query_value(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view HttpRequest::cookie(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (!equal_no_case(key, "cookie")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      pair = trimmed(pair);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)) != name) continue;
      std::string_view found = trimmed(pair.substr(equals + 1));
      if (found.size() >= 2 && found.front() == '"' && found.back() == '"') found = found.substr(1, found.size() - 2);
      return found;
    }
  }
  return {};
}

HttpResponse HttpResponse::json(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

HttpResponse HttpResponse::problem(int status, std::string_view code, std::string_view detail, std::string_view field,
                                   std::int64_t after_ms) {
  HttpResponse response;
  response.status = status;
  response.ref = log::make_ref();
  response.headers.emplace_back("Content-Type", "application/problem+json");
  nlohmann::ordered_json body;
  body["type"] = "about:blank";
  body["title"] = status_text(status);
  body["status"] = status;
  body["code"] = code;
  body["detail"] = detail;
  if (!field.empty()) body["field"] = field;
  if (after_ms > 0) {
    body["after_ms"] = after_ms;
    response.headers.emplace_back("Retry-After", std::to_string((after_ms + 999) / 1000));
  }
  body["ref"] = response.ref;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return response;
}

HttpResponse HttpResponse::of(const Error& error) {
  const auto as = [&](int http, std::string_view code) { return problem(http, code, error.detail, error.field); };
  switch (error.code) {
    case Errc::kBadInput:
      return as(400, "bad_field");
    case Errc::kUnauthenticated:
      return as(401, "unauthenticated");
    case Errc::kForbidden:
      return as(403, "forbidden");
    case Errc::kNotFound:
      return as(404, "not_found");
    case Errc::kConflict:
      return as(409, "conflict");
    case Errc::kGone:
      return as(410, "gone");
    case Errc::kTooLarge:
      return as(413, "too_large");
    case Errc::kFiltered:
      return as(422, "filtered");
    case Errc::kRateLimited:
      return problem(429, "rate", error.detail, error.field, 1000);
    case Errc::kOverloaded:
      return problem(503, "busy", error.detail, error.field, 1000);
    case Errc::kTimeout:
    case Errc::kClosed:
    case Errc::kUnavailable:
      return problem(503, "unavailable", error.detail, error.field, 2000);
    case Errc::kStorageFull:
      return problem(507, "storage_full", error.detail, error.field, 5000);
    case Errc::kInternal:
      break;
  }
  HttpResponse response = problem(500, "internal", "The server failed; its log has the reference.");
  log::error("http_internal", "ref={} cause={}", response.ref, log::quote(error.detail));
  return response;
}

std::string serialise_head(const HttpResponse& response, const WireOptions& options) {
  const bool no_body = response.status < 200 || response.status == 204 || response.status == 304;
  std::string head;
  head.reserve(512);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                 status_text(response.status), options.date);
  for (const auto& [name, value] : response.headers) {
    if (!clean(name) || !clean(value)) {
      log::error("http_header_dropped", "name={}",
                 log::quote(name));  // a control character would let its author write headers of his own
      continue;
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!no_body) {
    const std::size_t size = response.shared_body ? response.shared_body->size() : response.body.size();
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", size);
  }
  head.append("X-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n");
  if (options.close) {
    head.append("Connection: close\r\n");
  } else if (options.http_1_0) {
    head.append("Connection: keep-alive\r\n");
  }
  head.append("\r\n");
  return head;
}

}  // namespace parley::net
