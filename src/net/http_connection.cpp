#include "http_connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "http_text.hpp"
#include "http_wire.hpp"
#include "parley/base/bytes.hpp"
#include "parley/obs/log.hpp"
#include "ws_upgrade.hpp"

namespace parley::net {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t kQueuedMax =
    256 * 1024;  // answers waiting for a slow reader; above it no further request is looked at
const session::FramePtr kContinue = session::Frame::copy("HTTP/1.1 100 Continue\r\n\r\n");

std::string joined(const HttpRequest& request, std::string_view name) {
  std::string all;
  for (const auto& [key, value] : request.headers) {
    if (!equal_no_case(key, name)) continue;
    if (!all.empty()) all.append(",");
    all.append(value);
  }
  return all;
}

std::string_view last_of(std::string_view list) {
  const std::size_t comma = list.rfind(',');
  return trimmed(comma == std::string_view::npos ? list : list.substr(comma + 1));
}

bool is_https(std::string_view url) { return equal_no_case(url.substr(0, 8), "https://"); }

}  // namespace

HttpConnection::HttpConnection(ReactorNet& net, int fd, const ip::address& remote, const HttpService& service,
                               Admission* admission)
    : Connection(net, fd, service.kind), service_(service), admission_(admission), remote_(remote) {}

HttpConnection::~HttpConnection() {
  if (ticket_) ticket_->connection = nullptr;
}

void HttpConnection::begin() { enter(Phase::kHeader); }

bool HttpConnection::takes_requests() const noexcept {
  return (phase_ == Phase::kIdle || phase_ == Phase::kHeader || phase_ == Phase::kBody) && out_.bytes() <= kQueuedMax;
}

void HttpConnection::enter(Phase phase) {
  phase_ = phase;
  const HttpLimits& limits = service_.limits;
  switch (phase) {
    case Phase::kIdle:
    case Phase::kClosing:
      return net().home().timers().arm(*this, limits.idle);
    case Phase::kHeader:
      return net().home().timers().arm(*this, limits.header);
    case Phase::kBody:
      return net().home().timers().arm(*this, limits.body);
    case Phase::kLinger:
      return net().home().timers().arm(*this, limits.linger);
    case Phase::kHandling:
      return cancel();
  }
}

// --- bytes in
// -------------------------------------------------------------------------------------------------------------------------------------------------------------

void HttpConnection::on_events(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    blocked_ = false;
    net().mark_dirty(*this);
  }
  if ((events & EPOLLIN) != 0) {
    if (takes_requests() || phase_ == Phase::kClosing || phase_ == Phase::kLinger) return read();
    // A request is being handled: the next ones wait in the kernel. Asked for again when it is answered.
    want(blocked_ ? EPOLLOUT : 0U);
  }
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) end();
}

void HttpConnection::read() {
  const std::span<char> buffer = net().read_buffer();
  const ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) end();
    return;
  }
  if (got == 0) {
    ended_input_ = true;
    if (out_.empty()) return end();
    enter(Phase::kClosing);
    return set_interest();
  }
  net().metrics().bytes_in.add(static_cast<std::uint64_t>(got));
  if (phase_ == Phase::kClosing || phase_ == Phase::kLinger) return;
  const std::string_view fresh(buffer.data(), static_cast<std::size_t>(got));
  if (pending_.empty()) {
    const std::string_view rest = advance(fresh);
    if (!buried()) pending_.assign(rest);
  } else {
    std::string bytes = std::move(pending_);
    bytes.append(fresh);
    const std::string_view rest = advance(bytes);
    if (!buried()) pending_.assign(rest);
  }
}

std::string_view HttpConnection::advance(std::string_view bytes) {
  while (!buried() && takes_requests()) {
    if (!parser_) {
      // Old clients end a body with an empty line too many (RFC 9112 section 2.2).
      while (!bytes.empty() && (bytes.front() == '\r' || bytes.front() == '\n')) bytes.remove_prefix(1);
      if (bytes.empty()) return {};
      parser_ = std::make_unique<RequestParser>(service_.limits.header_bytes, service_.limits.body_bytes);
      if (phase_ == Phase::kIdle) enter(Phase::kHeader);
    }
    RequestParser::State state = parser_->put(bytes);
    if (state == RequestParser::State::kHeaderDone) {
      on_headers();
      if (!parser_) return {};
      state = parser_->put(bytes);
    }
    if (state == RequestParser::State::kDone) {
      on_request(bytes);
    } else if (state == RequestParser::State::kFailed) {
      const int status = parser_->status();
      const Refused reason = status == 431   ? Refused::kHeaderSize
                             : status == 413 ? Refused::kBodySize
                                             : Refused::kBadRequest;
      const char* code = status == 431   ? "headers_too_large"
                         : status == 413 ? "too_large"
                         : status == 505 ? "http_version"
                                         : "bad_request";
      refuse(HttpResponse::problem(status, code,
                                   status == 413 ? "The body is larger than this server takes."
                                                 : "This is not a request this server understands."),
             reason);
      return {};
    } else {
      return bytes;
    }
  }
  return buried() ? std::string_view() : bytes;
}

