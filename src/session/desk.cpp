#include "desk.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "home.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"

namespace parley::session {

using protocol::AgentStatus;
using protocol::Code;
using protocol::Status;
using protocol::View;

namespace {

constexpr std::size_t kUnreadMax = 100;  // shown as 99+
constexpr std::uint32_t kRetryMs = 1000;
constexpr std::size_t kWatchesMax = 32;  // lists of one session

std::uint64_t flat(SessionKey key) { return static_cast<std::uint64_t>(key.shard) << 56 | key.id; }

std::string_view name_of(View view) {
  switch (view) {
    case View::kWaiting:
      return "waiting";
    case View::kMine:
      return "mine";
    case View::kOpen:
      return "open";
    case View::kClosed:
      return "closed";
  }
  return "open";
}

}  // namespace

Desk::Desk(Reactor& reactor, TenantId tenant, store::Journal& journal, TenantProfiles& profiles, DeskEnvironment& world,
           std::chrono::milliseconds agent_presence)
    : ReactorBound(reactor),
      tenant_(tenant),
      journal_(journal),
      profiles_(profiles),
      world_(world),
      agent_presence_(agent_presence) {}

void Desk::when_ready(std::function<void()> then) {
  if (ready_) return then();
  waiting_.push_back(std::move(then));
  if (starting_) return;
  starting_ = true;
  home().spawn("open the desk", start());
}

asio::awaitable<void> Desk::start() {
  for (;;) {
    Result<std::vector<domain::ConversationMeta>> open = co_await journal_.open_conversations(tenant_);
    if (!open) {
      log::warn("desk_not_loaded", "tenant={} cause={}", tenant_.value, log::quote(open.error().detail));
      asio::steady_timer pause(home().context(), std::chrono::seconds(1));
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    for (domain::ConversationMeta& meta : *open) {
      auto [row, fresh] = rows_.obtain(meta.id);
      if (!fresh && row.meta.head >= meta.head) continue;  // a home told of something newer meanwhile
      update(row, meta);
      if (row.visitor_seqs.empty() && row.meta.last_from == 'v') row.visitor_seqs.push_back(row.meta.last_text_seq);
    }
    break;
  }
  ready_ = true;
  std::vector<ConversationId> open;  // the table changes while the store is asked
  std::vector<ConversationId> closed;
  rows_.each([&](ConversationId conv, const Row& row) {
    (row.meta.status == Status::kClosed ? closed : open).push_back(conv);
  });
  // Closed while we read: rows of conversations that a home closed stay out.
  for (const ConversationId conv : closed) rows_.erase(conv);
  std::vector<std::function<void()>> waiting;
  waiting.swap(waiting_);
  for (auto& then : waiting) then();
  for (const ConversationId conv : open) {
    Result<std::vector<store::Journal::Mark>> marks = co_await journal_.load_marks(conv);
    if (!marks) continue;
    for (const auto& mark : *marks) read(conv, mark.who, mark.read);
  }
}

/// After a start only for what somebody looks at, or everybody's return would wait behind these reads.
asio::awaitable<void> Desk::recall_unread(std::vector<ConversationId> shown) {
  for (const ConversationId conv : shown) co_await recall_unread(conv);
}

/// Which of the newest entries are the visitor's texts: the row of a conversation knows the last one only.
asio::awaitable<void> Desk::recall_unread(ConversationId conv) {
  store::Journal::Range newest;
  newest.limit = kUnreadMax;
  newest.bytes_max = 256 * 1024;
  Result<store::Journal::Page> page = co_await journal_.read(conv, newest);
  Row* row = rows_.find(conv);
  if (!row) co_return;
  if (!page) {
    row->knows_unread = false;  // the next list asks again
    co_return;
  }
  std::vector<std::uint64_t> seqs;
  for (const store::StoredEntry& entry : page->entries) {
    if (entry.type == protocol::EntryType::kText && entry.from.kind == PrincipalKind::kVisitor)
      seqs.push_back(entry.seq);
  }
  for (const std::uint64_t seq : row->visitor_seqs) {  // also what came meanwhile
    if (seqs.empty() || seq > seqs.back()) seqs.push_back(seq);
  }
  note_change(*row, true);
  row->visitor_seqs = std::move(seqs);
}

void Desk::note_change(Row& row, bool existed) {
  if (std::exchange(row.noted, true)) return;
  auto [it, first] = changed_.try_emplace(row.meta.id);
  if (first && existed) it->second = {true, row.meta.status, row.meta.assignee};
}

void Desk::update(Row& row, const domain::ConversationMeta& meta) {
  const bool moves = row.meta.status != meta.status || row.meta.assignee != meta.assignee;
  const bool queues = row.meta.status == Status::kWaiting || meta.status == Status::kWaiting;
  if (moves) tally_.count(row.meta, -1);
  row.meta = meta;
  if (moves) tally_.count(row.meta, 1);
  if (queues) place(row.meta);
}

void Desk::place(const domain::ConversationMeta& meta) {
  const bool waits = meta.status == Status::kWaiting;
  auto known = queued_since_.find(meta.id);
  if (known != queued_since_.end() && (!waits || known->second != meta.waiting_since_ns)) {
    queue_.erase({known->second, meta.id.value});
    queued_since_.erase(known);
    known = queued_since_.end();
    queue_dirty_ = true;
  }
  if (waits && known == queued_since_.end()) {
    queue_.insert({meta.waiting_since_ns, meta.id.value});
    queued_since_[meta.id] = meta.waiting_since_ns;
    queue_dirty_ = true;
  }
}

void Desk::committed(const domain::ConversationMeta& meta, bool visitor_text) {
  check_home();
  auto [row, fresh] = rows_.obtain(meta.id);
  if (fresh) row.meta.id = meta.id;
  note_change(row, !fresh);
  // Seen from its beginning on, or from its reopening: what was before the close is done with.
  if (fresh && ready_) row.knows_unread = true;
  const AgentId before = row.meta.assignee;
  update(row, meta);
  if (meta.status == Status::kActive && meta.assignee != before) {  // the visitor learns how its new agent is
    auto presence = agents_.find(meta.assignee.value);
    world_.agent_assigned(tenant_, meta.id, meta.assignee,
                          presence == agents_.end() ? AgentStatus::kAway : presence->second.effective);
  }
  if (visitor_text && (row.visitor_seqs.empty() || row.visitor_seqs.back() < meta.last_text_seq)) {
    if (row.visitor_seqs.size() >= 2 * kUnreadMax)
      row.visitor_seqs.erase(row.visitor_seqs.begin(), row.visitor_seqs.end() - kUnreadMax);
    row.visitor_seqs.push_back(meta.last_text_seq);
  }
  if (meta.status == Status::kClosed && ready_) rows_.erase(meta.id);
  if (!ready_) when_ready([] {});
}

void Desk::read(ConversationId conv, Principal who, std::uint64_t upto) {
  check_home();
  if (who.kind != PrincipalKind::kAgent) return;
  Row* row = rows_.find(conv);
  if (!row) return;
  std::uint64_t& mark = row->read[who.id];
  if (upto <= mark) return;
  note_change(*row, true);
  mark = upto;
}

bool Desk::in_view(View view, Status status, AgentId assignee, const Who& who) {
  switch (view) {
    case View::kWaiting:
      return status == Status::kWaiting;
    case View::kMine:
      return status == Status::kActive && assignee.value == who.principal.id;
    case View::kOpen:
      return status == Status::kWaiting || status == Status::kActive;
    case View::kClosed:
      return status == Status::kClosed;
  }
  return false;
}

void Desk::Tally::count(const domain::ConversationMeta& meta, int by) {
  const auto add = static_cast<std::uint32_t>(by);  // wraps around for -1
  if (meta.status == Status::kWaiting || meta.status == Status::kActive) open += add;
  if (meta.status == Status::kActive) active[meta.assignee.value] += add;
}

protocol::Counts Desk::counts_of(const Who& who) const {
  protocol::Counts counts;
  counts.open = tally_.open;
  counts.waiting = static_cast<std::uint32_t>(queue_.size());
  if (auto mine = tally_.active.find(who.principal.id); mine != tally_.active.end()) counts.mine = mine->second;
  return counts;
}

std::uint32_t Desk::unread(const Row& row, const Who& who) const {
  auto mark = row.read.find(who.principal.id);
  const std::uint64_t upto = mark == row.read.end() ? 0 : mark->second;
  const auto first = std::upper_bound(row.visitor_seqs.begin(), row.visitor_seqs.end(), upto);
  return static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(row.visitor_seqs.end() - first, kUnreadMax));
}

protocol::ConversationView Desk::row_view(const Row& row, const Who& who, std::string& pos,
                                          const TenantProfile* profile) const {
  protocol::ConversationView view = Home::view_of(row.meta, false, profile);
  // Who waits longest comes first; other conversations by their newest message.
  const std::int64_t key = row.meta.status == Status::kWaiting
                               ? row.meta.waiting_since_ns
                               : INT64_MAX - std::max(row.meta.last_ts_ns, row.meta.created_ns);
  pos = fmt::format("{}{:019}", row.meta.status == Status::kWaiting ? 0 : 1, key);
  view.pos = pos;
  view.unread = unread(row, who);
  return view;
}

void Desk::watch(const Who& who, std::uint64_t re, protocol::WatchView request) {
  check_home();
  when_ready([this, who, re, request] {
    if (!agent_sessions_.contains(flat(who.session))) return;  // gone while the desk was being opened
    std::erase_if(watches_, [&](const Watch& w) { return w.who.session == who.session && w.id == re; });
    if (std::count_if(watches_.begin(), watches_.end(), [&](const Watch& w) { return w.who.session == who.session; }) >=
        static_cast<std::ptrdiff_t>(kWatchesMax)) {
      protocol::ErrorView view;
      view.re = re;
      view.code = Code::kRate;
      view.message = "this session watches 32 lists already; unwatch some";
      view.after_ms = kRetryMs;
      std::string json;
      protocol::append_error(json, view);
      return world_.reply(who.session, json);
    }
    watches_.push_back({who, re, request.view});
    if (request.view == View::kClosed) {
      home().spawn("list closed conversations", send_closed(who, re, request.limit));
    } else {
      send_rows(watches_.back(), re, request.limit);
    }
  });
}

void Desk::unwatch(SessionKey session, std::uint64_t watch) {
  check_home();
  std::erase_if(watches_, [&](const Watch& w) { return w.who.session == session && (watch == 0 || w.id == watch); });
}

void Desk::send_rows(const Watch& watch, std::uint64_t re, unsigned limit) {
  const auto profile = profiles_.find(tenant_);
  std::vector<std::pair<std::string, Row*>> hits;
  rows_.each([&](ConversationId, Row& row) {
    if (!in_view(watch.view, row.meta.status, row.meta.assignee, watch.who)) return;
    std::string pos;
    row_view(row, watch.who, pos, profile.get());
    hits.emplace_back(std::move(pos), &row);
  });
  std::sort(hits.begin(), hits.end());
  const bool more = hits.size() > limit;
  if (more) hits.resize(limit);
  std::string json;
  protocol::begin_rows(json, re, name_of(watch.view));
  std::vector<ConversationId> recall;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (i > 0) json += ',';
    std::string pos;
    if (!std::exchange(hits[i].second->knows_unread, true)) recall.push_back(hits[i].second->meta.id);
    protocol::append_conversation(json, row_view(*hits[i].second, watch.who, pos, profile.get()));
  }
  protocol::end_rows(json, counts_of(watch.who), more, std::nullopt);
  world_.reply(watch.who.session, json);
  if (!recall.empty()) home().spawn("recall what is unread", recall_unread(std::move(recall)));
}

