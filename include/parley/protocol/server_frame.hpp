#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/protocol/types.hpp"

/// Frames to clients. Every `append_…` adds one JSON object to `out`, without WebSocket framing; hand-written for
/// speed, escaped correctly for any UTF-8.
namespace parley::protocol {

/// JSON string with quotes; `text` must be UTF-8. Escapes ", \, control characters, U+2028 and U+2029.
void append_json_string(std::string& out, std::string_view text);

struct Person {
  std::uint64_t id = 0;
  std::string_view name;
};

/// One entry, or one item of a page (then folded: current body, rev).
struct EntryView {
  ConversationId conv;
  std::uint64_t seq = 0;
  std::uint32_t skip = 0;
  MessageId id;
  std::int64_t ts_ms = 0;
  EntryType type = EntryType::kText;
  Audience audience = Audience::kPublic;
  Principal from;
  std::string_view from_name;
  DevId dev;
  std::uint64_t n = 0;
  std::uint64_t rev = 0;
  bool recalled = false;
  std::string_view body;  ///< canonical JSON object; ignored if recalled
  /// Entries that change the conversation: the state after them.
  struct State {
    Status status;
    std::uint64_t claim;
    Person assignee;
  };
  std::optional<State> state;
};
/// `with_type_tag`: as a frame of its own ("t":"entry"), otherwise as an item of a page.
void append_entry(std::string& out, const EntryView& entry, bool with_type_tag = true);

/// A conversation as in docs/protocol.md section 3.
struct ConversationView {
  ConversationId conv;
  std::uint64_t number = 0;
  std::string_view epoch;
  std::uint64_t head = 0;
  Status status = Status::kNew;
  std::uint64_t claim = 0;
  Person assignee, visitor;
  ChannelId channel;
  std::int64_t created_ms = 0;
  std::int64_t last_ts_ms = 0;
  std::string_view last_text;  ///< preview, at most 120 code points
  char last_from = 0;
  std::uint64_t last_seq = 0;
  std::optional<std::int64_t> waiting_since_ms;
  std::uint32_t unread = 0;
  std::string_view pos;
  bool for_visitor = false;  ///< leaves number, unread, pos and the visitor's own name out
};
void append_conversation(std::string& out, const ConversationView& conversation);

struct AgentView {
  AgentId id;
  std::string_view name;
  AgentStatus status = AgentStatus::kAway;
};

struct ReadyView {
  std::uint64_t re = 0;
  std::string_view sid;
  std::uint32_t gen = 0;
  std::string_view resume;
  std::uint32_t hb_interval_ms = 0, hb_grace_ms = 0;
  std::uint32_t window = 0;
  std::int64_t ts_ms = 0;
  Principal me;
  std::string_view me_name, me_role;  ///< role empty for visitors
  TenantId tenant;
  std::string_view tenant_name;
  std::optional<bool> online;              ///< visitors
  const ConversationView* conv = nullptr;  ///< visitors
  std::span<const AgentView> agents;       ///< agents
  bool refresh = false;                    ///< answer to refresh: only re, refresh and resume are written
};
void append_ready(std::string& out, const ReadyView& ready);

struct MarkView {
  Principal who;
  std::uint64_t rcv = 0, read = 0;
};
void append_resumed(std::string& out, std::uint64_t re, const ConversationView& conv, bool reset,
                    std::span<const MarkView> marks, bool more, std::optional<std::uint64_t> stable = std::nullopt);
/// `dev` only for an adopted outbox; `id` is left out if none (a void). `unechoed`: the entry does not follow; so many
/// internal ones stand right before it, which only visitors are told.
void append_ack(std::string& out, std::uint64_t re, ConversationId conv, const std::optional<DevId>& dev,
                std::uint64_t n, std::uint64_t seq, std::string_view epoch, MessageId id, std::int64_t ts_ms,
                std::uint64_t stable, bool dup, std::optional<std::uint64_t> unechoed = std::nullopt);
void append_stable(std::string& out, ConversationId conv, std::uint64_t upto);
/// Opens a page; items follow by append_entry(…, false) with commas between; end_page closes it.
void begin_page(std::string& out, std::uint64_t re, ConversationId conv, std::string_view epoch, std::uint64_t head,
                std::uint64_t stable);
void end_page(std::string& out, bool more);
struct Counts {
  std::uint32_t waiting = 0, mine = 0, open = 0;
};
void begin_rows(std::string& out, std::uint64_t re, std::string_view view);
void end_rows(std::string& out, const Counts& counts, bool more, std::optional<std::uint64_t> ipos);
void append_delta(std::string& out, std::uint64_t watch, std::span<const ConversationView> upsert,
                  std::span<const ConversationId> remove, const Counts& counts, bool changed);
void append_marks(std::string& out, ConversationId conv, std::span<const MarkView> marks);
void append_typing(std::string& out, ConversationId conv, Principal from, std::string_view name, bool on);
void append_presence_agents(std::string& out, std::span<const AgentView> agents);
void append_presence_online(std::string& out, bool online);
void append_presence_agent(std::string& out, ConversationId conv, const AgentView& agent);
void append_queue(std::string& out, ConversationId conv, std::uint32_t position, bool online);
void append_ping(std::string& out, std::int64_t ts_ms);
void append_pong(std::string& out, std::uint64_t re);
void append_lag(std::string& out, std::span<const std::pair<ConversationId, std::uint64_t>> heads);
void append_slow(std::string& out, std::uint32_t pause_ms);
void append_bye(std::string& out, std::uint32_t delay_ms, CloseCode code);

struct ErrorView {
  std::uint64_t re = 0;
  Code code = Code::kInternal;
  ConversationId conv{};  ///< omitted if none
  std::optional<std::uint64_t> n;
  std::optional<DevId> dev;  ///< an adopted outbox' dev
  std::string_view message;  ///< empty: the code's default
  std::string_view field;
  std::optional<std::uint32_t> after_ms;
  std::optional<std::uint64_t> expected;  ///< kOutOfOrder
  std::optional<Person> by;               ///< kClaimed
  std::optional<std::uint64_t> claim;     ///< kClaimed
  ConversationId moved_to{};              ///< kClosed: "to", the conversation to use instead
  std::string_view ref;
};
void append_error(std::string& out, const ErrorView& error);

}  // namespace parley::protocol
