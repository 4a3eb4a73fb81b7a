// The client protocol of NATS inside WebSocket messages. Core NATS answers a publish with +OK in verbose mode: it is
// with the server then, and in nobody's storage. https://docs.nats.io/reference/reference-protocols/nats-protocol
#include <stdexcept>

#include "frames.hpp"
#include "protocol.hpp"

namespace load {
namespace {

class Nats : public Protocol {
 public:
  explicit Nats(const Options& options) : token_(options.token), end_(" " + std::string(options.bytes, 'x') + "\r\n") {}

  std::string target(const Connection&) const override { return "/"; }
  void upgraded(Connection&) override {}  // the server speaks first

  void signing_in(Connection& c, std::string_view text) override {
    c.lines.append(text);
    if (c.step == 0 && c.lines.starts_with("INFO ") && c.lines.ends_with("\r\n")) {
      c.lines.clear();
      std::string words =
          R"(CONNECT {"verbose":true,"pedantic":false,"lang":"c++","version":"1","protocol":1,"auth_token":")" +
          token_ + "\"}\r\n";
      if (c.receives) words += "SUB chat." + c.address + " 1\r\n";
      append_frame(c.out, words + "PING\r\n", 2);
      c.step = 1;
    } else if (c.lines.find("-ERR") != std::string::npos) {
      throw std::runtime_error("not signed in: " + c.lines.substr(0, 200));
    } else if (c.lines.ends_with("PONG\r\n")) {
      c.lines.clear();
      c.phase = Phase::kReady;
    }
  }

  void append_send(Lane& lane, std::uint64_t n) override {
    const Digits number(n), size(number.size() + end_.size() - 2);
    append_frame(lane.sender.out, {"PUB chat.", lane.address, " ", size, "\r\n", number, end_}, 2);
  }

  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override {
    std::string joined;
    if (!from.lines.empty()) {
      joined = std::move(from.lines);
      joined.append(text);
      text = joined;
    }
    while (const std::size_t used = one(from, text, at, sink)) text.remove_prefix(used);
    from.lines.assign(text);
  }

 private:
  /// Bytes of the operation at the start of `text`; 0 if it is not whole.
  static std::size_t one(Connection& from, std::string_view text, std::int64_t at, Sink& sink) {
    const auto end = text.find("\r\n");
    if (end == std::string_view::npos) return 0;
    const std::string_view line = text.substr(0, end);
    if (line.starts_with("MSG ")) {
      const std::size_t size = number_after(line.substr(line.rfind(' ')), " "), whole = end + 2 + size + 2;
      if (text.size() < whole) return 0;
      sink.delivered(from, number_after(text.substr(end + 2), ""), at);
      return whole;
    }
    if (line == "+OK") {
      sink.acked(*from.lane, from.lane->acked + 1, at);
    } else if (line == "PING") {
      append_frame(from.out, "PONG\r\n", 2);
      sink.written(from);
    } else if (line.starts_with("-ERR")) {
      sink.failed(std::string(line));
    }
    return end + 2;
  }

  const std::string token_, end_;  ///< of every message
};

}  // namespace

std::unique_ptr<Protocol> make_nats(const Options& options) { return std::make_unique<Nats>(options); }

}  // namespace load