void HttpConnection::on_headers() {
  http_1_0_ = parser_->http_1_0();
  const std::size_t hosts = parser_->count("Host");
  if (hosts > 1 || (hosts == 0 && !http_1_0_)) {
    return refuse(HttpResponse::problem(400, "bad_request", "A request has exactly one Host header."),
                  Refused::kBadRequest);
  }
  const std::string_view expected = trimmed(parser_->header("Expect"));
  if (!expected.empty() && !equal_no_case(expected, "100-continue")) {
    return refuse(HttpResponse::problem(417, "bad_request", "Only 100-continue can be expected."),
                  Refused::kBadRequest);
  }
  if (!parser_->expects_body()) return;
  enter(Phase::kBody);
  if (!expected.empty() && !http_1_0_) {
    out_.push(kContinue);
    net().mark_dirty(*this);
  }
}

// --- requests
// -------------------------------------------------------------------------------------------------------------------------------------------------------------

ip::address HttpConnection::complete(HttpRequest& request) const {
  request.admin_socket = service_.kind == Kind::kAdmin;
  const std::string host(trimmed(request.header("Host")));
  const std::string public_authority = authority_of_url(service_.public_url);
  request.host = public_authority.empty() ? host : public_authority;
  const ip::address client =
      request.admin_socket ? remote_ : service_.trust.client(remote_, joined(request, "X-Forwarded-For"));
  request.ip = request.admin_socket ? std::string("local") : client.to_string();

  const std::string forwarded = joined(request, "X-Forwarded-Proto");
  if (!request.admin_socket && !forwarded.empty() && service_.trust.trusts(remote_)) {
    request.secure = equal_no_case(last_of(forwarded), "https");
  } else {
    // The operator has said that people come by https; a request for that very host came through the proxy that does
    // it.
    request.secure = is_https(service_.public_url) && authority_of_host(host, true) == public_authority;
  }
  const std::string_view origin = trimmed(request.header("Origin"));
  const std::string authority = authority_of_url(origin);
  request.own_origin =
      !authority.empty() && (authority == authority_of_host(host, is_https(origin)) || authority == public_authority);
  return client;
}

void HttpConnection::on_request(std::string_view unread) {
  close_after_ = !parser_->keep_alive();
  HttpRequest request = parser_->take();
  parser_.reset();
  head_ = request.method == "HEAD";
  std::optional<Target> target = parse_target(request.path);
  if (!target)
    return refuse(HttpResponse::problem(400, "bad_request", "The address is not well formed."), Refused::kBadRequest);
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  const ip::address client = complete(request);

  if (service_.acceptor != nullptr && request.path == "/ws") return upgrade(request, client, unread);
  if (service_.pages != nullptr) {
    if (std::optional<HttpResponse> file = service_.pages->serve(request)) return respond(std::move(*file));
  }
  enter(Phase::kHandling);
  ticket_ = std::make_shared<Ticket>(Ticket{this});
  net().home().spawn("http_request", run(ticket_, service_, std::move(request)));
}

boost::asio::awaitable<void> HttpConnection::run(std::shared_ptr<Ticket> ticket, const HttpService& service,
                                                 HttpRequest request) {
  HttpResponse response;
  std::optional<std::string> slug;
  if (service.pages != nullptr) slug = StaticFiles::page_slug(request);
  if (slug) {
    Result<std::optional<std::string>> key = std::optional<std::string>();
    std::string cause;
    try {
      if (service.page_key != nullptr && *service.page_key) {
        boost::asio::awaitable<Result<std::optional<std::string>>> asked = (*service.page_key)(*slug);
        key = co_await std::move(asked);
      }
      response = key ? service.pages->page(*slug, *key) : HttpResponse::of(key.error());
    } catch (const std::exception& error) {
      cause = std::string("page: ") + error.what();
    }
    if (!cause.empty()) response = HttpResponse::of(Error(Errc::kInternal, cause));
  } else {
    response = co_await service.router.handle(request);
  }
  if (ticket->connection != nullptr) ticket->connection->respond(std::move(response));
}

