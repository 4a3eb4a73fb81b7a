#include "parley/protocol/types.hpp"

#include <array>

namespace parley::protocol {
namespace {

struct TypeName {
  EntryType type;
  std::string_view name;
  bool from_clients;
};
constexpr TypeName kTypes[] = {
    {EntryType::kText, "text", true},         {EntryType::kNote, "note", true},
    {EntryType::kClaim, "claim", true},       {EntryType::kAssign, "assign", true},
    {EntryType::kTransfer, "transfer", true}, {EntryType::kClose, "close", true},
    {EntryType::kReopen, "reopen", true},     {EntryType::kEdit, "edit", true},
    {EntryType::kRecall, "recall", true},     {EntryType::kEvent, "event", false},
    {EntryType::kVoid, "void", true},         {EntryType::kRefusal, "refusal", false},
};

constexpr std::array<std::string_view, 4> kStatuses{"new", "waiting", "active", "closed"};
constexpr std::array<std::string_view, 3> kAgentStatuses{"away", "busy", "online"};

// In the order of the enumeration; docs/protocol.md section 6 lists them.
constexpr CodeInfo kCodes[] = {
    {200, "ok", false, ""},
    {400, "bad_frame", false, "The frame is not understood."},
    {400, "unknown_frame", false, "This type of frame is not known here."},
    {401, "unauthenticated", false, "Say hello first, or sign in again."},
    {403, "forbidden", false, "This is not allowed for you, or not in the conversation's present state."},
    {404, "unknown_conv", false, "There is no such conversation for you."},
    {409, "claimed", false, "Another agent has this conversation."},
    {409, "id_conflict", false, "This number was used with other content. Take a new dev."},
    {409, "too_old", false, "This number was answered long ago and its answer is forgotten."},
    {410, "closed", false, "The conversation is closed. Start a new one."},
    {412, "out_of_order", true, "A number before this one is missing. Send again from the expected one."},
    {413, "too_large", false, "The message is too long."},
    {422, "filtered", false, "The message contains a word this site does not allow."},
    {429, "rate", true, "Too many messages. Wait a moment."},
    {503, "journal_down", true, "Nothing can be stored at the moment. Try again shortly."},
    {503, "busy", true, "The server is busy. Try again shortly."},
    {507, "journal_full", true, "The disk is full. Nothing can be stored until there is room."},
    {500, "internal", false, "Something went wrong here."},
};
static_assert(std::size(kCodes) == static_cast<std::size_t>(Code::kInternal) + 1);

}  // namespace

std::string_view to_string(EntryType type) noexcept {
  for (const TypeName& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return "unknown";
}

std::optional<EntryType> entry_type_of(std::string_view name) noexcept {
  for (const TypeName& row : kTypes) {
    if (row.from_clients && row.name == name) return row.type;
  }
  return std::nullopt;
}

std::string_view to_string(Status status) noexcept { return kStatuses[static_cast<std::size_t>(status)]; }

std::optional<Status> status_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    if (kStatuses[i] == name) return static_cast<Status>(i);
  }
  return std::nullopt;
}

std::string_view to_string(AgentStatus status) noexcept { return kAgentStatuses[static_cast<std::size_t>(status)]; }

std::optional<AgentStatus> agent_status_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kAgentStatuses.size(); ++i) {
    if (kAgentStatuses[i] == name) return static_cast<AgentStatus>(i);
  }
  return std::nullopt;
}

const CodeInfo& info(Code code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  // A refusal read back from a journal written by a newer version may carry a code unknown here.
  return kCodes[index < std::size(kCodes) ? index : static_cast<std::size_t>(Code::kInternal)];
}

std::string_view reason_of(CloseCode code) noexcept {
  switch (code) {
    case CloseCode::kNormal:
      return "normal";
    case CloseCode::kGoingAway:
      return "going_away";
    case CloseCode::kProtocolError:
      return "protocol_error";
    case CloseCode::kBadData:
      return "bad_data";
    case CloseCode::kTooBig:
      return "too_big";
    case CloseCode::kDrain:
      return "drain";
    case CloseCode::kSlow:
      return "slow";
    case CloseCode::kHeartbeat:
      return "heartbeat";
    case CloseCode::kInternal:
      return "internal";
    case CloseCode::kOverload:
      return "overload";
    case CloseCode::kRate:
      return "rate";
    case CloseCode::kNoHello:
      return "no_hello";
    case CloseCode::kResumeInvalid:
      return "resume_invalid";
    case CloseCode::kTokenExpired:
      return "token_expired";
    case CloseCode::kProtocol:
      return "protocol";
    case CloseCode::kAuth:
      return "auth";
    case CloseCode::kBanned:
      return "banned";
    case CloseCode::kTenantDisabled:
      return "tenant_disabled";
    case CloseCode::kOrigin:
      return "origin";
    case CloseCode::kSuperseded:
      return "superseded";
  }
  return "unknown";
}

}  // namespace parley::protocol
