// parley.v1 (docs/protocol.md).
#include "parley.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "frames.hpp"
#include "http.hpp"
#include "wire.hpp"

namespace load {
namespace {

using nlohmann::json;

// A quarter of limits.window, and some room: entries not confirmed by then are confirmed.
constexpr std::size_t kVisitorUncovered = 24 * 1024, kAgentUncovered = 96 * 1024;

// Searched for in every frame, so they begin with a character that is rare before them (a quote is not).
constexpr std::string_view kFromVisitor = R"(from":{"k":"v")", kNumber = R"(,"n":)";

/// Place of the quote that ends the string which the quote at `begin` begins; the end of the text if none does.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin;;) {
    at = text.find('"', at + 1);
    if (at == std::string_view::npos) return text.size();
    std::size_t first = at;
    while (text[first - 1] == '\\') --first;
    if ((at - first) % 2 == 0) return at;
  }
}

}  // namespace

Parley::Parley(const Options& options)
    : end_(R"(,"type":"text","body":{"text":")" + std::string(options.bytes, 'x') + R"("}})"), options_(options) {
  if (options.tenants.empty()) throw std::runtime_error("--tenant is missing");
}

void Parley::prepare(Connection& c) {
  const auto& [key, agent_token] = options_.tenants[c.group % options_.tenants.size()];
  if (c.agent) {
    c.token = agent_token;
    return;
  }
  const std::string answer = post_json(options_.port, "/api/v1/widget/session", json{{"key", key}}.dump());
  c.token = json::parse(answer).at("token").get<std::string>();
}

void Parley::upgraded(Connection& c) {
  char dev[17];
  std::snprintf(dev, sizeof dev, "LOAD%012u", c.number + 1);
  append_frame(c.out, R"({"t":"hello","id":1,"ver":1,"role":")" + std::string(c.agent ? "agent" : "visitor") +
                          R"(","token":")" + c.token + R"(","dev":")" + dev + '"' +
                          (options_.mode == "echo" ? "" : R"(,"echo":false)") +
                          (c.resume.empty() ? "" : R"(,"resume":")" + c.resume + '"') + "}");
}

void Parley::signing_in(Connection& c, std::string_view text) {
  if (text.find(R"("t":"error")") != std::string_view::npos || text.find(R"("t":"bye")") != std::string_view::npos)
    throw std::runtime_error("not signed in: " + std::string(text.substr(0, 300)));
  const Phase signed_in = c.lane != nullptr ? Phase::kSettingUp : Phase::kReady;
  if (c.step == 0 && text.find(R"("t":"ready")") != std::string_view::npos) {
    c.conv = between(text, R"("conv":{"conv":")", "\"");
    c.resume = between(text, R"("resume":")", "\"");
    if (c.agent && options_.lists) {
      append_frame(c.out, R"({"t":"watch","id":2,"view":"waiting"})");
      c.step = 1;
    } else {
      c.phase = signed_in;
    }
  } else if (c.step == 1 && text.find(R"("t":"rows")") != std::string_view::npos) {
    c.phase = signed_in;
  }
}

void Parley::link(Lane& lane, Wire& wire) {
  lane.conv = lane.sender.conv;
  if (lane.conv.empty()) throw std::runtime_error("no conversation in ready");
  append_text(lane, 1);
  wire.exchange(lane.sender, R"("ack")");
  lane.sent = lane.acked = 1;
  for (const auto& agent : lane.receivers) {
    append_frame(agent->out, json{{"t", "watch"}, {"id", 3}, {"conv", lane.conv}}.dump());
    wire.exchange(*agent, R"("entry")");
    if (agent == lane.receivers.front()) {
      append_frame(agent->out, claim_frame(lane));
      wire.exchange(*agent, R"("type":"claim")");
    }
  }
  // The claim goes to everybody; what of it is still on its way is no message.
  for (const auto& agent : lane.receivers) {
    agent->delivered = 1;
    agent->phase = Phase::kReady;
  }
  lane.sender.delivered = 1;
  lane.sender.phase = Phase::kReady;
}

void Parley::append_send(Lane& lane, std::uint64_t n) { append_text(lane, n); }

void Parley::message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) {
  if (!text.starts_with('[')) return frame(from, text, at, sink);
  // An array of objects: cut at depth one, without parsing the rest.
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char ch = text[i];
    if (ch == '"') {
      i = end_of_string(text, i);
    } else if (ch == '{' && depth++ == 0) {
      begin = i;
    } else if (ch == '}' && --depth == 0) {
      frame(from, text.substr(begin, i - begin + 1), at, sink);
    }
  }
}

void Parley::frame(Connection& c, std::string_view f, std::int64_t at, Sink& sink) {
  if (f.starts_with(R"({"t":"ack")")) {
    acked(c, f, at, sink);
  } else if (f.starts_with(R"({"t":"entry")")) {
    entry(c, f, at, sink);
  } else if (f.starts_with(R"({"t":"resumed")")) {
    resumed(c, f, at, sink);
  } else if (f.starts_with(R"({"t":"ping")")) {
    append_frame(c.out, R"({"t":"pong"})");
    sink.written(c);
  } else if (!c.agent && f.starts_with(R"({"t":"error")") && f.find(R"("code":"rate")") != std::string_view::npos) {
    sink.refused(*c.lane, number_after(f, "\"n\":"));
  } else if (f.starts_with(R"({"t":"error")") || f.starts_with(R"({"t":"lag")") || f.starts_with(R"({"t":"bye")")) {
    sink.failed(std::string(f.substr(0, 300)));
  }
}

void Parley::acked(Connection& c, std::string_view f, std::int64_t at, Sink& sink) {
  if (!c.agent) sink.acked(*c.lane, number_after(f, kNumber), at);
}

void Parley::resumed(Connection&, std::string_view, std::int64_t, Sink&) {}

void Parley::entry(Connection& c, std::string_view f, std::int64_t at, Sink& sink) {
  if (const auto from = f.find(kFromVisitor); c.receives && from != std::string_view::npos)
    sink.delivered(c, number_after(f.substr(from), kNumber), at);
  c.uncovered += f.size();
  if (c.uncovered < (c.agent ? kAgentUncovered : kVisitorUncovered)) return;
  c.uncovered = 0;
  append_frame(c.out, R"({"t":"rcv","conv":")" + c.lane->conv + R"(","upto":)" +
                          std::to_string(number_after(f, "\"seq\":")) + "}");
  sink.written(c);
}

void Parley::append_text(Lane& lane, std::uint64_t n) const {
  append_frame(lane.sender.out, {R"({"t":"send","conv":")", lane.conv, R"(","n":)", Digits(n), end_});
}

std::string Parley::claim_frame(const Lane& lane) {
  return R"({"t":"send","id":4,"conv":")" + lane.conv + R"(","n":1,"type":"claim","body":{}})";
}

std::unique_ptr<Protocol> make_parley(const Options& options) { return std::make_unique<Parley>(options); }

}  // namespace load
