// Centrifugo's bidirectional protocol, JSON. https://centrifugal.dev/docs/transports/client_protocol
#include <stdexcept>

#include "frames.hpp"
#include "protocol.hpp"

namespace load {
namespace {

class Centrifugo : public Protocol {
 public:
  explicit Centrifugo(const Options& options)
      : token_(options.token), end_(R"(,"text":")" + std::string(options.bytes, 'x') + "\"}}}") {}

  std::string target(const Connection&) const override { return "/connection/websocket"; }
  void upgraded(Connection& c) override { append_frame(c.out, R"({"id":1,"connect":{"token":")" + token_ + "\"}}"); }

  void signing_in(Connection& c, std::string_view text) override {
    if (text.find(R"("error")") != std::string_view::npos)
      throw std::runtime_error("not signed in: " + std::string(text.substr(0, 300)));
    if (c.step == 0 && text.starts_with(R"({"id":1,)")) {
      if (!c.receives) {
        c.phase = Phase::kReady;
        return;
      }
      append_frame(c.out, R"({"id":2,"subscribe":{"channel":"chat:)" + c.address + "\"}}");
      c.step = 1;
    } else if (text.starts_with(R"({"id":2,)")) {
      c.phase = Phase::kReady;
    }
  }

  void append_send(Lane& lane, std::uint64_t n) override {
    append_frame(lane.sender.out, {R"({"id":)", Digits(n + kFirst), R"(,"publish":{"channel":"chat:)", lane.address,
                                   R"(","data":{"n":)", Digits(n), end_});
  }

  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override {
    while (!text.empty()) {
      const auto end = std::min(text.find('\n'), text.size());
      reply(from, text.substr(0, end), at, sink);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

 private:
  static constexpr std::uint64_t kFirst = 2;  // ids of requests go on behind those of signing in

  static void reply(Connection& from, std::string_view text, std::int64_t at, Sink& sink) {
    if (text.starts_with(R"({"push":)")) return sink.delivered(from, number_after(text, R"("n":)"), at);
    if (text.find(R"("publish":{}})") != std::string_view::npos)
      return sink.acked(*from.lane, number_after(text, R"("id":)") - kFirst, at);
    if (text != "{}") return sink.failed(std::string(text.substr(0, 300)));
    append_frame(from.out, "{}");
    sink.written(from);
  }

  const std::string token_, end_;  ///< of every message
};

}  // namespace

std::unique_ptr<Protocol> make_centrifugo(const Options& options) { return std::make_unique<Centrifugo>(options); }

}  // namespace load