void HttpConnection::upgrade(const HttpRequest& request, const ip::address& client, std::string_view unread) {
  const auto turn_away = [&](HttpResponse response, Refused reason) {
    net().metrics().refused(reason).add();
    respond(std::move(response));
  };
  if (http_1_0_)
    return turn_away(HttpResponse::problem(400, "bad_handshake", "A WebSocket begins with HTTP/1.1."),
                     Refused::kHandshake);
  if (std::optional<HttpResponse> wrong = check_upgrade(request, service_.ws))
    return turn_away(std::move(*wrong), Refused::kHandshake);
  const bool many_clients = client.is_loopback() || service_.trust.trusts(client);
  const Admission::Verdict verdict = admission_->judge(client, many_clients, net().home().now());
  if (verdict == Admission::Verdict::kAddress) {
    return turn_away(HttpResponse::problem(429, "rate", "Too many connections from this address.", {}, 5000),
                     Refused::kAddress);
  }
  if (verdict == Admission::Verdict::kRefused) {
    // Spread over ten seconds, or all of them come back together.
    const auto after_ms = static_cast<std::int64_t>(1000 + random_u64() % 10'000);
    return turn_away(HttpResponse::problem(503, "busy", "Too many connections at once.", {}, after_ms),
                     Refused::kAdmission);
  }
  if (!out_.empty()) {
    // Answers to requests sent before it on this connection; the 101 must not overtake them.
    if (out_.flush(fd(), net().metrics()) != OutQueue::Flush::kEmpty) {
      close_after_ = true;
      return turn_away(HttpResponse::problem(400, "bad_handshake", "A WebSocket needs a connection of its own."),
                       Refused::kHandshake);
    }
  }
  session::PeerInfo info;
  info.connection = net().next_id();
  info.ip = request.ip;
  info.origin = request.header("Origin");
  info.own_origin = request.own_origin;
  info.cookie = request.cookie(request.secure ? "__Host-parley" : "parley");
  info.admitted = verdict == Admission::Verdict::kAdmitted;
  auto peer = std::make_unique<WsPeer>(net(), *service_.net_of, service_.ws, std::move(info),
                                       upgrade_answer(request, service_.ws));
  WsPeer& heir = *peer;
  cancel();
  net().metrics().answered(101).add();
  net().replace(*this, std::move(peer), EPOLLIN);
  heir.begin(*service_.acceptor, unread);
}

// --- answers
// --------------------------------------------------------------------------------------------------------------------------------------------------------------

void HttpConnection::respond(HttpResponse response) {
  ticket_.reset();
  parser_.reset();
  WireOptions options;
  options.date = net().http_date();
  options.close = close_after_ || ended_input_ || !net().keeps_alive();
  options.http_1_0 = http_1_0_;
  out_.push(session::Frame::copy(serialise_head(response, options)));
  const bool bodiless = head_ || response.status < 200 || response.status == 204 || response.status == 304;
  if (!bodiless) {
    if (!response.shared_body) response.shared_body = std::make_shared<const std::string>(std::move(response.body));
    out_.push(session::Frame::share(std::move(response.shared_body)));
  }
  net().metrics().answered(response.status).add();
  enter(options.close ? Phase::kClosing : Phase::kIdle);
  net().mark_dirty(*this);
}

void HttpConnection::refuse(HttpResponse response, Refused reason) {
  net().metrics().refused(reason).add();
  close_after_ = true;
  respond(std::move(response));
}

void HttpConnection::on_turn_end() {
  flush();
  // Requests that came together with the one just answered.
  while (!buried() && !pending_.empty() && takes_requests()) {
    const std::string bytes = std::move(pending_);
    pending_.clear();
    const std::string_view rest = advance(bytes);
    if (buried()) return;
    const bool stuck = rest.size() == bytes.size();
    pending_.assign(rest);
    flush();
    if (stuck) break;  // the rest of a request is still to come
  }
  if (!buried()) set_interest();
}

void HttpConnection::flush() {
  if (buried() || blocked_) return;
  const std::size_t before = out_.bytes();
  const OutQueue::Flush result = out_.flush(fd(), net().metrics());
  if (result == OutQueue::Flush::kDead) return end();
  blocked_ = result != OutQueue::Flush::kEmpty;
  if (blocked_) {
    if (out_.bytes() < before && (phase_ == Phase::kIdle || phase_ == Phase::kClosing))
      enter(phase_);  // it moves: the deadline begins anew
    return;
  }
  if (phase_ != Phase::kClosing) return;
  if (ended_input_) return end();
  // Closing outright would reset the connection if the client has sent more, and the reset may destroy the answer on
  // its way.
  ::shutdown(fd(), SHUT_WR);
  enter(Phase::kLinger);
}

void HttpConnection::set_interest() {
  const bool reads = phase_ == Phase::kHandling
                         ? (wanted() & EPOLLIN) != 0
                         : takes_requests() || phase_ == Phase::kClosing || phase_ == Phase::kLinger;
  want((reads && !ended_input_ ? EPOLLIN : 0U) | (blocked_ ? EPOLLOUT : 0U));
}

// --- endings
// --------------------------------------------------------------------------------------------------------------------------------------------------------------

void HttpConnection::on_timer() {
  if ((phase_ == Phase::kHeader || phase_ == Phase::kBody) && parser_) {
    head_ = false;
    return refuse(HttpResponse::problem(408, "timeout", "The request took too long to arrive."), Refused::kTimeout);
  }
  end();
}

void HttpConnection::on_shutdown(bool at_once) {
  const bool waiting = phase_ == Phase::kIdle || phase_ == Phase::kHeader || phase_ == Phase::kLinger;
  if (at_once || (waiting && !parser_ && out_.empty())) end();
}

void HttpConnection::end() {
  if (ticket_) ticket_->connection = nullptr;
  ticket_.reset();
  cancel();
  net().bury(*this);
}

}  // namespace parley::net
