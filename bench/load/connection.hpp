#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace load {

struct Lane;

enum class Phase : std::uint8_t {
  kConnecting,  ///< TCP, then the WebSocket handshake
  kSigningIn,   ///< the protocol's own first frames; it says when they are over
  kSettingUp,   ///< answers are kept in `heard` until the lane is ready
  kReady,
  kLost
};

/// One WebSocket of the generator. What every message touches comes first, and together.
struct Connection {
  int fd = -1;
  bool agent = false;     ///< receives; a visitor sends
  bool receives = false;  ///< messages; agents do, and senders who hear themselves
  Phase phase = Phase::kConnecting;
  bool waits_for_room = false, queued = false, stalled = false;
  Lane* lane = nullptr;
  std::uint64_t delivered = 0;  ///< number of the newest message that came; they come one after the other
  std::size_t uncovered = 0;    ///< Parley: bytes of entries not confirmed by rcv
  std::string in, out;
  std::string message;              ///< what came so far of a fragmented message
  std::string lines;                ///< what is left of a protocol whose lines do not end with messages
  unsigned number = 0;              ///< no two connections of a run have the same
  unsigned group = 0;               ///< those of one lane have the same
  unsigned step = 0;                ///< of signing in
  std::string address;              ///< where others reach it
  std::string token, conv, resume;  ///< Parley
  std::string heard;
};

/// One sender and those who receive from it. Without receivers the sender hears itself.
struct Lane {
  static constexpr unsigned kRing = 64;  // more than the sends one lane may have unanswered

  std::uint64_t sent = 0, acked = 0;  ///< numbers of messages
  std::string address;                ///< where the sender sends to
  std::string conv;                   ///< Parley
  std::deque<std::int64_t> late;      ///< due, but the window of unanswered sends was full
  std::array<std::int64_t, kRing> due{};
  Connection sender;
  std::vector<std::unique_ptr<Connection>> receivers;
};

}  // namespace load
