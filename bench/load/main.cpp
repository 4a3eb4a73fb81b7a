// Load generator of the benchmarks: one thread, raw epoll, open loop, loopback only. It prints one JSON object. A run
// whose own schedule lags by more than 1 ms at p99 is marked invalid: then the generator, not the server, was measured.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "sessions.hpp"
#include "traffic.hpp"

int main(int argc, char** argv) {
  load::Options o;
  CLI::App app("Load generator for chat servers on 127.0.0.1");
  app.add_option(
         "mode", o.mode,
         "relay: pairs of a visitor and an agent; echo: visitors who hear themselves; broadcast: one visitor and "
         "many agents; sessions: idle ones")
      ->check(CLI::IsMember({"relay", "echo", "broadcast", "sessions"}));
  app.add_option("--protocol", o.protocol,
                 "parley, parley-conversations, parley-questions, floor, ws, socket.io, nats, centrifugo, xmpp");
  app.add_option("--port", o.port, "The server's port");
  app.add_option("--tenant", o.tenants,
                 "KEY TOKEN: public key of a site and bearer token of an agent; may be repeated");
  app.add_option("--token", o.token, "What servers other than Parley sign clients in with");
  app.add_option("--server", o.servers,
                 "NAME PID of a process whose CPU is counted; the first one is the measured server")
      ->required();
  app.add_option("--pairs", o.pairs, "Senders in relay and echo")->check(CLI::Range(1, 9000));
  app.add_option("--receivers", o.receivers, "Receivers in broadcast")->check(CLI::Range(1, 15000));
  app.add_option("--stalled", o.stalled, "So many of the receivers stop reading before the first message");
  app.add_flag("--rude", o.rude, "Go on sending whatever the server says of quotas; refusals are counted (parley)");
  app.add_option("--sessions", o.sessions, "Idle sessions")->check(CLI::Range(1, 19000));
  app.add_option("--role", o.role, "Of idle sessions")->check(CLI::IsMember({"visitor", "agent"}));
  app.add_flag("--lists", o.lists, "Each agent session watches the list of waiting conversations (parley)");
  app.add_flag("--storm", o.storm,
               "In the end all idle sessions are cut off and come back, as many at a time as --concurrency says");
  app.add_flag("--hold", o.hold,
               "Idle sessions stay, answering heartbeats, until standard input ends; a line says when they stand");
  app.add_option("--concurrency", o.concurrency, "Connections being opened at a time")->check(CLI::Range(1, 1000));
  app.add_option("--rate", o.rate, "Messages per second over all senders; 0: saturation")->check(CLI::Range(0.0, 1e6));
  app.add_option("--window", o.window, "Unanswered sends per sender")->check(CLI::Range(1, 16));
  app.add_option("--seconds", o.seconds, "Measured time")->check(CLI::Range(0.1, 3600.0));
  app.add_option("--warmup", o.warmup, "Time before it")->check(CLI::Range(0.0, 60.0));
  app.add_option("--bytes", o.bytes, "Text per message")->check(CLI::Range(1, 4000));
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  try {
    const auto result = o.mode == "sessions" ? load::open_sessions(o) : load::Traffic(o).run();
    std::cout << result.dump(2) << '\n';
  } catch (const std::exception& e) {
    std::cerr << "load: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
