#include "protocol.hpp"

#include <stdexcept>

namespace load {

std::unique_ptr<Protocol> make_protocol(const Options& options) {
  if (options.protocol == "parley") return make_parley(options);
  if (options.protocol == "parley-conversations") return make_parley_conversations(options);
  if (options.protocol == "parley-questions") return make_parley_questions(options);
  if (options.protocol == "floor" || options.protocol == "ws") return make_plain_json(options);
  if (options.protocol == "socket.io") return make_socket_io(options);
  if (options.protocol == "nats") return make_nats(options);
  if (options.protocol == "centrifugo") return make_centrifugo(options);
  if (options.protocol == "xmpp") return make_xmpp(options);
  throw std::runtime_error("no protocol " + options.protocol);
}

}  // namespace load
