#pragma once
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "admission.hpp"
#include "client_address.hpp"
#include "out_queue.hpp"
#include "parley/base/timer_wheel.hpp"
#include "parley/net/http.hpp"
#include "parley/net/server.hpp"
#include "reactor_net.hpp"
#include "request_parser.hpp"
#include "static_files.hpp"
#include "ws_peer.hpp"

namespace parley::net {

/// What a port offers; the same for all its connections.
struct HttpService {
  Kind kind = Kind::kHttp;
  const Router& router;
  const HttpLimits& limits;
  const ProxyTrust& trust;
  std::string public_url;              ///< empty: what the Host header says
  const StaticFiles* pages = nullptr;  ///< none: the router answers everything
  const PageKey* page_key = nullptr;
  session::PeerAcceptor* acceptor = nullptr;  ///< none: no WebSockets
  const NetOf* net_of = nullptr;
  WsOptions ws{};
};

/// One HTTP/1.1 connection: requests one after the other, answers in their order, until it ends or becomes a WebSocket.
class HttpConnection final : public Connection, private WheelTimer {
 public:
  /// `admission` of the same reactor; needed where the service takes WebSockets.
  HttpConnection(ReactorNet& net, int fd, const boost::asio::ip::address& remote, const HttpService& service,
                 Admission* admission);
  ~HttpConnection() override;
  /// After it was added: the first deadline begins.
  void begin();

 private:
  enum class Phase : std::uint8_t { kIdle, kHeader, kBody, kHandling, kClosing, kLinger };
  /// What a running request knows of its connection, which may be gone before the answer is there.
  struct Ticket {
    HttpConnection* connection;
  };

  void on_events(std::uint32_t events) override;
  void on_turn_end() override;
  void on_shutdown(bool at_once) override;
  void on_timer() override;

  void read();
  /// Parses and answers as far as `bytes` and the state allow; returns what is left over.
  std::string_view advance(std::string_view bytes);
  void on_headers();
  void on_request(std::string_view unread);
  void upgrade(const HttpRequest& request, const boost::asio::ip::address& client, std::string_view unread);
  /// Fills in what depends on proxies and on the Host header; returns the client's address.
  boost::asio::ip::address complete(HttpRequest& request) const;
  static boost::asio::awaitable<void> run(std::shared_ptr<Ticket> ticket, const HttpService& service,
                                          HttpRequest request);
  void respond(HttpResponse response);
  void refuse(HttpResponse response, Refused reason);
  bool takes_requests() const noexcept;
  void enter(Phase phase);
  void set_interest();
  void flush();
  void end();

  const HttpService& service_;
  Admission* admission_;
  boost::asio::ip::address remote_;
  std::unique_ptr<RequestParser> parser_;
  std::string pending_;             // read, but not yet parsed
  std::shared_ptr<Ticket> ticket_;  // of the request that is being handled
  OutQueue out_;
  Phase phase_ = Phase::kIdle;
  bool close_after_ = false;  // the present request is the last one
  bool http_1_0_ = false;
  bool head_ = false;
  bool blocked_ = false;
  bool ended_input_ = false;  // the client has shut down its side
};

}  // namespace parley::net
