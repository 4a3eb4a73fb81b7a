// Load generator for parley.v1: one thread, raw epoll, open loop.
//
//   relay  pairs of one visitor and one agent session; visitors send `--bytes` of text on a fixed schedule (--rate, all
//   pairs together) or as fast as the window of unanswered sends allows
//          (--rate 0). Latencies count from the time a send was due, not from when it could go out, so a stalled server
//          cannot hide its stall (coordinated omission).
//   idle   opens visitor sessions and reports the server's memory per session and the rate of handshakes.
//
// It prints one JSON object. A run whose own schedule lags by more than 1 ms at p99 is marked invalid: then the
// generator, not the server, was measured.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "http.hpp"
#include "latency.hpp"
#include "server_usage.hpp"

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

std::int64_t now_ns() { return Clock::now().time_since_epoch().count(); }

struct Options {
  std::string mode = "relay";
  std::uint16_t port = 8080;
  std::string key, agent_token;
  int pid = 0;
  unsigned pairs = 1000, sessions = 10000, window = 8;
  double rate = 1000, seconds = 10, warmup = 2;
  std::size_t bytes = 300;
  std::vector<std::pair<std::string, int>> beside;
};

constexpr unsigned kRing = 64;  // more than the sends one conversation may have unanswered

struct Pair;

struct Connection {
  int fd = -1;
  bool agent = false;
  Pair* pair = nullptr;
  std::string in, out;
  bool waits_for_room = false;
  std::uint64_t last_seq = 0;
  std::size_t uncovered = 0;  // bytes of entries not confirmed by rcv
};

struct Pair {
  Connection visitor, agent;
  std::string conv;
  std::uint64_t n = 0, acked = 0, delivered = 0;
  std::array<std::int64_t, kRing> due{};
  std::deque<std::int64_t> late;  // due, but the window of unanswered sends was full
};

/// Masked client frame. The mask is zero: the server unmasks all the same, and building it costs the generator nothing.
void append_frame(std::string& out, std::string_view payload) {
  out += '\x81';
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  out.append(4, '\0');
  out += payload;
}

std::uint64_t number_after(std::string_view text, std::string_view label) {
  const auto at = text.find(label);
  std::uint64_t value = 0;
  if (at != std::string_view::npos) std::from_chars(text.data() + at + label.size(), text.data() + text.size(), value);
  return value;
}

