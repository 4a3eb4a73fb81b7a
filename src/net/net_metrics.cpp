#include "net_metrics.hpp"

#include <string>

namespace parley::net {
namespace {

constexpr const char* kKinds[] = {"http", "websocket", "ops", "admin"};
constexpr const char* kReasons[] = {"bad_request", "header_size", "body_size", "timeout",
                                    "handshake",   "admission",   "address",   "descriptors"};

}  // namespace

NetMetrics::NetMetrics(obs::Registry& registry)
    : accepts(registry.counter("parley_net_accepts_total", "Connections accepted on any port.")),
      bytes_in(
          registry.counter("parley_net_bytes_total", "Bytes read from and written to sockets.", {{"direction", "in"}})),
      bytes_out(registry.counter("parley_net_bytes_total", "Bytes read from and written to sockets.",
                                 {{"direction", "out"}})),
      writev(registry.counter("parley_net_writev_total", "System calls that wrote to a socket.")) {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    connections_[i] = &registry.gauge("parley_net_connections", "Open connections.", {{"kind", kKinds[i]}});
  }
  for (std::size_t i = 0; i < refused_.size(); ++i) {
    refused_[i] = &registry.counter("parley_net_refused_total", "Requests, handshakes and connections turned away.",
                                    {{"reason", kReasons[i]}});
  }
  for (std::size_t i = 0; i < answered_.size(); ++i) {
    answered_[i] = &registry.counter("parley_net_http_requests_total", "Answered HTTP requests.",
                                     {{"status", std::to_string(i + 1) + "xx"}});
  }
}

}  // namespace parley::net