asio::awaitable<void> Desk::send_closed(Who who, std::uint64_t re, unsigned limit) {
  Result<std::vector<domain::ConversationMeta>> closed = co_await journal_.closed_conversations(tenant_, 0, limit + 1);
  if (!closed) {
    protocol::ErrorView view;
    view.re = re;
    view.code = Code::kJournalDown;
    view.after_ms = kRetryMs;
    std::string json;
    protocol::append_error(json, view);
    world_.reply(who.session, json);
    co_return;
  }
  const auto profile = profiles_.find(tenant_);
  const bool more = closed->size() > limit;
  if (more) closed->resize(limit);
  std::string json;
  protocol::begin_rows(json, re, name_of(View::kClosed));
  for (std::size_t i = 0; i < closed->size(); ++i) {
    if (i > 0) json += ',';
    Row row;
    row.meta = std::move((*closed)[i]);
    std::string pos;
    protocol::ConversationView view = row_view(row, who, pos, profile.get());
    pos = fmt::format("1{:019}", INT64_MAX - row.meta.closed_ns);
    view.pos = pos;
    protocol::append_conversation(json, view);
  }
  protocol::end_rows(json, counts_of(who), more, std::nullopt);
  world_.reply(who.session, json);
}

void Desk::inbox(const Who& who, std::uint64_t re, protocol::Inbox request) {
  check_home();
  when_ready([this, who, re, request] { home().spawn("inbox", send_inbox(who, re, request)); });
}

