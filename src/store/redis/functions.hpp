#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "message_facts.hpp"
#include "parley/base/result.hpp"
#include "parley/store/journal.hpp"
#include "redis/reply.hpp"

/// The journal in Redis: the function library `parley_j1` (parley_j1.lua), its commands, and every byte it keeps.
/// All integers are little endian; "u48" takes 6 bytes. Nothing here does I/O or has state; any thread.
///
/// Keys of a shard:
///   state   hash, all that an append has to look at:
///     "F"                         the shard: fence u48, incarnation u48, counter u48, step u16
///     "m" conv(8)                 what changes of a conversation, 39 bytes: head u48, public head u48, claim u32,
///                                 status u8, assignee 8, touched u48, number u64
///     "c" conv(8)                 what does not, 48 bytes: tenant 8, created 8, channel 8, visitor 8, epoch 16 (padded
///                                 with NUL)
///     "s" conv(8) sender(21)      the newest 1 to 4 answers to a sender (kind 1, principal 8, dev 12), oldest first,
///                                 37 bytes each: hash 8, ts 8, id 8, seq u48, code u8, n u48. n 1 to 4 share a field,
///                                 5 to 8, and so on
///     "s" conv(8) sender(21) 0..3 older ones: those of part p = (n - 1) / 4 stand in field p % 4, if their n are right
///     "l" conv(8)                 keys of its senders, in order of their first answer
///     "v" channel(8) visitor(8)   the latest conversation of this visitor there: conv(8) + 'o' or 'c'
///   log     stream, ids <incarnation>-<counter>; fields `p` Pack v1 (its claims are 0), `r` a ResultRecord per item,
///           `o` (if a conversation was opened) OpeningRecords
///   proj    hash conv(8) → projection
///   closed  sorted set conv(8) → when it was closed, in seconds: candidates for evict_command()
///   open    per tenant a set of conv(8) that are not closed
namespace parley::store::redis {

/// Source of the library, for load_library() (setup.hpp). Its name changes with its formats.
extern const char* const kLibrarySource;
inline constexpr std::string_view kLibraryName = "parley_j1";
/// For after a Redis came back without its functions.
Command load_library_command();

inline constexpr std::size_t kBatchItemsMax = 4096;
inline constexpr std::size_t kResultBytes = 26;
inline constexpr std::size_t kOpeningBytes = 48;
inline constexpr std::size_t kSenderKeyBytes = 21;

/// Of a shard's batches, by the width of its field in "F".
inline constexpr std::uint64_t kCounterMax = (std::uint64_t{1} << 48) - 1;

/// Position in the journal; rises with every batch of a shard, across incarnations.
constexpr std::uint64_t position(std::uint64_t counter, std::size_t index) noexcept { return counter << 12 | index; }
constexpr std::uint64_t counter_of(std::uint64_t pos) noexcept { return pos >> 12; }
constexpr std::size_t index_of(std::uint64_t pos) noexcept { return pos & (kBatchItemsMax - 1); }

/// Names of a shard's keys. The hash tag keeps a shard in one slot of a cluster.
struct Keys {
  Keys(std::string_view prefix, unsigned shard);
  std::string open(TenantId tenant) const { return base + "open:" + tenant.str(); }
  std::string base;  ///< "{<prefix>:<shard>}"
  std::string state, log, proj, closed;
};
std::string conversation_id(ConversationId conv);  ///< 8 bytes: members of open and closed, fields of proj
std::optional<ConversationId> conversation_id(std::string_view bytes);

/// An error reply as an Error whose detail is its text: FENCED is kForbidden, REGRESSED kGone, OOM kStorageFull, our
/// own WRONGFORMAT kInternal, all else (LOADING, READONLY, MISCONF, BUSY, ERR …) kUnavailable.
///   FENCED     another daemon has a higher fence: nothing may be written any more.
///   REGRESSED  this Redis lost what was written: the shard is not set up, its fence is older than the caller's, or its
///              counter lower than the floor.
Error error_of(const Reply& reply);

// ---- Appending ------------------------------------------------------------------------------------------------------

/// Who appends, and what it knows of the shard.
struct Writer {
  std::uint64_t fence = 0;
  std::uint64_t floor = 0;  ///< the highest counter that was answered or found; a lower one means REGRESSED
  std::int64_t now_s = 0;   ///< since 1970
};
/// What the caller adds to an item.
struct ItemNotes {
  std::uint64_t number = 0;  ///< an opening's number, used if it opens
  std::string epoch;         ///< an opening's epoch, at most 16 characters
  /// The conversation is in no archive, so if Redis has no core of it it does not exist. Without this an item whose
  /// core is missing gets Outcome::Kind::kMissing, unless it is an opening.
  bool absent_is_new = false;
};
/// Items of a batch, wherever they stand.
using ItemList = std::span<const Append* const>;
std::vector<const Append*> item_list(std::span<const Append> items);

/// FCALL parley_j1_append, and what its answer needs to be understood.
struct AppendCommand {
  WireCommand command;                       ///< its second piece is the Pack
  std::vector<std::uint16_t> conversations;  ///< per item, which of the batch's conversations is its own
  std::size_t conversation_count = 0;
};
/// `items`: 1 to kBatchItemsMax, all of one shard, texts (Append::text) may be any. `notes`: empty, or one per item.
/// What comes of an item stands in Appender::append() (sqlite/appender.cpp); both do the same.
AppendCommand encode_append(const Keys& keys, const Writer& writer, ItemList items, std::span<const ItemNotes> notes);

struct Outcome {
  enum class Kind : std::uint8_t {
    kNothing = 0,     ///< nothing was stored
    kEntry = 1,       ///< stored, `answer.seq` is new
    kRemembered = 2,  ///< no entry, but the answer is remembered and n consumed (void, refusal, kClaimed, kClosed)
    kDuplicate = 3,   ///< answered before; `answer` is the first one's
    kMissing =
        4,  ///< the conversation's core is not in Redis: restore it and append again, before anything later of it
  };
  Kind kind = Kind::kNothing;
  Appended answer;          ///< complete, as the embedded journal would fill it; pos is set if something was stored
  std::uint32_t flags = 0;  ///< MessageFlag, of an entry
  protocol::Status status = protocol::Status::kNew;  ///< of the conversation, after the item
  /// A duplicate of the very same Append (its message id): this command ran before, and the answer was lost. Its skip,
  /// and status, claim and assignee right after it, stand in the log only.
  bool own_replay = false;
};
struct AppendReply {
  std::uint64_t counter = 0;  ///< of the log entry; 0: nothing was stored
  std::vector<Outcome> outcomes;
};
/// `items` and `command` as they were encoded. Errors: error_of(), kInternal for an answer that cannot be read.
Result<AppendReply> decode_append(const AppendCommand& command, ItemList items, const Reply& reply);

// ---- Reading the log ------------------------------------------------------------------------------------------------

/// What became of an item of a batch, in field `r`: code u8, flags u8, status u8, outcome u8, seq u48, skip u32,
/// claim u32, assignee 8.
struct ResultRecord {
  Code code = Code::kOk;
  std::uint32_t flags = 0;                           ///< MessageFlag
  protocol::Status status = protocol::Status::kNew;  ///< of the conversation after it, as claim and assignee
  Outcome::Kind outcome = Outcome::Kind::kNothing;
  std::uint64_t seq = 0;
  std::uint64_t skip = 0;
  std::uint64_t claim = 0;
  AgentId assignee;
  bool no_conversation = false;  ///< there is none: a remembered refusal, or an unknown one
};
/// One record of kResultBytes. Null, or which of its values is out of its range.
const char* read_result(const char* record, ResultRecord& out);
/// kBadInput: not a whole number of records, or a value out of its range.
Result<std::vector<ResultRecord>> decode_results(std::string_view bytes);

/// A conversation that a batch opened: conv 8, channel 8, visitor 8, number u64, epoch 16.
struct OpeningRecord {
  ConversationId conv;
  ChannelId channel;
  VisitorId visitor;
  std::uint64_t number = 0;
  std::string epoch;
};
Result<std::vector<OpeningRecord>> decode_openings(std::string_view bytes);

/// An entry of the log.
struct LogEntry {
  std::uint64_t incarnation = 0, counter = 0;
  std::string pack;
  std::vector<protocol::PackItem> items;  ///< views into `pack`, good as long as it is
  std::vector<ResultRecord> results;      ///< one per item
  std::vector<OpeningRecord> openings;
  std::size_t bytes = 0;  ///< of all fields

