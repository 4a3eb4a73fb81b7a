#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "parley/base/id_table.hpp"
#include "parley/base/reactor.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/protocol/client_frame.hpp"
#include "parley/protocol/server_frame.hpp"
#include "parley/store/journal.hpp"
#include "requests.hpp"
#include "tenant_profiles.hpp"

namespace parley::session {

/// What a desk needs from the world around it. Implemented by the shard.
class DeskEnvironment {
 public:
  virtual void reply(SessionKey to, std::string_view json, bool several = false) = 0;
  virtual void queue_position(TenantId tenant, ConversationId conv, std::uint32_t position, bool online) = 0;
  /// For the visitors of every conversation of the agent, when its status changed.
  virtual void agent_presence(TenantId tenant, AgentId agent, protocol::AgentStatus status) = 0;
  /// For the visitor of one conversation, when it got this agent.
  virtual void agent_assigned(TenantId tenant, ConversationId conv, AgentId agent, protocol::AgentStatus status) = 0;
  /// Whether an agent is there for visitors changed.
  virtual void online_changed(TenantId tenant, bool online) = 0;

 protected:
  ~DeskEnvironment() = default;
};

/// The front desk of one tenant, on the tenant's first reactor: a row for every open conversation, the queue, the lists
/// agents watch, who of them is there. Rows are copies of what homes committed; a desk starts from the store and then
/// follows the homes. Pushes are batched: lists at most four times, queue positions once a second. Threads: home
/// reactor only.
class Desk : private ReactorBound {
 public:
  Desk(Reactor& home, TenantId tenant, store::Journal& journal, TenantProfiles& profiles, DeskEnvironment& world,
       std::chrono::milliseconds agent_presence);

  /// A home committed an entry.
  void committed(const domain::ConversationMeta& meta, bool visitor_text);
  void read(ConversationId conv, Principal who, std::uint64_t upto);

  void watch(const Who& who, std::uint64_t re, protocol::WatchView request);
  void unwatch(SessionKey session, std::uint64_t watch);
  void inbox(const Who& who, std::uint64_t re, protocol::Inbox request);
  void agent_came(const Who& who);
  void agent_left(const Who& who);
  void set_status(const Who& who, protocol::AgentStatus status);
  /// A visitor's session begins to listen: tells it its place in the queue, or how its agent is.
  void greet(const Who& visitor, ConversationId conv);
  std::vector<protocol::AgentView> agents(const TenantProfile& profile) const;
  bool online() const noexcept { return online_; }
  std::size_t open_conversations() const noexcept { return rows_.size(); }
  std::size_t waiting_conversations() const noexcept { return queue_.size(); }

  /// Called by the shard every 250 ms.
  void tick(std::chrono::steady_clock::time_point now);

 private:
  struct Row {
    domain::ConversationMeta meta;
    std::vector<std::uint64_t> visitor_seqs;      // newest visitor texts, for unread counts
    bool knows_unread = false;                    // else only the last of them is known, since a start
    bool noted = false;                           // among those that changed since the last delta
    std::map<std::uint64_t, std::uint64_t> read;  // per agent
  };
  struct Before {
    bool existed = false;
    protocol::Status status = protocol::Status::kNew;
    AgentId assignee;
  };
  struct Change {
    ConversationId conv;
    Before before;
    const Row* row;  // null: closed
  };
  struct Watch {
    Who who;
    std::uint64_t id = 0;
    protocol::View view = protocol::View::kOpen;
    bool fresh = true;  // rows were sent since the last delta, so it may show what came and went between two
  };
  struct Presence {
    std::unordered_set<std::uint64_t> sessions;  // keys' ids with their shard mixed in
    protocol::AgentStatus chosen = protocol::AgentStatus::kOnline;
    std::chrono::steady_clock::time_point left{};
    protocol::AgentStatus effective = protocol::AgentStatus::kAway;
  };
  using Place = std::pair<std::int64_t, std::uint64_t>;  // waiting since, conversation

  void when_ready(std::function<void()> then);
  asio::awaitable<void> start();
  asio::awaitable<void> recall_unread(ConversationId conv);
  asio::awaitable<void> recall_unread(std::vector<ConversationId> shown);
  asio::awaitable<void> send_closed(Who who, std::uint64_t re, unsigned limit);
  asio::awaitable<void> send_inbox(Who who, std::uint64_t re, protocol::Inbox request);
  void send_rows(const Watch& watch, std::uint64_t re, unsigned limit);
  /// Before a row changes; `existed`: it was there at the last delta.
  void note_change(Row& row, bool existed);
  /// What a home or the store says of the row's conversation now.
  void update(Row& row, const domain::ConversationMeta& meta);
  void place(const domain::ConversationMeta& meta);
  static bool in_view(protocol::View view, protocol::Status status, AgentId assignee, const Who& who);
  protocol::Counts counts_of(const Who& who) const;
  protocol::ConversationView row_view(const Row& row, const Who& who, std::string& pos,
                                      const TenantProfile* profile) const;
  std::uint32_t unread(const Row& row, const Who& who) const;
  void push_deltas();
  void push_delta(const Watch& watch, const std::vector<Change>& changes, bool counts_may_differ);
  void push_queue();
  void update_presence(std::chrono::steady_clock::time_point now);

  const TenantId tenant_;
  store::Journal& journal_;
  TenantProfiles& profiles_;
  DeskEnvironment& world_;
  const std::chrono::milliseconds agent_presence_;
  bool ready_ = false, starting_ = false;
  std::vector<std::function<void()>> waiting_;
  IdTable<ConversationId, Row> rows_;
  /// Kept beside the rows, since a list's push needs it for each of its readers.
  struct Tally {
    std::uint32_t open = 0;
    std::unordered_map<std::uint64_t, std::uint32_t> active;  // by assignee
    void count(const domain::ConversationMeta& meta, int by);
  } tally_;
  std::set<Place> queue_;
  std::unordered_map<ConversationId, std::int64_t> queued_since_;
  std::unordered_map<ConversationId, std::uint32_t> told_;  // positions as last pushed
  std::unordered_map<ConversationId, Before> changed_;      // since the last delta
  std::vector<Watch> watches_;
  std::map<std::uint64_t, Presence> agents_;
  std::unordered_map<std::uint64_t, Who> agent_sessions_;
  bool online_ = false, queue_dirty_ = false;
  std::chrono::steady_clock::time_point queue_told_{};
};

}  // namespace parley::session
