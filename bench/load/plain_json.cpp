// The floor and the relay made with ws: the address is the path, {"to":ID,"n":N,"text":…} is given to everybody there
// as it is, the sender gets {"ack":N}.
#include "frames.hpp"
#include "protocol.hpp"

namespace load {
namespace {

class PlainJson : public Protocol {
 public:
  explicit PlainJson(const Options& options) : end_(R"(,"text":")" + std::string(options.bytes, 'x') + "\"}") {}

  std::string target(const Connection& c) const override { return "/" + c.address; }
  void upgraded(Connection& c) override { c.phase = Phase::kReady; }

  void append_send(Lane& lane, std::uint64_t n) override {
    append_frame(lane.sender.out, {R"({"to":)", lane.address, R"(,"n":)", Digits(n), end_});
  }

  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override {
    if (text.starts_with(R"({"to":)")) return sink.delivered(from, number_after(text, R"(,"n":)"), at);
    if (!text.starts_with(R"({"ack":)")) return sink.failed(std::string(text.substr(0, 200)));
    const auto digits = text.find_first_of("0123456789");
    sink.acked(*from.lane, number_after(text.substr(digits), ""), at);
  }

 private:
  const std::string end_;  ///< of every message
};

}  // namespace

std::unique_ptr<Protocol> make_plain_json(const Options& options) { return std::make_unique<PlainJson>(options); }

}  // namespace load