  LogEntry() = default;
  LogEntry(LogEntry&&) noexcept = default;  // a pack with items is too long to live inside the string object
  LogEntry& operator=(LogEntry&&) noexcept = default;
};
/// One element of the answer to XRANGE. Its strings are moved out. kBadInput: it is damaged; kGone: a newer format.
/// `out` then has what could be read.
Result<> decode_log_entry(Reply&& element, LogEntry& out);
/// What was answered to item `i`, as a sender's memory keeps it. Only for kEntry and kRemembered with n != 0.
domain::SendResult send_result_of(const protocol::PackItem& item, const ResultRecord& result);
/// XRANGE log (after end COUNT count. `after` is exclusive; {0, 0}: from the beginning.
Command read_log_command(const Keys& keys, std::uint64_t after_incarnation, std::uint64_t after_counter,
                         std::size_t count);

// ---- Conversations --------------------------------------------------------------------------------------------------

/// What the journal decides by. head 0: there is no conversation, only refusals of its visitor are remembered.
struct ConversationCore {
  TenantId tenant;
  ChannelId channel;
  VisitorId visitor;
  std::int64_t created_ns = 0;
  std::uint64_t number = 0;
  std::string epoch;
  std::uint64_t head = 0, public_head = 0, claim = 0;
  protocol::Status status = protocol::Status::kNew;
  AgentId assignee;
  std::uint64_t touched = 0;  ///< counter of the last batch that stored something of it; 0 in what is restored
};
/// 87 bytes: the fields "m" and "c".
std::string encode_core(const ConversationCore& core);
Result<ConversationCore> decode_core(std::string_view bytes);
ConversationCore core_of(const domain::ConversationMeta& meta);

/// Oldest first, the last 16, their n without holes, 37 bytes each; empty results give "".
std::string encode_sender(std::span<const domain::SendResult> results);
Result<std::vector<domain::SendResult>> decode_sender(std::string_view bytes);
std::string encode_sender_key(const domain::SenderKey& key);  ///< 21 bytes
Result<std::vector<domain::SenderKey>> decode_sender_keys(std::string_view bytes);

/// What lists show, written behind the log.
struct Projection {
  domain::ConversationMeta meta;
  std::uint64_t applied_pos = 0;
};
std::string encode_projection(const Projection& projection);
/// kGone: a newer format.
Result<Projection> decode_projection(std::string_view bytes);

/// What Redis has of a conversation.
struct LoadedConversation {
  std::optional<ConversationCore> core;  ///< nothing: it is not here
  std::vector<std::pair<domain::SenderKey, std::vector<domain::SendResult>>> senders;
  std::optional<Projection> projection;  ///< may be behind core.head, or be missing
};
/// FCALL_RO parley_j1_load: one answer for all, of one moment. Without `senders` only cores and projections (lists).
Command load_command(const Keys& keys, std::span<const ConversationId> convs, bool senders);
/// As many as were asked for, in order.
Result<std::vector<LoadedConversation>> decode_load(const Reply& reply);

/// The conversation that is open for this visitor, or the latest closed one that is in Redis.
Command visitor_command(const Keys& keys, ChannelId channel, VisitorId visitor);
struct VisitorPointer {
  ConversationId conv;
  bool open = false;
};
Result<std::optional<VisitorPointer>> decode_visitor(const Reply& reply);

// ---- Keeping it in order --------------------------------------------------------------------------------------------

struct Shard {
  std::uint64_t fence = 0, incarnation = 0, counter = 0;
  unsigned step = 1;  ///< the counter advances by it: the number of shards
};
Command shard_command(const Keys& keys);
/// Nothing: the shard was never set up, or is lost.
Result<std::optional<Shard>> decode_shard(const Reply& reply);

/// FCALL parley_j1_fence, at the start: sets up the shard or takes it over. Fence must not be lower than the present
/// one (FENCED). The incarnation only grows. The counter becomes at least `counter_min` and stays shard (mod shards).
/// Answers as shard_command().
Command fence_command(const Keys& keys, std::uint64_t fence, std::uint64_t incarnation, std::uint64_t counter_min,
                      unsigned shard, unsigned shards);

/// FCALL parley_j1_project: writes projections of conversations that are still in Redis. Answers their number.
Command project_command(const Keys& keys, std::uint64_t fence, std::span<const Projection> projections);

/// A conversation as the archive has it.
struct Restored {
  ConversationId conv;
  ConversationCore core;
  std::vector<std::pair<domain::SenderKey, std::vector<domain::SendResult>>> senders;
  std::optional<Projection> projection;
};
/// FCALL parley_j1_restore: writes a core if Redis has none or one with a lower head, a sender if Redis has none or one
/// with a lower n, and with a core its projection, its visitor's pointer and its place among open or closed ones.
/// Running it twice, or late, harms nothing. Answers how many cores were written. A core with head 0 remembers senders
/// of a conversation that does not exist.
Command restore_command(const Keys& keys, std::uint64_t fence, std::int64_t now_s, std::span<const Restored> items);

/// FCALL parley_j1_evict: takes conversations out of Redis that were closed before `before_s`, and of which nothing
/// came into the log after `archived_counter`; looks at most at `limit` of the oldest. Answers {looked at, taken out}.
Command evict_command(const Keys& keys, std::uint64_t fence, std::uint64_t archived_counter, std::int64_t before_s,
                      std::size_t limit);

}  // namespace parley::store::redis
