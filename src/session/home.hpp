#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conversation.hpp"
#include "journal_batcher.hpp"
#include "parley/base/id_table.hpp"
#include "parley/base/snowflake.hpp"
#include "parley/config/settings.hpp"
#include "parley/protocol/server_frame.hpp"
#include "parley/session/peer.hpp"
#include "parley/tenant/token_bucket.hpp"
#include "requests.hpp"
#include "session_metrics.hpp"
#include "tenant_profiles.hpp"

namespace parley::session {

/// What a home needs from the world around it. Implemented by the shard.
class HomeEnvironment {
 public:
  /// A JSON frame for one session (`several`: frames with commas between), in the order of calls.
  virtual void reply(SessionKey to, std::string_view json, bool several = false) = 0;
  /// A shared frame with an entry for one session; counts against its window.
  virtual void push_entry(SessionKey to, ConversationId conv, std::uint64_t seq, const FramePtr& frame) = 0;
  /// A shared frame that may be dropped (typing, presence).
  virtual void push_ephemeral(SessionKey to, const FramePtr& frame) = 0;
  /// The visitor's session may open this conversation, which was just reserved for it.
  virtual void grant(SessionKey to, ConversationId conv) = 0;
  /// The session cannot be given what it listens to: it has to come again.
  virtual void send_away(SessionKey session) = 0;
  /// The journal takes nothing now, or lags behind: a session that sends is asked to pause for so long.
  virtual void slow_down(SessionKey session, std::uint32_t pause_ms) = 0;
  /// An entry was committed: lists, queue and counters of the tenant follow.
  virtual void on_committed(const domain::ConversationMeta& meta, const store::StoredEntry& entry) = 0;
  virtual void on_read(TenantId tenant, ConversationId conv, Principal who, std::uint64_t upto) = 0;

 protected:
  ~HomeEnvironment() = default;
};

/// All conversations that have their home on one reactor: dedup, order, journal, tail, membership, fan-out.
///
/// A send's way: find or load the conversation → dedup look-up → may this person do it now → quota → text stages → body
/// → stored stages → journal (whose own check is the authority) → remember the answer, apply, tail → ack → fan out.
/// Refusals that consume n go through the journal as result records, so that answers keep their order. Threads: home
/// reactor only.
class Home : private ReactorBound {
 public:
  Home(Reactor& home, store::Journal& journal, TenantProfiles& profiles, HomeEnvironment& world,
       const config::Settings& settings, SessionMetrics& metrics, Snowflake& flakes, std::size_t tail_budget_bytes);

  /// The conversation a visitor's new session begins with.
  struct Entrance {
    bool unavailable = false;         ///< the store cannot be asked now
    Conversation* current = nullptr;  ///< open, or closed and still reopenable; null: only `reserved`
    ConversationId reserved;          ///< an id for a new conversation; none while one is open
  };
  /// `remembered`: the id its resume blob names, if any.
  void enter(const Who& visitor, unsigned lane, ConversationId remembered, std::function<void(const Entrance&)> then);
  /// The visitor's session ended: forgets it as a holder of its reserved id.
  void leave(const Who& visitor);

  void subscribe(SubscribeRequest request);
  void unsubscribe(ConversationId conv, SessionKey session);
  void send(SendRequest&& request);
  void sync(SyncRequest request);
  void receipt(const Who& who, ConversationId conv, std::uint64_t upto, bool read);
  void typing(const Who& who, ConversationId conv, bool on);
  /// From the desk: the place in the queue (0 = not waiting).
  void queue_position(ConversationId conv, std::uint32_t position, bool online);
  /// From the desk: the status of an agent, for the visitors it serves; of one conversation or of all.
  void agent_assigned(ConversationId conv, AgentId agent, protocol::AgentStatus status);
  void agent_presence(TenantId tenant, AgentId agent, protocol::AgentStatus status);
  /// Hands receipts that changed since the last call to the store; called every few seconds.
  void save_marks();
  /// Forgets idle conversations and shortens tails if they take more than their share; called some times a second,
  /// never while a conversation is worked on.
  void trim();
  /// Does the journal keep up? Called some times a second.
  void look_at_journal();

  std::size_t conversations() const noexcept { return conversations_.size(); }
  std::size_t tail_bytes() const noexcept { return tail_bytes_; }
  /// A conversation as `who` may see it; views point into `meta` and `profile`.
  static protocol::ConversationView view_of(const domain::ConversationMeta& meta, bool for_visitor,
                                            const TenantProfile* profile);

 private:
  /// The conversation, or null with kOk (there is none) or kJournalDown (the store cannot be asked).
  using Then = std::function<void(Conversation*, protocol::Code)>;
  struct Pointer {
    ChannelId channel;
    VisitorId visitor;
    auto operator<=>(const Pointer&) const = default;
  };
  struct PointerHash {
    std::size_t operator()(const Pointer& p) const noexcept { return mix64(p.channel.value * 31 + p.visitor.value); }
  };
  /// A reserved id: nothing is written before its first send.
  struct Reserved {
    ConversationId conv;
    bool minted_here = true;  ///< false: from a resume blob, or something was refused in it, so the store may know it
    bool only =
        false;  ///< the visitor had no conversation in the store when it was reserved, and none was opened since
    std::vector<Who> tabs;  ///< become members when it is opened
  };
  static Pointer pointer_of(const Who& visitor) { return {visitor.channel, VisitorId{visitor.principal.id}}; }