asio::awaitable<void> Desk::send_inbox(Who who, std::uint64_t re, protocol::Inbox request) {
  Result<std::vector<domain::ConversationMeta>> changed =
      co_await journal_.changed_conversations(tenant_, request.since, request.limit + 1);
  std::string json;
  if (!changed) {
    protocol::ErrorView view;
    view.re = re;
    view.code = Code::kJournalDown;
    view.after_ms = kRetryMs;
    protocol::append_error(json, view);
    world_.reply(who.session, json);
    co_return;
  }
  const auto profile = profiles_.find(tenant_);
  const bool more = changed->size() > request.limit;
  if (more) changed->resize(request.limit);
  std::uint64_t ipos = request.since;
  std::vector<ConversationId> recall;
  protocol::begin_rows(json, re, "inbox");
  for (std::size_t i = 0; i < changed->size(); ++i) {
    if (i > 0) json += ',';
    Row row;
    if (Row* live = rows_.find((*changed)[i].id)) {
      if (!std::exchange(live->knows_unread, true)) recall.push_back(live->meta.id);
      row = *live;
    }
    row.meta = std::move((*changed)[i]);
    ipos = std::max(ipos, row.meta.last_pos);
    std::string pos;
    protocol::append_conversation(json, row_view(row, who, pos, profile.get()));
  }
  protocol::end_rows(json, counts_of(who), more, ipos);
  world_.reply(who.session, json);
  co_await recall_unread(std::move(recall));
}

