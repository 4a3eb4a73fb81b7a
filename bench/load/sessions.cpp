#include "sessions.hpp"

#include <poll.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "protocol.hpp"
#include "report.hpp"
#include "wire.hpp"

namespace load {
namespace {

class Nobody : public Sink {
 public:
  void acked(Lane&, std::uint64_t, std::int64_t) override {}
  void delivered(Connection&, std::uint64_t, std::int64_t) override {}
  void refused(Lane&, std::uint64_t) override {}
  void failed(std::string what) override { throw std::runtime_error(what); }
  void written(Connection& c) override { wire->queue(c); }
  Wire* wire = nullptr;
};

/// Cuts all off at once; seconds until all are signed in again.
double storm(Wire& wire, const std::vector<Connection*>& sessions, unsigned concurrency) {
  for (Connection* c : sessions) {
    wire.close(*c);
    c->in.clear();
    c->message.clear();
  }
  const std::int64_t begin = now_ns();
  wire.open(sessions, concurrency);
  return static_cast<double>(now_ns() - begin) / 1e9;
}

/// Seconds until standard input ended. A session that is lost ends the run.
double hold(Wire& wire) {
  std::cout << "standing" << std::endl;
  const std::int64_t begin = now_ns();
  for (pollfd input{STDIN_FILENO, POLLIN, 0}; poll(&input, 1, 0) == 0;) wire.turn(20'000'000);
  return static_cast<double>(now_ns() - begin) / 1e9;
}

double per(double what, unsigned sessions) { return what / sessions; }

}  // namespace

nlohmann::json open_sessions(const Options& options) {
  const auto protocol = make_protocol(options);
  Nobody sink;
  Wire wire(options, *protocol, sink);
  sink.wire = &wire;
  std::vector<std::unique_ptr<Connection>> owned;
  std::vector<Connection*> sessions;
  for (unsigned i = 0; i < options.sessions; ++i) {
    auto& c = *owned.emplace_back(std::make_unique<Connection>());
    c.number = c.group = i;
    c.agent = options.role == "agent";
    c.receives = true;  // what arrives for it finds it, as it finds a visitor of Parley
    c.address = std::to_string(i);
    protocol->prepare(c);
    sessions.push_back(&c);
  }
  const UsageMark before(options.servers);
  wire.open(sessions, options.concurrency);
  const UsageMark opened(options.servers);
  // What was needed only for the handshakes is given back by then.
  for (const std::int64_t end = now_ns() + 1'500'000'000; now_ns() < end;) wire.turn(10'000'000);
  const UsageMark settled(options.servers);
  const double seconds = static_cast<double>(opened.at_ns - before.at_ns) / 1e9;
  const auto rss = [](const UsageMark& mark) {
    return static_cast<double>(mark.servers.front().second.rss_anon_bytes);
  };
  nlohmann::json result = usage_between(before, opened, options.sessions);
  result.update({{"mode", "sessions"},
                 {"protocol", options.protocol},
                 {"role", options.role},
                 {"sessions", options.sessions},
                 {"seconds", seconds},
                 {"handshakes_per_s", options.sessions / seconds},
                 {"rss_bytes_per_session", per(rss(settled) - rss(before), options.sessions)},
                 // Both ends of each connection are on this machine.
                 {"kernel_bytes_per_pair", per(static_cast<double>(settled.machine.kernel_bytes) -
                                                   static_cast<double>(before.machine.kernel_bytes),
                                               options.sessions)},
                 {"errors", 0},
                 {"first_error", ""}});
  if (options.hold) result["held_seconds"] = hold(wire);
  if (options.storm) result["storm_seconds"] = storm(wire, sessions, options.concurrency);
  for (Connection* c : sessions) wire.close(*c);
  return result;
}

}  // namespace load
