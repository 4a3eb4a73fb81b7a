#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "options.hpp"

namespace load {

class Wire;

/// What a protocol reports of a message. Numbers count per lane and come one after the other.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void acked(Lane& lane, std::uint64_t n, std::int64_t at) = 0;
  virtual void delivered(Connection& to, std::uint64_t n, std::int64_t at) = 0;
  virtual void failed(std::string what) = 0;
  /// The server did not take message n, for a reason that passes.
  virtual void refused(Lane& lane, std::uint64_t n) = 0;
  /// Something was appended to the output of `c`.
  virtual void written(Connection& c) = 0;
};

/// How one kind of server is spoken to: the same job (a visitor's text reaches an agent, the visitor gets an ack) in
/// its own words. What a function writes goes to `Connection::out`; the caller sends it.
class Protocol {
 public:
  virtual ~Protocol() = default;

  /// Path of the WebSocket, and its subprotocol if it has one.
  virtual std::string target(const Connection& c) const = 0;
  virtual std::string_view subprotocol() const { return {}; }

  /// What must be known before connecting, by other requests; blocks. Not part of any measured time.
  virtual void prepare(Connection&) {}
  /// The handshake is done: the first frames, if the client is to speak first. A protocol without signing in sets the
  /// phase to kReady.
  virtual void upgraded(Connection& c) = 0;
  /// A message while signing in; sets the phase when that is over, throws std::runtime_error if it is refused.
  virtual void signing_in(Connection&, std::string_view) {}
  /// Both sides of a lane are signed in: whatever else a message needs. Blocks.
  virtual void link(Lane&, Wire&) {}

  /// Appends message n of the lane to the sender's output.
  virtual void append_send(Lane& lane, std::uint64_t n) = 0;
  /// A message from the server, after signing in.
  virtual void message(Connection& from, std::string_view text, std::int64_t at, Sink& sink) = 0;
};

/// Throws std::runtime_error for a name that is none of parley, parley-conversations, parley-questions, floor, ws,
/// socket.io, nats, centrifugo, xmpp.
std::unique_ptr<Protocol> make_protocol(const Options& options);

std::unique_ptr<Protocol> make_parley(const Options& options);
/// Parley, where each message is a whole conversation: a text opens it, an agent claims it, the visitor closes it.
/// Acked is the end, delivered the claim.
std::unique_ptr<Protocol> make_parley_conversations(const Options& options);
/// Parley, where each message is a `probe`, and both acked and delivered by its `pong`: nothing is stored.
std::unique_ptr<Protocol> make_parley_questions(const Options& options);
std::unique_ptr<Protocol> make_plain_json(const Options& options);  ///< the floor and ws
std::unique_ptr<Protocol> make_socket_io(const Options& options);
std::unique_ptr<Protocol> make_nats(const Options& options);
std::unique_ptr<Protocol> make_centrifugo(const Options& options);
std::unique_ptr<Protocol> make_xmpp(const Options& options);

}  // namespace load
