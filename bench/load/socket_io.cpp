// Socket.IO 4 over Engine.IO 4, WebSocket from the start. https://socket.io/docs/v4/socket-io-protocol/
#include <stdexcept>

#include "frames.hpp"
#include "protocol.hpp"

namespace load {
namespace {

class SocketIo : public Protocol {
 public:
  explicit SocketIo(const Options& options)
      : token_(options.token), end_(",\"" + std::string(options.bytes, 'x') + "\"]") {}

  std::string target(const Connection&) const override { return "/socket.io/?EIO=4&transport=websocket"; }
  void upgraded(Connection&) override {}  // the server speaks first

  void signing_in(Connection& c, std::string_view text) override {
    if (text.starts_with("0{")) {
      append_frame(c.out, R"(40{"token":")" + token_ + R"(","address":")" + c.address + R"("})");
    } else if (text.starts_with("40{")) {
      c.phase = Phase::kReady;
    } else {
      throw std::runtime_error("not signed in: " + std::string(text.substr(0, 200)));
    }
  }

  void append_send(Lane& lane, std::uint64_t n) override {
    const Digits number(n);
    append_frame(lane.sender.out, {"42", number, R"(["send",")", lane.address, "\",", number, end_});
  }

  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override {
    if (text.starts_with(R"(42["message",)")) return sink.delivered(from, number_after(text, R"(["message",)"), at);
    if (text.starts_with("43")) return sink.acked(*from.lane, number_after(text, "43"), at);
    if (text != "2") return sink.failed(std::string(text.substr(0, 200)));
    append_frame(from.out, "3");
    sink.written(from);
  }

 private:
  const std::string token_, end_;  ///< of every message
};

}  // namespace

std::unique_ptr<Protocol> make_socket_io(const Options& options) { return std::make_unique<SocketIo>(options); }

}  // namespace load
