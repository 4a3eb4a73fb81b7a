#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parley/base/ids.hpp"
#include "parley/protocol/types.hpp"

/// Rules of a conversation; no I/O, the time is an argument. Threads: any; nothing here has state.
namespace parley::domain {

using protocol::Audience;
using protocol::EntryType;
using protocol::Status;

/// What a conversation is at one point of its log. Homes, journals and archives all keep this and change it by apply()
/// only.
struct ConversationMeta {
  TenantId tenant;
  ConversationId id;
  ChannelId channel;
  VisitorId visitor;
  std::uint64_t number = 0;  ///< per tenant, for people; 0 until the journal gave one
  std::string epoch;         ///< names the log; 4 to 16 characters of [a-z0-9]
  Status status = Status::kNew;
  std::uint64_t claim = 0;  ///< grows with every change of owner
  AgentId assignee;
  std::uint64_t head = 0;         ///< highest seq
  std::uint64_t public_head = 0;  ///< highest seq a visitor may see
  std::uint64_t last_pos = 0;     ///< journal position of the last entry
  std::int64_t created_ns = 0;
  std::int64_t last_ts_ns = 0;  ///< of the last public text
  std::uint64_t last_text_seq = 0;
  char last_from = 0;                  ///< principal letter of the last public text
  std::string preview;                 ///< last public text, at most 120 code points
  std::int64_t waiting_since_ns = 0;   ///< 0 unless waiting
  std::int64_t first_response_ns = 0;  ///< first text of an agent; 0 = none yet
  std::int64_t closed_ns = 0;
  Principal closed_by;
  std::string closed_reason;
};

/// What an entry does, besides being there. Decided at the home before the journal, stored with the entry, applied
/// after it.
struct Change {
  std::optional<Status> status;
  std::optional<AgentId> assignee;  ///< AgentId{0}: nobody
  bool new_claim = false;           ///< the claim grows by one
};

/// The facts of a stored entry that apply() needs.
struct EntryFacts {
  EntryType type = EntryType::kText;
  Audience audience = Audience::kPublic;
  Principal from{};
  std::uint64_t seq = 0;
  std::int64_t ts_ns = 0;
  std::uint64_t pos = 0;
  std::string_view text{};  ///< of a text or an edit; for close the reason
  Change change{};
  std::uint64_t target = 0;  ///< edit, recall: seq of the entry they change
};
/// Moves `meta` behind the entry. Entries at or below `meta.head`, and records without a seq (void, refusal), change
/// nothing, so a replay is harmless.
///   waiting_since begins when the status becomes `waiting` and does not move while it stays so: nobody loses a place
///   in the queue by being "put back" into it. Closing keeps the assignee (lists show whose it was) and notes who, when
///   and why; leaving `closed` forgets these three. preview follows an edit of the last public text and is emptied by
///   its recall, so that lists never show what was withdrawn.
void apply(ConversationMeta& meta, const EntryFacts& entry);

/// Who wants to do something.
struct Actor {
  Principal who;
  bool supervisor = false;  ///< supervisor, admin or owner
};
/// May `actor` do this now, and what follows? `to` is the agent named by assign and transfer (AgentId{0} = nobody).
/// `meta` must be the state after everything that was already handed to the journal, answered or not; otherwise a text
/// could slip behind a close without reopening, and a second claim could win over the first. (`if.claim` protects
/// across homes: pass meta.claim as the precondition of every append with new_claim.) Codes: kForbidden (role or state
/// does not allow it), kClaimed (an agent has it), kClosed (closed, and the reopen window is over), kBadFrame (assign,
/// transfer without `to`), kOk. What docs/protocol.md section 4 leaves open:
///   text      An agent's text never takes a waiting conversation: that is claim's job, which only one of two agents
///   can win. Agents do not write into a closed one (reopen first).
///             A visitor's text, at most `reopen_window_ns` after the close (the last nanosecond counts; 0 switches it
///             off; a clock set back counts as inside), reopens: it waits for anybody, since nobody knows whether the
///             former assignee is still there, and the claim grows.
///   note      In every state but `new`.
///   claim     Only while waiting. Assigned, even to oneself: kClaimed. Only agents can own, so bots, API keys and the
///   system cannot claim or reopen. assign, transfer   While waiting or active. The claim grows even if the owner stays
///   the same: it counts decisions, so that two at once cannot both hold. close     Any agent or the visitor, while
///   waiting or active; a second close is kForbidden. reopen    Only while closed, whatever the window. edit      While
///   waiting or active. recall: also when closed (somebody noticed too late). Whose text it is: may_change(). event
///   Only the system. void: always.
/// Bots and API keys count as agents without a supervisor's rights, the system as a supervisor.
struct Verdict {
  protocol::Code code = protocol::Code::kOk;
  Change change{};
};
Verdict decide(const ConversationMeta& meta, const Actor& actor, EntryType type, std::optional<AgentId> to,
               std::int64_t now_ns, std::int64_t reopen_window_ns);

/// The facts of the entry that an edit or a recall names.
struct Target {
  EntryType type = EntryType::kText;
  Audience audience = Audience::kPublic;
  Principal author{};
  std::int64_t ts_ns = 0;
  bool recalled = false;
};
inline constexpr std::int64_t kRecallWindowNs = 120'000'000'000;  ///< authors recall their own words for two minutes
/// May `actor` edit or recall (`type`) this entry? Only texts and notes, never after their recall, and visitors never
/// what is internal. edit: the author. recall: the author within kRecallWindowNs, supervisors always. kOk or
/// kForbidden. Asked beside decide(), which knows the conversation's state only.
protocol::Code may_change(const Actor& actor, EntryType type, const Target& target, std::int64_t now_ns);
/// Who may see an entry: notes are internal, and so are the edit and the recall of something internal; `target` is that
/// entry's audience.
Audience audience_of(EntryType type, Audience target = Audience::kPublic) noexcept;

/// A text on one line, at most `points` code points: line breaks become spaces (CR LF one), and if something was cut
/// the last of them is "…". `text` is valid UTF-8.
std::string preview_of(std::string_view text, std::size_t points = 120);

}  // namespace parley::domain
