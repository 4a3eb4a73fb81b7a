#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "parley/base/ids.hpp"

/// The vocabulary of docs/protocol.md.
namespace parley::protocol {

/// Types of entries; the number is what stores keep and never changes.
enum class EntryType : std::uint8_t {
  kText = 1,
  kNote = 2,
  kClaim = 3,
  kAssign = 4,
  kTransfer = 5,
  kClose = 6,
  kReopen = 7,
  kEdit = 8,
  kRecall = 9,
  kEvent = 10,
  kVoid = 64,     ///< never an entry: closes a hole in a sender's numbers
  kRefusal = 65,  ///< never an entry: the remembered refusal of a send
};
std::string_view to_string(EntryType type) noexcept;
std::optional<EntryType> entry_type_of(std::string_view name) noexcept;  ///< only what a client may send

enum class Audience : std::uint8_t { kPublic = 0, kInternal = 1 };
enum class Status : std::uint8_t { kNew = 0, kWaiting = 1, kActive = 2, kClosed = 3 };
std::string_view to_string(Status status) noexcept;
std::optional<Status> status_of(std::string_view name) noexcept;

enum class AgentStatus : std::uint8_t { kAway = 0, kBusy = 1, kOnline = 2 };
std::string_view to_string(AgentStatus status) noexcept;
std::optional<AgentStatus> agent_status_of(std::string_view name) noexcept;

/// Frame and REST errors (docs/protocol.md section 6).
enum class Code : std::uint8_t {
  kOk,
  kBadFrame,
  kUnknownFrame,
  kUnauthenticated,
  kForbidden,
  kUnknownConv,
  kClaimed,
  kIdConflict,
  kTooOld,
  kClosed,
  kOutOfOrder,
  kTooLarge,
  kFiltered,
  kRate,
  kJournalDown,
  kBusy,
  kJournalFull,
  kInternal,
};
struct CodeInfo {
  int status;
  std::string_view name;
  bool retry;
  std::string_view message;
};
/// Status, wire name, whether a client may simply retry (then n is not consumed), and the default sentence.
const CodeInfo& info(Code code) noexcept;

/// WebSocket close codes (docs/protocol.md section 6).
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kBadData = 1007,
  kTooBig = 1009,
  kDrain = 4000,
  kSlow = 4002,
  kHeartbeat = 4003,
  kInternal = 4005,
  kOverload = 4006,
  kRate = 4007,
  kNoHello = 4008,
  kResumeInvalid = 4100,
  kTokenExpired = 4101,
  kProtocol = 4500,
  kAuth = 4501,
  kBanned = 4502,
  kTenantDisabled = 4503,
  kOrigin = 4504,
  kSuperseded = 4505,
};
std::string_view reason_of(CloseCode code) noexcept;  ///< "drain", "slow" …: goes out as {"code":"…"}

inline constexpr std::size_t kFrameBytesMax = 65536;
inline constexpr std::size_t kBodyBytesMax = 16384;  ///< of an entry sent by a client
inline constexpr std::size_t kInternalBodyBytesMax = 65536;
inline constexpr std::size_t kTextCodePointsMax = 4000;
inline constexpr unsigned kInFlightMax =
    16;  ///< unanswered sends per (dev, conv); also how many results are remembered
inline constexpr std::size_t kCursorsMax = 50;
inline constexpr std::uint64_t kSeqMax = (1ULL << 53) - 1;

}  // namespace parley::protocol