void Desk::agent_came(const Who& who) {
  check_home();
  agents_[who.principal.id].sessions.insert(flat(who.session));
  when_ready([] {});
  update_presence(std::chrono::steady_clock::now());
  agent_sessions_[flat(who.session)] =
      who;  // only now: the newcomer learns who is there from its ready, which must come first
}

void Desk::agent_left(const Who& who) {
  check_home();
  unwatch(who.session, 0);
  agent_sessions_.erase(flat(who.session));
  auto it = agents_.find(who.principal.id);
  if (it == agents_.end()) return;
  // A socket that never came so far as to be counted does not make its agent present.
  if (it->second.sessions.erase(flat(who.session)) > 0) it->second.left = std::chrono::steady_clock::now();
}

void Desk::set_status(const Who& who, AgentStatus status) {
  check_home();
  agents_[who.principal.id].chosen = status;
  update_presence(std::chrono::steady_clock::now());
}

std::vector<protocol::AgentView> Desk::agents(const TenantProfile& profile) const {
  std::vector<protocol::AgentView> views;
  for (const auto& [id, colleague] : profile.agents) {
    if (colleague.disabled) continue;
    auto presence = agents_.find(id.value);
    views.push_back({id, colleague.name, presence == agents_.end() ? AgentStatus::kAway : presence->second.effective});
  }
  std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return views;
}

void Desk::greet(const Who& visitor, ConversationId conv) {
  check_home();
  when_ready([this, visitor, conv] {
    const Row* row = rows_.find(conv);
    if (!row) return;
    std::string json;
    if (row->meta.status == Status::kWaiting) {
      // Counted, not remembered: the last push may be from before others left.
      const auto since = queued_since_.find(conv);
      if (since == queued_since_.end()) return;
      const auto place = std::distance(queue_.begin(), queue_.find({since->second, conv.value})) + 1;
      protocol::append_queue(json, conv, static_cast<std::uint32_t>(place), online_);
    } else {
      const AgentId agent = row->meta.assignee;
      const auto profile = profiles_.find(tenant_);
      auto presence = agents_.find(agent.value);
      protocol::append_presence_agent(json, conv,
                                      {agent, profile ? profile->agent_name(agent) : std::string_view(),
                                       presence == agents_.end() ? AgentStatus::kAway : presence->second.effective});
    }
    world_.reply(visitor.session, json);
  });
}

