#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "parley/domain/conversation.hpp"
#include "parley/domain/sender.hpp"

/// What travels between the models. There is one conversation; a body is a number.
namespace parley::sim {

using domain::Actor;
using protocol::Audience;
using protocol::Code;
using protocol::EntryType;
using protocol::Status;

/// Deliberate mistakes, to prove that the invariants notice them.
struct Flaws {
  bool skip_dedup = false;           ///< every arrival is a new entry
  bool ack_before_store = false;     ///< answered when handed to the journal
  bool dedup_after_stages = false;   ///< the word list judges a repeat anew
  bool decide_on_committed = false;  ///< what is under way in the journal is not considered
  bool decide_on_refused = false;    ///< sends are taken while it is not known yet that one before them failed
  bool answer_void_as_new = false;   ///< a void of a stored send says that it was given up
  bool forget_skip = false;          ///< visitors are not told of hidden entries
};

struct Send {
  DevId dev;
  std::uint64_t n = 0;
  EntryType type = EntryType::kText;
  std::uint64_t body = 0;
  std::uint64_t target = 0;
  std::optional<AgentId> to;
  std::optional<std::uint64_t> if_claim;
  std::uint64_t hash() const { return mix64(body * 64 + static_cast<unsigned>(type) + 1); }
};

/// An entry as the journal keeps it and as clients see it: folded in pages.
struct Entry {
  std::uint64_t seq = 0, skip = 0;
  EntryType type = EntryType::kText;
  Audience audience = Audience::kPublic;
  Principal from{};
  DevId dev{};
  std::uint64_t n = 0;
  std::uint64_t body = 0;
  std::uint64_t target = 0;
  std::uint64_t rev = 0;
  bool recalled = false;
  bool operator==(const Entry&) const = default;
};

using ConnectionId = std::uint32_t;

struct ToHome {
  enum class Kind { kHello, kSend, kSync, kClosed } kind = Kind::kHello;
  std::uint64_t after = 0;  ///< hello: the cursor; sync
  Send send{};
};

struct ToClient {
  enum class Kind { kReady, kAck, kError, kEntry, kPage } kind = Kind::kReady;
  bool reset = false;  ///< ready
  bool more = false;   ///< ready, page
  DevId dev{};         ///< ack, error
  std::uint64_t n = 0, seq = 0, expected = 0;
  Code code = Code::kOk;
  std::vector<Entry> entries{};  ///< ready, page; one for entry
};

/// An xorshift generator: fast, and the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix64(seed + 0x9e3779b97f4a7c15ULL) | 1) {}
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool percent(unsigned chance) { return below(100) < chance; }

 private:
  std::uint64_t state_;
};

}  // namespace parley::sim
