#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "parley/base/ids.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/protocol/client_frame.hpp"

/// What sessions ask of homes and desks: owning copies, since it may cross reactors and wait for the store.
namespace parley::session {

/// Names a session from anywhere: the reactor it lives on and its number there. A session that is gone is simply not
/// found.
struct SessionKey {
  std::uint32_t shard = 0;
  std::uint64_t id = 0;
  bool operator==(const SessionKey&) const = default;
};

/// Who asks, as established at the handshake.
struct Who {
  SessionKey session;
  TenantId tenant;
  Principal principal;
  bool supervisor = false;  ///< supervisor, admin or owner
  bool echo = true;         ///< own sends come back as entries, too
  ChannelId channel;        ///< visitors: where they came in
  bool visitor() const { return principal.kind == PrincipalKind::kVisitor; }
};

struct OwnedCursor {
  ConversationId conv;
  std::string epoch;
  std::uint64_t seq = 0;
};

struct SubscribeRequest {
  Who who;
  std::uint64_t re = 0;
  ConversationId conv;
  std::optional<OwnedCursor> cursor;
  bool may_open = false;  ///< visitors: the id was reserved for them, so it need not exist yet
};

struct SendRequest {
  Who who;
  std::uint64_t re = 0;
  ConversationId conv;
  DevId dev;
  bool adopted = false;  ///< dev is not the session's own: it is named in the answers
  std::uint64_t n = 0;
  protocol::EntryType type = protocol::EntryType::kText;
  std::optional<std::uint64_t> if_claim;
  std::uint64_t hash = 0;
  std::string text, note, reason;
  std::optional<std::uint64_t> ref;
  std::optional<AgentId> to;
  std::uint64_t target = 0;
  bool may_open = false;
  /// The content itself was unacceptable: to be refused, and remembered under n, after the dedup look-up.
  struct Bad {
    protocol::Code code;
    std::string field, message;
  };
  std::optional<Bad> bad;
  std::chrono::steady_clock::time_point arrived;
};

struct SyncRequest {
  Who who;
  std::uint64_t re = 0;
  ConversationId conv;
  std::optional<std::uint64_t> after, before;
  unsigned limit = 50;
};

}  // namespace parley::session
