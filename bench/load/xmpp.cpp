// XMPP over WebSocket (RFC 7395) with stream management (XEP-0198), whose <a/> says that the server has handled a
// stanza: with an archive it is stored then.
#include <openssl/evp.h>

#include <stdexcept>
#include <vector>

#include "frames.hpp"
#include "protocol.hpp"

namespace load {
namespace {

constexpr std::string_view kOpen =
    R"(<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>)";

std::string base64(const std::string& bytes) {
  std::vector<unsigned char> out(bytes.size() / 3 * 4 + 5);
  const int size =
      EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return {out.begin(), out.begin() + size};
}

class Xmpp : public Protocol {
 public:
  explicit Xmpp(const Options& options)
      : password_(options.token), end_("'><body>" + std::string(options.bytes, 'x') + "</body></message>") {}

  std::string target(const Connection&) const override { return "/ws"; }
  std::string_view subprotocol() const override { return "xmpp"; }
  void upgraded(Connection& c) override { append_frame(c.out, kOpen); }

  void signing_in(Connection& c, std::string_view text) override {
    if (text.find("<failure") != std::string_view::npos || text.find("<stream:error") != std::string_view::npos ||
        text.find("type='error'") != std::string_view::npos)
      throw std::runtime_error("not signed in: " + std::string(text.substr(0, 300)));
    const bool features = text.find("features") != std::string_view::npos;
    if (c.step == 0 && features) {
      const std::string name = "u" + c.address;
      append_frame(c.out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
                              base64(std::string(1, '\0') + name + std::string(1, '\0') + password_) + "</auth>");
      c.step = 1;
    } else if (c.step == 1 && text.find("<success") != std::string_view::npos) {
      append_frame(c.out, kOpen);
      c.step = 2;
    } else if (c.step == 2 && features) {
      append_frame(c.out,
                   "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource>"
                   "</bind></iq>");
      c.step = 3;
    } else if (c.step == 3 && text.find("type='result'") != std::string_view::npos) {
      append_frame(c.out, c.agent ? "<presence/>" : "<enable xmlns='urn:xmpp:sm:3'/>");
      c.step = 4;
    } else if (c.step == 4 && text.find(c.agent ? "<presence" : "<enabled") != std::string_view::npos) {
      c.phase = Phase::kReady;  // a sender who hears itself is reached by its full address, without presence
    }
  }

  void append_send(Lane& lane, std::uint64_t n) override {
    append_frame(lane.sender.out, {"<message xmlns='jabber:client' type='chat' to='u", lane.address,
                                   "@localhost/bench' id='", Digits(n), end_});
    append_frame(lane.sender.out, "<r xmlns='urn:xmpp:sm:3'/>");
  }

  void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) override {
    if (text.starts_with("<message")) {
      // Elements inside have ids too; the message's own stands in its start tag.
      const std::string_view tag = text.substr(0, text.find('>'));
      if (tag.find("type='error'") != std::string_view::npos) return sink.failed(std::string(text.substr(0, 400)));
      sink.delivered(from, number_after(tag, " id='"), at);
    } else if (text.starts_with("<a ")) {
      const std::uint64_t handled = number_after(text, " h='");
      while (from.lane->acked < handled) sink.acked(*from.lane, from.lane->acked + 1, at);
    } else if (text.find("error") != std::string_view::npos) {
      sink.failed(std::string(text.substr(0, 300)));
    }
  }

 private:
  const std::string password_, end_;  ///< of every message
};

}  // namespace

std::unique_ptr<Protocol> make_xmpp(const Options& options) { return std::make_unique<Xmpp>(options); }

}  // namespace load