void Desk::update_presence(std::chrono::steady_clock::time_point now) {
  const auto profile = profiles_.find(tenant_);
  std::vector<protocol::AgentView> changed;
  bool online = false;
  for (auto& [id, presence] : agents_) {
    // Closing the tab or losing the network keeps an agent as it was for a while.
    const bool here = !presence.sessions.empty() || now - presence.left < agent_presence_;
    const AgentStatus effective = here ? presence.chosen : AgentStatus::kAway;
    online = online || effective == AgentStatus::kOnline;
    if (effective == presence.effective) continue;
    presence.effective = effective;
    changed.push_back({AgentId{id}, profile ? profile->agent_name(AgentId{id}) : std::string_view(), effective});
  }
  if (!changed.empty()) {
    std::string json;
    protocol::append_presence_agents(json, changed);
    for (const auto& [key, who] : agent_sessions_) world_.reply(who.session, json);
    for (const auto& agent : changed) world_.agent_presence(tenant_, agent.id, agent.status);
  }
  if (online != online_) {
    online_ = online;
    queue_dirty_ = true;
    for (auto& [conv, place] : told_) place = 0;  // everybody is told anew, also those who have left the queue
    world_.online_changed(tenant_, online);
  }
}

void Desk::push_deltas() {
  if (changed_.empty()) return;
  std::vector<Change> changes;
  bool counts_may_differ = false;
  for (const auto& [conv, before] : changed_) {
    Row* row = rows_.find(conv);
    if (row) row->noted = false;
    changes.push_back({conv, before, row});
    counts_may_differ = counts_may_differ || !before.existed || !row || row->meta.status != before.status ||
                        row->meta.assignee != before.assignee;
  }
  changed_.clear();
  for (Watch& watch : watches_) {
    push_delta(watch, changes, counts_may_differ);
    watch.fresh = false;
  }
}

void Desk::push_delta(const Watch& watch, const std::vector<Change>& changes, bool counts_may_differ) {
  const auto profile = profiles_.find(tenant_);
  std::vector<std::string> positions;
  std::vector<protocol::ConversationView> upsert;
  std::vector<ConversationId> remove;
  positions.reserve(changes.size());
  bool changed_closed = false;
  for (const Change& change : changes) {
    const Row* row = change.row;
    if (watch.view == View::kClosed) {
      changed_closed = changed_closed || !row;
      continue;
    }
    const bool was =
        change.before.existed && in_view(watch.view, change.before.status, change.before.assignee, watch.who);
    if (row && in_view(watch.view, row->meta.status, row->meta.assignee, watch.who)) {
      positions.emplace_back();
      upsert.push_back(row_view(*row, watch.who, positions.back(), profile.get()));
    } else if (was || watch.fresh) {
      remove.push_back(change.conv);
    }
  }
  if (upsert.empty() && remove.empty() && !changed_closed && !counts_may_differ) return;
  std::string json;
  protocol::append_delta(json, watch.id, upsert, remove, counts_of(watch.who), changed_closed);
  world_.reply(watch.who.session, json);
}

void Desk::push_queue() {
  std::uint32_t position = 0;
  std::unordered_map<ConversationId, std::uint32_t> now;
  now.reserve(queue_.size());
  for (const auto& [since, conv] : queue_) now[ConversationId{conv}] = ++position;
  for (const auto& [conv, place] : now) {
    auto told = told_.find(conv);
    if (told == told_.end() || told->second != place) world_.queue_position(tenant_, conv, place, online_);
  }
  for (const auto& [conv, place] : told_) {
    if (!now.contains(conv)) world_.queue_position(tenant_, conv, 0, online_);
  }
  told_ = std::move(now);
  queue_dirty_ = false;
}

void Desk::tick(std::chrono::steady_clock::time_point now) {
  check_home();
  update_presence(now);
  push_deltas();
  if (queue_dirty_ && now - queue_told_ >= std::chrono::seconds(1)) {
    queue_told_ = now;
    push_queue();
  }
}

}  // namespace parley::session
