#include "frames.hpp"
#include "parley.hpp"

namespace load {
namespace {

class ParleyConversations : public Parley {
 public:
  using Parley::Parley;

  void link(Lane& lane, Wire&) override {
    lane.conv = lane.sender.conv;
    lane.sender.phase = lane.receivers.front()->phase = Phase::kReady;
  }

  // Numbers of sends begin anew with each conversation: the text is 1, the close 2.
  void append_send(Lane& lane, std::uint64_t) override { append_text(lane, 1); }

 protected:
  void acked(Connection& c, std::string_view f, std::int64_t at, Sink& sink) override {
    Lane& lane = *c.lane;
    Connection& agent = *lane.receivers.front();
    if (c.agent) {
      sink.delivered(agent, agent.delivered + 1, at);
      append_frame(lane.sender.out, R"({"t":"send","conv":")" + lane.conv + R"(","n":2,"type":"close","body":{}})");
      sink.written(lane.sender);
    } else if (number_after(f, R"("n":)") == 1) {
      append_frame(agent.out, claim_frame(lane));
      sink.written(agent);
    }
  }
  void entry(Connection&, std::string_view, std::int64_t, Sink&) override {}
  void resumed(Connection& c, std::string_view f, std::int64_t at, Sink& sink) override {
    if (c.agent || f.find(R"("status":"new")") == std::string_view::npos) return;
    c.lane->conv = between(f, R"("conv":{"conv":")", "\"");
    sink.acked(*c.lane, c.lane->acked + 1, at);
  }
};

}  // namespace

std::unique_ptr<Protocol> make_parley_conversations(const Options& options) {
  return std::make_unique<ParleyConversations>(options);
}

}  // namespace load