  // home.cpp: which conversations are here
  void with(ConversationId conv, Then then);
  asio::awaitable<void> load(ConversationId conv);
  asio::awaitable<void> find_entrance(Who visitor, unsigned lane, ConversationId remembered,
                                      std::function<void(const Entrance&)> then);
  ConversationId reserve(const Who& visitor, unsigned lane, ConversationId remembered = {});
  /// Where a visitor whose conversation is closed for good should write: its open conversation, or a reserved one.
  ConversationId next_for(const Who& visitor, unsigned lane);
  /// Keeps the table of open conversations in memory true to `c`.
  void note_open(const Conversation& c, bool forgotten = false);
  Conversation& open_reserved(ConversationId conv, const Who& visitor);
  static void join(Conversation& c, const Who& visitor);
  void gather_tabs(Conversation& c);
  static bool allowed(const Conversation& c, const Who& who);
  void error(const Who& who, const protocol::ErrorView& view) { reply_error(who.session, view); }
  void reply_error(SessionKey to, const protocol::ErrorView& view);

  // home_read.cpp: resume and pages
  void subscribed(Conversation& c, SubscribeRequest request);
  /// Asks the store, while `readers` keeps the conversation here, and counts the reader off. What was edited or
  /// recalled meanwhile is in the page as it became.
  asio::awaitable<Result<store::Journal::Page>> read_store(ConversationId conv, store::Journal::Range range);
  asio::awaitable<void> catch_up(SubscribeRequest request, bool reset);
  void write_catch_up(Conversation& c, const SubscribeRequest& request, bool reset,
                      const std::vector<store::StoredEntry>& entries, bool more);
  asio::awaitable<void> read_page(SyncRequest request);
  void write_page(Conversation& c, const SyncRequest& request, const std::vector<store::StoredEntry>& entries,
                  bool more);
  bool tail_reaches(const Conversation& c, std::uint64_t first_seq) const;

  // home_send.cpp: the way of a message, up to the journal
  void arrived(Conversation* c, protocol::Code code, SendRequest&& request);
  /// `fetched`: the entry it changes, if that had to be read from the store.
  void accept(Conversation& c, SendRequest&& request, const store::StoredEntry* fetched = nullptr);
  asio::awaitable<void> fetch_target(SendRequest request);
  void refuse(Conversation& c, const SendRequest& request, protocol::Code code, std::string_view field = {},
              std::string_view message = {});
  void not_now(const SendRequest& request, protocol::Code code, std::uint32_t after_ms,
               std::optional<std::uint64_t> expected = std::nullopt);
  void answer_known(Conversation& c, const SendRequest& request, const domain::SendResult& result);
  store::Append item_of(const Conversation& c, const SendRequest& request);
  void append(std::unique_ptr<InFlight> flight, store::Append item);
  void add_transfer_note(Conversation& c, const SendRequest& request);
  // home_settle.cpp: what follows from its answer
  friend InFlight;
  void appended(InFlight& flight, const store::Appended& result);
  /// `sender` gets a `stable` frame when its entry is archived.
  static void await_stable(Conversation& c, std::uint64_t seq, SessionKey sender);
  void became_stable(std::span<const std::pair<ConversationId, std::uint64_t>> archived);
  static bool is_echoed(const Conversation& c, const InFlight& flight);
  /// `knows`: the session that has all of the entry with its ack, or none.
  void committed(Conversation& c, InFlight& flight, const store::Appended& result, SessionKey knows);
  /// Of an edit or a recall: the seq of the entry that it changes; 0 if its body was withdrawn.
  static std::uint64_t target_of(const store::StoredEntry& e);
  void fold_into_tail(Conversation& c, protocol::EntryType kind, std::uint64_t target);
  void fan_out(Conversation& c, const store::StoredEntry& entry, SessionKey knows);
  void answer_refused(const Conversation& c, const InFlight& flight, const store::Appended& result);
  static domain::ConversationMeta projected(const Conversation& c);
  std::optional<std::chrono::milliseconds> over_quota(Conversation& c, const SendRequest& request);
  void show_agent(const Conversation& c, AgentId agent, protocol::AgentStatus status);
  std::unique_ptr<InFlight> flight_of(Conversation& c, Sender& sender, const SendRequest& request);
  protocol::EntryView entry_view(const Conversation& c, const store::StoredEntry& e, bool for_visitor,
                                 const TenantProfile* profile) const;

  store::Journal& journal_;
  TenantProfiles& profiles_;
  HomeEnvironment& world_;
  const config::Settings& settings_;
  SessionMetrics& metrics_;
  Snowflake& flakes_;
  JournalBatcher batcher_;
  bool journal_lags_ = false;
  const std::size_t tail_budget_;
  std::size_t tail_bytes_ = 0;
  std::uint64_t uses_ = 0;
  IdTable<ConversationId, Conversation> conversations_;
  std::unordered_map<Pointer, Reserved, PointerHash> reserved_;
  std::unordered_map<Pointer, ConversationId, PointerHash> open_;  // of the conversations in memory
  std::unordered_map<TenantId, tenant::TokenBucket> tenant_buckets_;
  std::vector<std::pair<ConversationId, Principal>> dirty_marks_;
  std::function<void(std::size_t, std::chrono::nanoseconds)> on_stage_;
  std::string answer_;  // reused for what is said of a commit
};

}  // namespace parley::session
