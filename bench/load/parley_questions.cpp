#include "frames.hpp"
#include "parley.hpp"

namespace load {
namespace {

/// Asks whether somebody is there: what a message costs that is neither stored nor passed on.
class ParleyQuestions : public Parley {
 public:
  using Parley::Parley;

  void link(Lane& lane, Wire&) override { lane.sender.phase = Phase::kReady; }

  void append_send(Lane& lane, std::uint64_t n) override {
    append_frame(lane.sender.out, {R"({"t":"probe","id":)", Digits(n), "}"});
  }

  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override {
    if (!text.starts_with(R"({"t":"pong")")) return Parley::message(from, text, at, sink);
    const std::uint64_t n = number_after(text, R"("re":)");
    sink.delivered(from, n, at);
    sink.acked(*from.lane, n, at);
  }
};

}  // namespace

std::unique_ptr<Protocol> make_parley_questions(const Options& options) {
  return std::make_unique<ParleyQuestions>(options);
}

}  // namespace load
