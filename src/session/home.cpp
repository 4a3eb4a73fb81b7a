#include "home.hpp"

#include <algorithm>

#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"

namespace parley::session {

using protocol::Code;
using protocol::Status;

namespace {
constexpr std::size_t kWaitingMax = 256;          // sends and subscriptions that wait for one conversation's load
constexpr std::size_t kConversationsMax = 65536;  // idle ones above it are forgotten; the store has them
constexpr std::size_t kJournalHigh = 32768;       // appends that wait: half of what a journal's queue takes
}  // namespace

Home::Home(Reactor& reactor, store::Journal& journal, TenantProfiles& profiles, HomeEnvironment& world,
           const config::Settings& settings, SessionMetrics& metrics, Snowflake& flakes, std::size_t tail_budget_bytes)
    : ReactorBound(reactor),
      journal_(journal),
      profiles_(profiles),
      world_(world),
      settings_(settings),
      metrics_(metrics),
      flakes_(flakes),
      batcher_(reactor, journal),
      tail_budget_(tail_budget_bytes),
      on_stage_([this](std::size_t stage, std::chrono::nanoseconds spent) {
        metrics_.stage_seconds[stage]->observe(spent);
      }) {
  home().post([this] { journal_.on_stable([this](auto archived) { became_stable(archived); }); });
}

void Home::with(ConversationId conv, Then then) {
  check_home();
  Conversation* known = conversations_.find(conv);
  if (known && !known->loading) {
    known->used = ++uses_;
    return then(known, Code::kOk);
  }
  const bool first = !known;
  if (first) {
    if (!conv) return then(nullptr, Code::kOk);
    known = &conversations_.add(conv, std::make_unique<Conversation>());
    known->loading = true;
  }
  auto& waiting = known->waiting;
  if (waiting.size() >= kWaitingMax) return then(nullptr, Code::kBusy);
  waiting.push_back(std::move(then));
  if (first) home().spawn("load conversation", load(conv));  // last: it may end at once
}

asio::awaitable<void> Home::load(ConversationId conv) {
  Result<std::optional<store::ConversationState>> state = co_await journal_.load(conv);
  Result<std::vector<store::Journal::Mark>> marks = std::vector<store::Journal::Mark>();
  if (state && *state) marks = co_await journal_.load_marks(conv);
  // The placeholder is never evicted: it is busy while it loads.
  std::unique_ptr<Conversation> placeholder = conversations_.take(conv);
  const Code code = state ? Code::kOk : Code::kJournalDown;
  if (!state) log::warn("conversation_not_loaded", "conv={} cause={}", conv.value, log::quote(state.error().detail));
  if (state && *state) {
    auto c = std::make_unique<Conversation>();
    c->meta = std::move((*state)->meta);
    c->stored =
        c->meta.status != Status::kNew;  // new: only refusals of its visitor are remembered, it has no entry yet
    for (auto& [key, results] : (*state)->senders) {
      for (const domain::SendResult& result : results) c->senders.obtain(key).settled.restore(result);
    }
    if (marks) {
      for (const auto& mark : *marks) c->marks[mark.who] = {mark.rcv, mark.read};
    }
    note_open(*c);
    conversations_.add(conv, std::move(c));
  }
  for (auto& then : placeholder->waiting) {
    // Looked up each time: an earlier one may have opened it just now.
    Conversation* c = conversations_.find(conv);
    if (c && c->loading) c = nullptr;
    if (c) c->used = ++uses_;
    then(c, c ? Code::kOk : code);
  }
}

void Home::trim() {
  check_home();
  if (tail_bytes_ <= tail_budget_ && conversations_.size() <= kConversationsMax) return;
  save_marks();  // of conversations that may go now
  std::vector<Conversation*> idle;
  conversations_.each([&](ConversationId, Conversation& c) {
    if (!c.busy()) idle.push_back(&c);
  });
  // Half of the idle ones at a time, oldest first, so that the scan pays off.
  const std::size_t half = (idle.size() + 1) / 2;
  std::nth_element(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(half ? half - 1 : 0), idle.end(),
                   [](const Conversation* a, const Conversation* b) { return a->used < b->used; });
  for (std::size_t i = 0; i < half; ++i) {
    tail_bytes_ -= idle[i]->tail_bytes;
    const ConversationId id = idle[i]->meta.id;
    note_open(*idle[i], true);
    conversations_.erase(id);
  }
  // All that is left is in use: shorten the tails, if need be to nothing; readers then go to the store.
  for (const std::size_t keep : {std::size_t{16}, std::size_t{0}}) {
    conversations_.each([&](ConversationId, Conversation& c) {
      while (tail_bytes_ > tail_budget_ && c.tail.size() > keep) {
        const std::size_t size = c.tail.front().body.size() + sizeof(store::StoredEntry);
        c.tail.pop_front();
        c.tail_bytes -= size;
        tail_bytes_ -= size;
      }
    });
  }
}

void Home::look_at_journal() {
  check_home();
  journal_lags_ = journal_.health().queued > kJournalHigh;
}

bool Home::allowed(const Conversation& c, const Who& who) {
  return c.meta.tenant == who.tenant && (!who.visitor() || c.meta.visitor.value == who.principal.id);
}

void Home::reply_error(SessionKey to, const protocol::ErrorView& view) {
  std::string json;
  protocol::append_error(json, view);
  world_.reply(to, json);
}

ConversationId Home::reserve(const Who& visitor, unsigned lane, ConversationId remembered) {
  auto [it, fresh] = reserved_.try_emplace(pointer_of(visitor));
  Reserved& reserved = it->second;
  if (fresh) {
    reserved.minted_here = !remembered;
    reserved.conv = remembered ? remembered : ConversationId{flakes_.next_conversation(wall_ns(), lane)};
  }
  const bool known = std::any_of(reserved.tabs.begin(), reserved.tabs.end(),
                                 [&](const Who& tab) { return tab.session == visitor.session; });
  if (!known) reserved.tabs.push_back(visitor);
  return reserved.conv;
}

void Home::leave(const Who& visitor) {
  auto it = reserved_.find(pointer_of(visitor));
  if (it == reserved_.end()) return;
  std::erase_if(it->second.tabs, [&](const Who& tab) { return tab.session == visitor.session; });
  if (it->second.tabs.empty()) reserved_.erase(it);
}

ConversationId Home::next_for(const Who& visitor, unsigned lane) {
  const auto open = open_.find(pointer_of(visitor));
  return open == open_.end() ? reserve(visitor, lane) : open->second;
}

void Home::note_open(const Conversation& c, bool forgotten) {
  const Pointer pointer{c.meta.channel, c.meta.visitor};
  if (!forgotten && c.stored && c.meta.status != Status::kClosed) {
    open_[pointer] = c.meta.id;
  } else if (auto it = open_.find(pointer); it != open_.end() && it->second == c.meta.id) {
    open_.erase(it);
  }
}

/// The first send to a reserved id: from now on it is a conversation.
Conversation& Home::open_reserved(ConversationId conv, const Who& visitor) {
  auto c = std::make_unique<Conversation>();
  c->meta.id = conv;
  c->meta.tenant = visitor.tenant;
  c->meta.channel = visitor.channel;
  c->meta.visitor = VisitorId{visitor.principal.id};
  c->meta.created_ns = wall_ns();
  c->used = ++uses_;
  return conversations_.add(conv, std::move(c));
}

void Home::join(Conversation& c, const Who& visitor) {
  const bool known = std::any_of(c.members.begin(), c.members.end(),
                                 [&](const Member& m) { return m.who.session == visitor.session; });
  if (!known) c.members.push_back({visitor});
}

/// All tabs of its visitor listen to a conversation that begins, and the next reserved id will be another one.
void Home::gather_tabs(Conversation& c) {
  auto it = reserved_.find({c.meta.channel, c.meta.visitor});
  if (it == reserved_.end()) return;
  it->second.only = false;
  if (it->second.conv != c.meta.id) return;
  for (const Who& tab : it->second.tabs) join(c, tab);
  reserved_.erase(it);
}

void Home::enter(const Who& visitor, unsigned lane, ConversationId remembered,
                 std::function<void(const Entrance&)> then) {
  check_home();
  // A visitor whose pointer is here has no stored conversation: no need to ask the store again.
  if (auto it = reserved_.find(pointer_of(visitor)); it != reserved_.end() && it->second.only) {
    Entrance entrance;
    entrance.reserved = reserve(visitor, lane);
    return then(entrance);
  }
  home().spawn("find the visitor's conversation", find_entrance(visitor, lane, remembered, std::move(then)));
}

asio::awaitable<void> Home::find_entrance(Who visitor, unsigned lane, ConversationId remembered,
                                          std::function<void(const Entrance&)> then) {
  Result<std::optional<ConversationId>> found =
      co_await journal_.find_by_visitor(visitor.channel, VisitorId{visitor.principal.id});
  if (!found) {
    Entrance unavailable;
    unavailable.unavailable = true;
    then(unavailable);
    co_return;
  }
  if (!*found) {
    Entrance entrance;
    entrance.reserved = reserve(visitor, lane, remembered);
    reserved_[pointer_of(visitor)].only = true;
    then(entrance);
    co_return;
  }
  with(**found, [this, visitor, lane, then = std::move(then)](Conversation* c, Code code) {
    Entrance entrance;
    entrance.unavailable = code != Code::kOk;
    if (!entrance.unavailable) {
      const auto profile = profiles_.find(visitor.tenant);
      const std::int64_t window = profile ? profile->reopen_window_ns : 0;
      const bool closed = !c || c->meta.status == Status::kClosed;
      if (c && (!closed || wall_ns() - c->meta.closed_ns < window)) entrance.current = c;
      if (closed) entrance.reserved = reserve(visitor, lane);
    }
    then(entrance);
  });
}

void Home::unsubscribe(ConversationId conv, SessionKey session) {
  check_home();
  Conversation* known = conversations_.find(conv);
  if (!known) return;
  auto forget = [session](Conversation& c) {
    std::erase_if(c.members, [&](const Member& m) { return m.who.session == session; });
  };
  if (!known->loading) return forget(*known);
  // Its subscription may be waiting for the load; this comes after it.
  known->waiting.push_back([forget](Conversation* c, Code) {
    if (c) forget(*c);
  });
}

void Home::receipt(const Who& who, ConversationId conv, std::uint64_t upto, bool read) {
  check_home();
  Conversation* known = conversations_.find(conv);
  if (!known || known->loading || !allowed(*known, who)) return;
  Conversation& c = *known;
  Mark& mark = c.marks[who.principal];
  upto = std::min(upto, c.meta.head);
  const Mark before = mark;
  mark.rcv = std::max(mark.rcv, upto);
  if (read) mark.read = std::max(mark.read, upto);
  if (mark.rcv == before.rcv && mark.read == before.read) return;
  dirty_marks_.emplace_back(conv, who.principal);
  if (mark.read != before.read) world_.on_read(who.tenant, conv, who.principal, mark.read);
  FramePtr for_agents, for_visitors;
  for (const Member& member : c.members) {
    if (member.who.session == who.session) continue;
    FramePtr& frame = member.who.visitor() ? for_visitors : for_agents;
    if (!frame) {
      // Visitors count public entries only; a mark beyond them would tell that there are others.
      const std::uint64_t limit = member.who.visitor() ? c.meta.public_head : c.meta.head;
      const protocol::MarkView view{who.principal, std::min(mark.rcv, limit), std::min(mark.read, limit)};
      std::string json;
      protocol::append_marks(json, conv, std::span(&view, 1));
      frame = make_text_frame(json);
    }
    world_.push_ephemeral(member.who.session, frame);
  }
}

void Home::typing(const Who& who, ConversationId conv, bool on) {
  check_home();
  const Conversation* c = conversations_.find(conv);
  if (!c || c->loading || !allowed(*c, who)) return;
  const auto profile = profiles_.find(who.tenant);
  std::string_view name;
  if (profile && who.principal.kind == PrincipalKind::kAgent) name = profile->agent_name(AgentId{who.principal.id});
  std::string json;
  protocol::append_typing(json, conv, who.principal, name, on);
  const FramePtr frame = make_text_frame(json);
  for (const Member& member : c->members) {
    if (!(member.who.principal == who.principal)) world_.push_ephemeral(member.who.session, frame);
  }
}

void Home::queue_position(ConversationId conv, std::uint32_t position, bool online) {
  check_home();
  const Conversation* c = conversations_.find(conv);
  if (!c) return;
  for (const Member& member : c->members) {
    if (!member.who.visitor()) continue;
    std::string json;
    protocol::append_queue(json, conv, position, online);
    world_.reply(member.who.session, json);
  }
}

void Home::agent_assigned(ConversationId conv, AgentId agent, protocol::AgentStatus status) {
  check_home();
  if (const Conversation* c = conversations_.find(conv)) show_agent(*c, agent, status);
}

void Home::agent_presence(TenantId tenant, AgentId agent, protocol::AgentStatus status) {
  check_home();
  conversations_.each([&](ConversationId, const Conversation& c) {
    if (c.meta.tenant == tenant) show_agent(c, agent, status);
  });
}

void Home::show_agent(const Conversation& c, AgentId agent, protocol::AgentStatus status) {
  if (c.meta.assignee != agent || c.meta.status != Status::kActive) return;
  const auto profile = profiles_.find(c.meta.tenant);
  if (!profile) return;
  std::string json;
  protocol::append_presence_agent(json, c.meta.id, {agent, profile->agent_name(agent), status});
  const FramePtr frame = make_text_frame(json);
  for (const Member& member : c.members) {
    if (member.who.visitor()) world_.push_ephemeral(member.who.session, frame);
  }
}

void Home::save_marks() {
  check_home();
  if (dirty_marks_.empty()) return;
  std::sort(dirty_marks_.begin(), dirty_marks_.end());
  dirty_marks_.erase(std::unique(dirty_marks_.begin(), dirty_marks_.end()), dirty_marks_.end());
  std::vector<store::Journal::Mark> marks;
  for (const auto& [conv, who] : dirty_marks_) {
    Conversation* c = conversations_.find(conv);
    if (!c || !c->stored) continue;
    const Mark& mark = c->marks[who];
    marks.push_back({conv, who, mark.rcv, mark.read});
  }
  dirty_marks_.clear();
  if (!marks.empty()) journal_.save_marks(std::move(marks));
}

protocol::ConversationView Home::view_of(const domain::ConversationMeta& meta, bool for_visitor,
                                         const TenantProfile* profile) {
  protocol::ConversationView view;
  view.conv = meta.id;
  view.number = meta.number;
  view.epoch = meta.epoch;
  view.head = for_visitor ? meta.public_head : meta.head;
  view.status = meta.status;
  view.claim = meta.claim;
  view.assignee = {meta.assignee.value,
                   profile && meta.assignee ? profile->agent_name(meta.assignee) : std::string_view()};
  view.visitor = {meta.visitor.value, {}};
  view.channel = meta.channel;
  view.created_ms = to_ms(meta.created_ns);
  view.last_ts_ms = to_ms(meta.last_ts_ns);
  view.last_text = meta.preview;
  view.last_from = meta.last_from;
  view.last_seq = meta.last_text_seq;
  if (meta.status == Status::kWaiting) view.waiting_since_ms = to_ms(meta.waiting_since_ns);
  view.for_visitor = for_visitor;
  return view;
}

}  // namespace parley::session
