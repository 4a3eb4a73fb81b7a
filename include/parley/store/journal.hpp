#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/domain/sender.hpp"
#include "parley/protocol/pack.hpp"

namespace parley::store {

using protocol::Audience;
using protocol::Code;
using protocol::Codec;
using protocol::EntryType;

/// One item for the journal: an entry, or (kVoid, kRefusal) a seq-less result record that consumes the sender's n.
struct Append {
  EntryType kind = EntryType::kText;
  TenantId tenant;
  ConversationId conv;
  MessageId id;
  std::int64_t ts_ns = 0;
  Principal principal;
  DevId dev;
  std::uint64_t n = 0;
  std::uint64_t hash = 0;
  Audience audience = Audience::kPublic;
  Codec codec = Codec::kJson;
  std::string bytes;  ///< stored body; for kRefusal one byte, the Code
  std::string text;   ///< domain::preview_of() the plain public text (empty if none), for projections; a replay takes
                      ///< the text from the body: "text", of a close "reason"
  domain::Change change;                  ///< what it does to the conversation if it is stored
  std::optional<std::uint64_t> if_claim;  ///< store only if the conversation's claim is this one
  std::uint64_t target = 0;               ///< edit, recall: seq of the folded entry
  /// First entry of a conversation: makes it. Refused with kClosed and `other` if the visitor has another open one on
  /// that channel.
  struct Opening {
    ChannelId channel;
    VisitorId visitor;
  };
  std::optional<Opening> opening;
};

/// The journal's answer to one item.
struct Appended {
  Code code = Code::kOk;  ///< kOk: stored (or a void consumed). A stored kRefusal answers the Code it carries.
                          ///< kClaimed, kIdConflict, kTooOld, kOutOfOrder, kClosed: as in docs/protocol.md; kClaimed,
                          ///< and kClosed for a reopening, are remembered and consume n. kJournalFull, kJournalDown:
                          ///< nothing was stored. kUnknownConv: no such conversation and no opening (but a visitor's
                          ///< void or refusal is remembered even then).
  bool dup =
      false;  ///< the answer to an earlier append with the same identity; code, seq, id and ts are the first one's
  std::uint64_t seq = 0;
  std::uint64_t skip = 0;  ///< public entries: internal ones right before
  std::uint64_t pos = 0;   ///< journal position
  /// Entries that are no `dup`: the highest seq of the conversation that was known to be archived when the journal
  /// decided; may be low, never high. What on_stable() told between that and the answer's delivery is not in it. A
  /// store that archives with the append itself says `seq`.
  std::uint64_t stable = 0;
  std::int64_t ts_ns = 0;
  MessageId id;
  std::uint64_t expected = 0;  ///< kOutOfOrder
  std::uint64_t claim = 0;     ///< after the item; kClaimed: the present one
  AgentId assignee;            ///< after the item; kClaimed: who has it
  std::uint64_t number = 0;    ///< of the conversation
  std::string epoch;           ///< of the conversation; filled only for an item with `opening`
  ConversationId other;        ///< kClosed: the open conversation
};

/// All a home needs to wake a conversation: its state, and what its senders were answered.
struct ConversationState {
  domain::ConversationMeta meta;
  std::vector<std::pair<domain::SenderKey, std::vector<domain::SendResult>>> senders;  ///< results oldest first
};

/// A stored entry, folded: the body is the current one.
struct StoredEntry {
  std::uint64_t seq = 0;
  std::uint64_t skip = 0;  ///< internal entries right before it (for visitors)
  MessageId id;
  std::int64_t ts_ns = 0;
  EntryType type = EntryType::kText;
  Audience audience = Audience::kPublic;
  Principal from;
  DevId dev;
  std::uint64_t n = 0;
  std::uint64_t rev = 0;
  bool recalled = false;  ///< also: an edit whose text a later edit or recall of the same entry replaced
  std::string body;       ///< JSON, decompressed; empty if recalled
  /// The state after entries that change the conversation (domain::Change applied), for display.
  std::optional<protocol::Status> status;
  std::uint64_t claim = 0;
  AgentId assignee;
};

/// The durable, ordered log of conversations: nothing is acknowledged or shown before append() said it is on disk.
/// Order:   items of one submit() are handled in order, and submits of one reactor in order, as far as they are for the
/// same conversation; seq is gapless per conversation. Identity: (principal, dev, conv, n) is stored once; its dedup
/// check is the authority, whatever homes cache. Durability: kOk means fsynced. After a failed commit the outcome is
/// settled before any of its items is answered. Threads: submit() and the awaitables on a reactor; answers come back to
/// that reactor. Group commit over all reactors.
class Journal {
 public:
  virtual ~Journal() = default;
  /// The answer to one item of a submit().
  struct Answer {
    std::size_t index = 0;  ///< of the item in its batch
    Appended result;
  };
  /// Some answers of one submit(), which may be moved from.
  using OnAppended = std::function<void(std::span<Answer>)>;
  /// Never throws. `done` runs at the calling reactor, once or in several parts, never inside submit(); each item is
  /// answered exactly once. Nothing is said about the order among conversations. What the journal decided in one
  /// conversation is answered in the order of its items; kJournalDown and kJournalFull, where it decided nothing, come
  /// at once and may overtake items that are still on their way (session::JournalBatcher puts them in their place).
  /// False (and nothing done) if the queue is full. If a commit failed so that its outcome is unknown and the store is
  /// stopped before that is settled, the items of it are never answered: only the next start can tell.
  virtual bool submit(std::vector<Append>&& batch, OnAppended done) = 0;