class Run {
 public:
  explicit Run(const Options& options) : o_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)), text_(options.bytes, 'x') {}

  json relay() {
    const auto setup_begin = Clock::now();
    for (unsigned i = 0; i < o_.pairs; ++i) {
      pairs_.push_back(std::make_unique<Pair>());
      open_pair(*pairs_.back(), i);
    }
    const double setup_seconds = std::chrono::duration<double>(Clock::now() - setup_begin).count();
    measuring_ = false;
    drive(o_.warmup);
    ack_ = {};
    delivery_ = {};
    lag_ = {};
    const load::Usage before = load::usage_of(o_.pid);
    const double own_before = load::own_cpu_seconds();
    std::map<std::string, double> beside = beside_cpu_seconds();
    const std::uint64_t acked_before = acked_, delivered_before = delivered_;
    measuring_ = true;
    const double seconds = drive(o_.seconds);
    const load::Usage after = load::usage_of(o_.pid);
    const double own = load::own_cpu_seconds() - own_before;
    for (const auto& [name, cpu] : beside_cpu_seconds()) beside[name] = cpu - beside[name];
    const double acked = static_cast<double>(acked_ - acked_before);
    json threads = json::object();
    for (const auto& [name, cpu] : after.cpu_seconds_by_thread) {
      const auto was = before.cpu_seconds_by_thread.find(name);
      const double used = cpu - (was == before.cpu_seconds_by_thread.end() ? 0 : was->second);
      if (used > 0) threads[name] = {{"busy", used / seconds}, {"us_per_message", acked > 0 ? used / acked * 1e6 : 0}};
    }
    json others = json::object();
    for (const auto& [name, cpu] : beside)
      others[name] = {{"busy", cpu / seconds}, {"us_per_message", acked > 0 ? cpu / acked * 1e6 : 0}};
    return {{"mode", "relay"},
            {"beside", others},
            {"pairs", o_.pairs},
            {"bytes", o_.bytes},
            {"rate_asked", o_.rate},
            {"seconds", seconds},
            {"acked_per_s", acked / seconds},
            {"delivered_per_s", static_cast<double>(delivered_ - delivered_before) / seconds},
            {"ack_us", quantiles(ack_)},
            {"delivery_us", quantiles(delivery_)},
            {"schedule_lag_us", quantiles(lag_)},
            {"valid", o_.rate == 0 || lag_.quantile_us(0.99) <= 1000},
            {"errors", errors_},
            {"first_error", first_error_},
            {"server_us_per_message", acked > 0 ? (after.cpu_seconds - before.cpu_seconds) / acked * 1e6 : 0},
            {"server_threads", threads},
            {"server_rss_mb", static_cast<double>(after.rss_anon_bytes) / 1e6},
            {"generator_busy", own / seconds},
            {"setup_seconds", setup_seconds}};
  }

  json idle() {
    // One token serves many sockets: a session per socket is what is measured, not the making of visitors.
    const load::Usage before = load::usage_of(o_.pid);
    std::vector<int> fds;
    std::vector<std::string> tokens;
    for (unsigned i = 0; i < o_.sessions; ++i) tokens.push_back(visitor_token());
    const load::Usage prepared = load::usage_of(o_.pid);
    const auto begin = Clock::now();
    unsigned ready = 0;
    for (unsigned i = 0; i < o_.sessions; ++i) {
      const int fd = load::open_websocket(o_.port, source_address(i));
      fds.push_back(fd);
      std::string out;
      append_frame(out, hello("visitor", tokens[i], i));
      if (send(fd, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size()))
        throw std::runtime_error("hello not sent");
    }
    for (int fd : fds) ready += wait_for_ready(fd);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    usleep(1'000'000);
    const load::Usage after = load::usage_of(o_.pid);
    for (int fd : fds) close(fd);
    return {{"mode", "idle"},
            {"sessions", o_.sessions},
            {"ready", ready},
            {"seconds", seconds},
            {"handshakes_per_s", o_.sessions / seconds},
            {"server_cpu_us_per_handshake", (after.cpu_seconds - prepared.cpu_seconds) / o_.sessions * 1e6},
            {"rss_bytes_per_session",
             (static_cast<double>(after.rss_anon_bytes) - static_cast<double>(prepared.rss_anon_bytes)) / o_.sessions},
            {"rss_mb_before", static_cast<double>(before.rss_anon_bytes) / 1e6},
            {"rss_mb_after", static_cast<double>(after.rss_anon_bytes) / 1e6}};
  }

 private:
  static json quantiles(const load::Latency& l) {
    return {{"p50", l.quantile_us(0.5)},
            {"p90", l.quantile_us(0.9)},
            {"p99", l.quantile_us(0.99)},
            {"p999", l.quantile_us(0.999)},
            {"count", l.count()}};
  }
  static std::uint32_t source_address(unsigned i) { return 0x7f000002u + i / 20000; }  // 127.0.0.2 …

  std::string visitor_token() {
    return json::parse(load::post_json(o_.port, "/api/v1/widget/session", json{{"key", o_.key}}.dump()))
        .at("token")
        .get<std::string>();
  }

  static std::string hello(const char* role, const std::string& token, unsigned i) {
    char dev[17];
    std::snprintf(dev, sizeof dev, "LOAD%012u", i + 1);
    return json{{"t", "hello"}, {"id", 1}, {"ver", 1}, {"role", role}, {"token", token}, {"dev", dev}}.dump();
  }

  static unsigned wait_for_ready(int fd) {
    char buffer[4096];
    for (int tries = 0; tries < 10000; ++tries) {
      const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
      if (n > 0)
        return std::string_view(buffer, static_cast<std::size_t>(n)).find("\"ready\"") != std::string_view::npos ? 1
                                                                                                                 : 0;
      if (n == 0) return 0;
      usleep(1000);
    }
    return 0;
  }

  /// One frame, waiting for it; while setting up.
  static std::string exchange(Connection& c, const std::string& payload, std::string_view until) {
    std::string out;
    append_frame(out, payload);
    if (send(c.fd, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size()))
      throw std::runtime_error("send failed while setting up");
    std::string seen;
    for (int tries = 0; tries < 20000; ++tries) {
      char buffer[16384];
      const ssize_t n = recv(c.fd, buffer, sizeof buffer, 0);
      if (n > 0) {
        seen.append(buffer, static_cast<std::size_t>(n));
        if (seen.find(until) != std::string::npos) return seen;
        continue;
      }
      if (n == 0) throw std::runtime_error("closed while setting up: " + seen.substr(0, 200));
      usleep(500);
    }
    throw std::runtime_error("no \"" + std::string(until) + "\" in 10 s: " + seen.substr(0, 400));
  }

  void open_pair(Pair& p, unsigned i) {
    p.visitor.pair = p.agent.pair = &p;
    p.agent.agent = true;
    p.visitor.fd = load::open_websocket(o_.port, source_address(i));
    const std::string ready = exchange(p.visitor, hello("visitor", visitor_token(), i), "\"ready\"");
    const auto at = ready.find("\"conv\":{\"conv\":\"");
    if (at == std::string::npos) throw std::runtime_error("no conversation in ready: " + ready.substr(0, 400));
    p.conv = ready.substr(at + 16, ready.find('"', at + 16) - at - 16);
    exchange(p.visitor, send_frame(p, ++p.n), "\"ack\"");
    p.acked = p.delivered = 1;
    p.agent.fd = load::open_websocket(o_.port, source_address(i));
    exchange(p.agent, hello("agent", o_.agent_token, i), "\"ready\"");
    exchange(p.agent, json{{"t", "watch"}, {"id", 2}, {"conv", p.conv}}.dump(), "\"entry\"");
    exchange(
        p.agent,
        json{{"t", "send"}, {"id", 3}, {"conv", p.conv}, {"n", 1}, {"type", "claim"}, {"body", json::object()}}.dump(),
        "\"claim\"");
    for (Connection* c : {&p.visitor, &p.agent}) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = c;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, c->fd, &event);
    }
  }

  std::string send_frame(const Pair& p, std::uint64_t n) const {
    return R"({"t":"send","conv":")" + p.conv + R"(","n":)" + std::to_string(n) + R"(,"type":"text","body":{"text":")" +
           text_ + R"("}})";
  }

  void write_out(Connection& c) {
    while (!c.out.empty()) {
      const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n <= 0) break;
      c.out.erase(0, static_cast<std::size_t>(n));
    }
    const bool waits = !c.out.empty();
    if (waits == c.waits_for_room) return;
    c.waits_for_room = waits;
    epoll_event event{};
    event.events = EPOLLIN | (waits ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
    event.data.ptr = &c;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
  }

  void put(Pair& p, std::int64_t due) {
    if (p.n - p.acked >= o_.window) {
      p.late.push_back(due);
      return;
    }
    ++p.n;
    p.due[p.n % kRing] = due;
    append_frame(p.visitor.out, send_frame(p, p.n));
    dirty_.push_back(&p.visitor);
  }

  void frame(Connection& c, std::string_view f, std::int64_t at) {
    Pair& p = *c.pair;
    if (f.starts_with(R"({"t":"ack")")) {
      const std::uint64_t n = number_after(f, "\"n\":");
      if (n != p.acked + 1) return fail("ack out of order: " + std::string(f.substr(0, 200)));
      p.acked = n;
      ++acked_;
      if (measuring_) ack_.add(at - p.due[n % kRing]);
      if (!p.late.empty()) {
        const std::int64_t due = p.late.front();
        p.late.pop_front();
        put(p, due);
      } else if (o_.rate == 0 && running_) {
        put(p, at);
      }
    } else if (f.starts_with(R"({"t":"entry")")) {
      const std::uint64_t seq = number_after(f, "\"seq\":");
      c.uncovered += f.size();
      c.last_seq = seq;
      if (c.agent && f.find(R"("from":{"k":"v")") != std::string_view::npos) {
        const std::uint64_t n = number_after(f, "\"n\":");
        if (n != p.delivered + 1) return fail("delivery out of order: " + std::string(f.substr(0, 200)));
        p.delivered = n;
        ++delivered_;
        if (measuring_) delivery_.add(at - p.due[n % kRing]);
      }
      if (c.uncovered > 24 * 1024) {
        c.uncovered = 0;
        append_frame(c.out, R"({"t":"rcv","conv":")" + p.conv + R"(","upto":)" + std::to_string(seq) + "}");
        dirty_.push_back(&c);
      }
    } else if (f.starts_with(R"({"t":"ping")")) {
      append_frame(c.out, R"({"t":"pong"})");
      dirty_.push_back(&c);
    } else if (f.starts_with(R"({"t":"error")") || f.starts_with(R"({"t":"lag")") || f.starts_with(R"({"t":"bye")")) {
      fail(std::string(f.substr(0, 300)));
    }
  }

  void fail(std::string what) {
    ++errors_;
    if (first_error_.empty()) first_error_ = std::move(what);
  }

  /// A message is one object or an array of objects; splits at depth one, without parsing the rest.
  void message(Connection& c, std::string_view m, std::int64_t at) {
    if (!m.starts_with('[')) return frame(c, m, at);
    int depth = 0;
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 1; i < m.size(); ++i) {
      const char ch = m[i];
      if (quoted) {
        if (ch == '\\') {
          ++i;
        } else if (ch == '"') {
          quoted = false;
        }
      } else if (ch == '"') {
        quoted = true;
      } else if (ch == '{' && depth++ == 0) {
        begin = i;
      } else if (ch == '}' && --depth == 0) {
        frame(c, m.substr(begin, i - begin + 1), at);
      }
    }
  }

  void read_in(Connection& c) {
    static char buffer[262144];
    const ssize_t n = recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
      fail("connection lost");
      epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fd, nullptr);
      return;
    }
    if (n < 0) return;
    const std::int64_t at = now_ns();
    std::string_view bytes(buffer, static_cast<std::size_t>(n));
    if (!c.in.empty()) {
      c.in.append(bytes);
      bytes = c.in;
    }
    std::size_t used = 0;
    while (bytes.size() - used >= 2) {
      const auto* h = reinterpret_cast<const unsigned char*>(bytes.data() + used);
      std::size_t head = 2, size = h[1] & 127;
      if (size == 126) {
        head = 4;
        if (bytes.size() - used < head) break;
        size = static_cast<std::size_t>(h[2]) << 8 | h[3];
      } else if (size == 127) {
        head = 10;
        if (bytes.size() - used < head) break;
        size = 0;
        for (int i = 2; i < 10; ++i) size = size << 8 | h[i];
      }
      if (bytes.size() - used < head + size) break;
      if ((h[0] & 15) == 1) message(c, bytes.substr(used + head, size), at);
      if ((h[0] & 15) == 8) fail("closed by the server: " + std::string(bytes.substr(used + head, size)));
      used += head + size;
    }
    std::string rest(bytes.substr(used));
    c.in = std::move(rest);
  }

  std::map<std::string, double> beside_cpu_seconds() const {
    std::map<std::string, double> seconds;
    for (const auto& [name, pid] : o_.beside) seconds[name] = load::family_cpu_seconds(pid);
    return seconds;
  }

  double drive(double seconds) {
    running_ = true;
    const std::int64_t begin = now_ns(), end = begin + static_cast<std::int64_t>(seconds * 1e9);
    const double interval = o_.rate > 0 ? 1e9 / o_.rate : 0;
    std::uint64_t sent = 0;
    if (o_.rate == 0) {
      for (auto& p : pairs_) {
        while (p->n - p->acked < o_.window) put(*p, now_ns());
      }
    }
    for (;;) {
      std::int64_t now = now_ns();
      if (now >= end) break;
      if (o_.rate > 0) {
        // What is due is sent in one go; the schedule never waits for answers.
        for (std::int64_t due;
             (due = begin + static_cast<std::int64_t>(static_cast<double>(sent) * interval)) <= now && due < end;
             ++sent) {
          if (measuring_) lag_.add(now - due);
          put(*pairs_[sent % pairs_.size()], due);
        }
      }
      flush();
      epoll_event events[512];
      // 50 µs of patience at most: the schedule is kept by looking at the clock, not by sleeping exactly.
      const timespec patience{0, o_.rate > 0 ? 50'000 : 1'000'000};
      const int n = epoll_pwait2(epoll_, events, 512, &patience, nullptr);
      for (int i = 0; i < n; ++i) {
        auto& c = *static_cast<Connection*>(events[i].data.ptr);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_in(c);
        if (events[i].events & EPOLLOUT) write_out(c);
      }
      flush();
    }
    const double spent = static_cast<double>(now_ns() - begin) / 1e9;
    running_ = false;
    return spent;
  }

  void flush() {
    for (Connection* c : dirty_) write_out(*c);
    dirty_.clear();
  }

  const Options& o_;
  const int epoll_;
  const std::string text_;
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<Connection*> dirty_;
  load::Latency ack_, delivery_, lag_;
  std::uint64_t acked_ = 0, delivered_ = 0, errors_ = 0;
  std::string first_error_;
  bool measuring_ = false, running_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Load generator for parley.v1; loopback only");
  app.add_option("mode", o.mode, "relay or idle")->check(CLI::IsMember({"relay", "idle"}));
  app.add_option("--port", o.port, "The daemon's public port");
  app.add_option("--key", o.key, "Public key of a site (pk_…)")->required();
  app.add_option("--agent-token", o.agent_token, "Bearer token of an agent; for relay");
  app.add_option("--pid", o.pid, "The daemon's process, for CPU and memory")->required();
  app.add_option("--beside", o.beside, "NAME PID of another server whose CPU is to be counted, children included");
  app.add_option("--pairs", o.pairs, "Conversations")->check(CLI::Range(1, 9000));
  app.add_option("--sessions", o.sessions, "Idle sessions")->check(CLI::Range(1, 19000));
  app.add_option("--rate", o.rate, "Messages per second over all pairs; 0: saturation")->check(CLI::Range(0.0, 1e6));
  app.add_option("--window", o.window, "Unanswered sends per conversation")->check(CLI::Range(1, 16));
  app.add_option("--seconds", o.seconds, "Measured time")->check(CLI::Range(0.1, 600.0));
  app.add_option("--warmup", o.warmup, "Time before it")->check(CLI::Range(0.0, 60.0));
  app.add_option("--bytes", o.bytes, "Text per message")->check(CLI::Range(1, 4000));
  CLI11_PARSE(app, argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  try {
    Run run(o);
    std::cout << (o.mode == "relay" ? run.relay() : run.idle()).dump(2) << '\n';
  } catch (const std::exception& e) {
    std::cerr << "load: " << e.what() << '\n';
    return 1;
  }
  return 0;
}