  /// Status kNew and head 0: it does not exist yet, only refusals of its visitor are remembered.
  virtual asio::awaitable<Result<std::optional<ConversationState>>> load(ConversationId conv) = 0;
  /// The conversation that is open for this person on this channel, or the latest closed one.
  virtual asio::awaitable<Result<std::optional<ConversationId>>> find_by_visitor(ChannelId channel,
                                                                                 VisitorId visitor) = 0;
  /// Every conversation of the tenant that is not closed; for rebuilding lists and queues at start.
  virtual asio::awaitable<Result<std::vector<domain::ConversationMeta>>> open_conversations(TenantId tenant) = 0;

  struct Range {
    std::optional<std::uint64_t> after, before;  ///< at most one; neither: the newest
    unsigned limit = 50;
    bool internal = false;          ///< with internal entries
    std::size_t bytes_max = 65536;  ///< of bodies; at least one entry is given
  };
  struct Page {
    std::vector<StoredEntry> entries;
    bool more = false;
  };  ///< oldest first; `more` in the direction asked
  virtual asio::awaitable<Result<Page>> read(ConversationId conv, Range range) = 0;

  /// Closed conversations of a tenant, newest first, before journal position `before` (0 = newest); and conversations
  /// changed after `since`, oldest first.
  virtual asio::awaitable<Result<std::vector<domain::ConversationMeta>>> closed_conversations(TenantId tenant,
                                                                                              std::uint64_t before,
                                                                                              unsigned limit) = 0;
  virtual asio::awaitable<Result<std::vector<domain::ConversationMeta>>> changed_conversations(TenantId tenant,
                                                                                               std::uint64_t since,
                                                                                               unsigned limit) = 0;

  /// Receipts: cumulative maxima per conversation and principal, written behind.
  struct Mark {
    ConversationId conv;
    Principal who;
    std::uint64_t rcv = 0, read = 0;
  };
  virtual void save_marks(std::vector<Mark> marks) = 0;  ///< any reactor; dropped if the queue is full
  virtual asio::awaitable<Result<std::vector<Mark>>> load_marks(ConversationId conv) = 0;

  /// Entries that reached the archive, with the highest seq of each conversation. Set once per reactor, from there;
  /// called there, for conversations appended to or loaded through that reactor, a few at a time. Never called by a
  /// store that archives with the append itself.
  using OnStable = std::function<void(std::span<const std::pair<ConversationId, std::uint64_t>>)>;
  virtual void on_stable(OnStable) {}
  /// The highest seq of the conversation, not above `head`, that is known here to be archived; may be low, never high.
  /// Home reactor.
  virtual std::uint64_t stable(ConversationId, std::uint64_t head) const { return head; }

  struct Health {
    bool ok = true;
    std::string reason;
    std::size_t queued = 0;
    bool lost = false;  ///< for good: this process does not own the store any more and has to end
  };
  virtual Health health() const = 0;  ///< any thread
};

}  // namespace parley::store
