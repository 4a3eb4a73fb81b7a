// The way of a message through its home, up to the journal.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "home.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"
#include "parley/pipeline/pipeline.hpp"

namespace parley::session {

using protocol::Audience;
using protocol::Code;
using protocol::EntryType;
using protocol::Status;

namespace {

constexpr std::uint32_t kRetryMs = 1000;
constexpr std::uint32_t kInFlightRetryMs = 200;
constexpr std::uint32_t kLagPauseMs = 500;

bool has_text(EntryType type) {
  return type == EntryType::kText || type == EntryType::kNote || type == EntryType::kEdit;
}
bool names_agent(EntryType type) {
  return type == EntryType::kClaim || type == EntryType::kAssign || type == EntryType::kTransfer;
}

/// Bodies of the entries that say who has the conversation: the name is kept as it was then.
std::string owner_body(AgentId to, std::string_view name) {
  if (!to) return R"({"to":null})";
  std::string body = R"({"to":{"id":")" + to.str() + R"(","name":)";
  protocol::append_json_string(body, name);
  return body + "}}";
}

protocol::SendBody body_of(const SendRequest& r) {
  protocol::SendBody body;
  body.text = r.text;
  body.ref = r.ref;
  body.to = r.to;
  body.note = r.note;
  body.reason = r.reason;
  body.target = r.target;
  return body;
}

}  // namespace

void Home::send(SendRequest&& request) {
  check_home();
  metrics_.messages_in.add();
  Conversation* c = conversations_.find(request.conv);
  if (c && !c->loading) {
    c->used = ++uses_;
    return arrived(c, Code::kOk, std::move(request));
  }
  // An id minted for this visitor in this run and not used yet cannot be in the store.
  if (request.may_open && !c) {
    auto reserved = reserved_.find(pointer_of(request.who));
    if (reserved != reserved_.end() && reserved->second.conv == request.conv && reserved->second.minted_here)
      return accept(open_reserved(request.conv, request.who), std::move(request));
  }
  const ConversationId conv = request.conv;
  with(conv, [this, request = std::move(request)](Conversation* loaded, Code code) mutable {
    arrived(loaded, code, std::move(request));
  });
}

void Home::arrived(Conversation* c, Code code, SendRequest&& request) {
  if (c && (!allowed(*c, request.who) || (!c->stored && !request.may_open))) {
    c = nullptr;
    request.may_open = false;
  }
  if (c) return accept(*c, std::move(request));
  if (code != Code::kOk) return not_now(request, code == Code::kBusy ? code : Code::kJournalDown, kRetryMs);
  if (request.may_open && !conversations_.contains(request.conv))
    return accept(open_reserved(request.conv, request.who), std::move(request));
  protocol::ErrorView view;
  view.re = request.re;
  view.code = Code::kUnknownConv;
  view.conv = request.conv;
  view.n = request.n;
  if (request.adopted) view.dev = request.dev;
  error(request.who, view);
}

void Home::not_now(const SendRequest& r, Code code, std::uint32_t after_ms, std::optional<std::uint64_t> expected) {
  protocol::ErrorView view;
  view.re = r.re;
  view.code = code;
  view.conv = r.conv;
  view.n = r.n;
  if (r.adopted) view.dev = r.dev;
  if (after_ms > 0) view.after_ms = after_ms;
  view.expected = expected;
  error(r.who, view);
  if (code == Code::kJournalDown) world_.slow_down(r.who.session, after_ms);
}

domain::ConversationMeta Home::projected(const Conversation& c) {
  domain::ConversationMeta meta = c.meta;
  std::vector<const InFlight*> changes;
  for (const auto& [key, sender] : c.senders) {
    for (const auto& flight : sender.in_flight) {
      if (flight->changes()) changes.push_back(flight.get());
    }
  }
  std::sort(changes.begin(), changes.end(), [](const InFlight* a, const InFlight* b) { return a->order < b->order; });
  for (const InFlight* flight : changes) {
    if (flight->change.status) {
      meta.status = *flight->change.status;
      if (meta.status == Status::kClosed) meta.closed_ns = wall_ns();
    }
    if (flight->change.assignee) meta.assignee = *flight->change.assignee;
    if (flight->change.new_claim) ++meta.claim;
  }
  return meta;
}

/// How long to wait, if this person, or its tenant, sends too much now. What will be refused counts too: that is stored
/// like anything else.
std::optional<std::chrono::milliseconds> Home::over_quota(Conversation& c, const SendRequest& r) {
  const auto& s = settings_.session;
  const bool visitor = r.who.visitor();
  const double per_second = visitor ? s.visitor_sends_per_second : s.agent_sends_per_second;
  tenant::TokenBucket& own =
      c.buckets.of(r.who.principal, per_second, visitor ? s.visitor_send_burst : s.agent_send_burst, r.arrived);
  if (const auto wait = own.take(r.arrived); wait.count() > 0) return wait;
  if (s.tenant_sends_per_second <= 0) return std::nullopt;
  auto [all, first] =
      tenant_buckets_.try_emplace(r.who.tenant, s.tenant_sends_per_second, s.tenant_sends_per_second, r.arrived);
  if (const auto wait = all->second.take(r.arrived); wait.count() > 0) return wait;
  return std::nullopt;
}

void Home::accept(Conversation& c, SendRequest&& r, const store::StoredEntry* fetched) {
  const auto profile = profiles_.find(r.who.tenant);
  if (!profile) return not_now(r, Code::kBusy, kRetryMs);
  if (!c.stored && r.who.visitor()) {
    c.meta.channel = r.who.channel;  // what is loaded of a conversation without entries does not name it
    join(c, r.who);
  }
  const domain::SenderKey key{r.who.principal, r.dev};
  const bool is_void = r.type == EntryType::kVoid;

  const bool dedup_late = PARLEY_BROKEN("dedup_after_stages");
  if (!PARLEY_BROKEN("skip_dedup") && !dedup_late) {
    // Nothing is kept of a dev that never sent anything.
    if (r.n != 1 && !c.senders.find(key))
      return r.n == 0 ? not_now(r, Code::kTooOld, 0) : not_now(r, Code::kOutOfOrder, 0, 1);
  }
  Sender& sender = c.senders.obtain(key);
  if (!PARLEY_BROKEN("skip_dedup") && !dedup_late) {
    if (sender.broken() && r.n >= sender.settled.expected()) {
      if (r.n == sender.settled.expected()) return not_now(r, Code::kBusy, kInFlightRetryMs);
      return not_now(r, Code::kOutOfOrder, 0, sender.settled.expected());
    }
    if (r.n > sender.settled.last_n() && r.n < sender.next_n()) {  // on its way: the answer goes to whoever asked last
      InFlight& flight = *sender.in_flight[r.n - sender.settled.expected()];
      if (flight.hash != r.hash && !is_void && !flight.is_void()) return not_now(r, Code::kIdConflict, 0);
      metrics_.duplicates.add();
      flight.who = r.who;
      flight.re = r.re;
      flight.adopted = r.adopted;
      if (is_void)
        flight.as_sent = false;  // whoever gave it up does not expect to see it: the entry says that it is there
      return;
    }
    if (r.n < sender.next_n()) {
      const auto look = sender.settled.look(r.n, r.hash, is_void);
      if (look.kind == domain::SenderState::Kind::kConflict) return not_now(r, Code::kIdConflict, 0);
      if (look.kind == domain::SenderState::Kind::kDuplicate) {
        metrics_.duplicates.add();
        return answer_known(c, r, *look.result);
      }
      return not_now(r, Code::kTooOld, 0);
    }
    if (r.n > sender.next_n()) return not_now(r, Code::kOutOfOrder, 0, sender.next_n());
  }
  // Nothing is decided on top of what the journal did not take.
  if (c.appends.refused()) {
    not_now(r, Code::kBusy, kRetryMs);
    return world_.slow_down(r.who.session, kRetryMs);
  }
  if (sender.in_flight.size() >= protocol::kInFlightMax) return not_now(r, Code::kRate, kInFlightRetryMs);
  if (!fetched) {  // else it was here before
    if (const auto wait = over_quota(c, r)) return not_now(r, Code::kRate, static_cast<std::uint32_t>(wait->count()));
  }

  if (is_void) return append(flight_of(c, sender, r), item_of(c, r));
  if (r.bad) return refuse(c, r, r.bad->code, r.bad->field, r.bad->message);

  const bool changes_entry = r.type == EntryType::kEdit || r.type == EntryType::kRecall;
  std::optional<domain::Target> target;
  if (changes_entry && !fetched) {
    auto in_tail = std::find_if(c.tail.begin(), c.tail.end(), [&](const auto& e) { return e.seq == r.target; });
    if (in_tail == c.tail.end()) {
      // Read it first; this sender's next sends meanwhile learn by 412 that this one is not done yet.
      ++c.readers;
      home().spawn("fetch the entry to change", fetch_target(std::move(r)));
      return;
    }
    fetched = &*in_tail;
  }
  if (changes_entry) {
    target = {fetched->type, fetched->audience, fetched->from, fetched->ts_ns, fetched->recalled};
    for (const auto& [other, at] : c.senders) {
      for (const auto& flight : at.in_flight) {
        if (flight->kind == EntryType::kRecall && flight->target == r.target) target->recalled = true;
      }
    }
  }

  const domain::Actor actor{r.who.principal, r.who.supervisor};
  std::optional<domain::ConversationMeta> changing;
  if (c.changing > 0) changing = projected(c);
  const domain::ConversationMeta& now = changing ? *changing : c.meta;
  domain::Verdict verdict = domain::decide(now, actor, r.type, r.to, wall_ns(), profile->reopen_window_ns);
  if (verdict.code == Code::kOk && changes_entry) {
    if (fetched->seq != r.target) {
      return refuse(c, r, Code::kBadFrame, "body.target", "there is no entry with this seq");
    }
    verdict.code = domain::may_change(actor, r.type, *target, wall_ns());
  }
  // A stale precondition is refused here already, so that nothing is decided on top of what the journal would refuse;
  // its own check stays the authority.
  if (verdict.code == Code::kOk && r.if_claim && *r.if_claim != now.claim) verdict.code = Code::kClaimed;
  if (verdict.code == Code::kBadFrame)
    return refuse(c, r, Code::kBadFrame, "body.to", "\"to\" must be an agent's id, or null for the queue");
  if (verdict.code != Code::kOk) return refuse(c, r, verdict.code);
  if ((r.type == EntryType::kAssign || r.type == EntryType::kTransfer) && *r.to) {
    auto colleague = profile->agents.find(*r.to);
    if (colleague == profile->agents.end() || colleague->second.disabled) {
      return refuse(c, r, Code::kBadFrame, "body.to", "no such agent here");
    }
  }
  const bool is_open = c.meta.status == Status::kWaiting || c.meta.status == Status::kActive;
  const bool own_change = std::any_of(sender.in_flight.begin(), sender.in_flight.end(),
                                      [](const auto& flight) { return flight->changes(); });
  if (r.type == EntryType::kText && !is_open && !verdict.change.status && !own_change) {
    // Somebody else's send, still on its way, opens the conversation. Should the journal fail to take that one, this
    // text must not end up where nobody sees it.
    if (c.stored) return not_now(r, Code::kBusy, kInFlightRetryMs);
    verdict.change.status = Status::kWaiting;
  }

  pipeline::Draft draft;
  draft.tenant = r.who.tenant;
  draft.from = r.who.principal;
  draft.type = r.type;
  if (has_text(r.type)) {
    draft.text = r.text;
    pipeline::StageResult stage = pipeline::run_stages(draft, profile->policy, profile->policy.text_stages, on_stage_);
    if (stage.code != Code::kOk) {
      if (dedup_late)
        return not_now(r, stage.code,
                       0);  // as in servers that filter first: a repeat meets a word list that came after the original
      return refuse(c, r, stage.code, stage.field, stage.message);
    }
  }
  if (dedup_late) {  // a deliberately wrong build: the history checker must notice
    const auto look = sender.settled.look(r.n, r.hash, false);
    if (look.kind == domain::SenderState::Kind::kDuplicate) return answer_known(c, r, *look.result);
    if (look.kind != domain::SenderState::Kind::kNext) return not_now(r, Code::kOutOfOrder, 0, sender.next_n());
  }
  if (names_agent(r.type)) {
    const AgentId to = r.type == EntryType::kClaim ? AgentId{r.who.principal.id} : *r.to;
    draft.body = owner_body(to, profile->agent_name(to));
  } else {
    draft.body = protocol::canonical_body(r.type, body_of(r), draft.text);
  }

  std::unique_ptr<InFlight> flight = flight_of(c, sender, r);
  flight->as_sent = r.type == EntryType::kText && draft.text == r.text;
  flight->body = draft.body;
  pipeline::StageResult stored = pipeline::run_stages(draft, profile->policy, profile->policy.stored_stages, on_stage_);
  if (stored.code != Code::kOk) return refuse(c, r, stored.code, stored.field, stored.message);

  store::Append item = item_of(c, r);
  item.audience = domain::audience_of(r.type, target ? target->audience : Audience::kPublic);
  item.change = verdict.change;
  item.if_claim = r.if_claim;
  if (!item.if_claim && verdict.change.new_claim) item.if_claim = now.claim;
  item.target = r.target;
  if (item.audience == Audience::kPublic)
    item.text = domain::preview_of(r.type == EntryType::kClose ? r.reason : draft.text);
  if (!c.stored) item.opening = store::Append::Opening{r.who.channel, c.meta.visitor};
  item.codec = draft.codec;
  item.bytes = std::move(draft.body);
  metrics_.process_seconds.observe(std::chrono::steady_clock::now() - r.arrived);
  const bool note_follows = r.type == EntryType::kTransfer && !r.note.empty();
  append(std::move(flight), std::move(item));
  if (note_follows) add_transfer_note(c, r);
}

asio::awaitable<void> Home::fetch_target(SendRequest request) {
  store::Journal::Range range;
  range.after = request.target - 1;
  range.limit = 1;
  range.internal = true;
  Result<store::Journal::Page> page = co_await read_store(request.conv, range);
  Conversation& c = *conversations_.find(request.conv);
  if (!page) {
    not_now(request, Code::kJournalDown, kRetryMs);
    co_return;
  }
  store::StoredEntry target;  // seq 0 if there is none: refused by accept()
  if (!page->entries.empty()) target = std::move(page->entries.front());
  accept(c, std::move(request), &target);
}

std::unique_ptr<InFlight> Home::flight_of(Conversation& c, Sender& sender, const SendRequest& r) {
  auto flight = std::make_unique<InFlight>(*this, c, sender);
  flight->who = r.who;
  flight->re = r.re;
  flight->adopted = r.adopted;
  flight->arrived = r.arrived;
  return flight;
}

store::Append Home::item_of(const Conversation& c, const SendRequest& r) {
  store::Append item;
  item.kind = r.type;
  item.tenant = c.meta.tenant;
  item.conv = c.meta.id;
  item.ts_ns = wall_ns();
  item.id = MessageId{flakes_.next(item.ts_ns)};
  item.principal = r.who.principal;
  item.dev = r.dev;
  item.n = r.n;
  item.hash = r.hash;
  return item;
}

/// A refusal that consumes n: remembered like an answer, and in its place among the sender's answers.
void Home::refuse(Conversation& c, const SendRequest& r, Code code, std::string_view field, std::string_view message) {
  metrics_.refused.add();
  auto refusal = std::make_unique<InFlight::Refusal>();
  refusal->code = code;
  refusal->field = field;
  refusal->message = message;
  if (code == Code::kClosed && r.who.visitor()) {
    refusal->moved_to = next_for(r.who, lane_of(c.meta.id));
    world_.grant(r.who.session, refusal->moved_to);
  }
  std::unique_ptr<InFlight> flight = flight_of(c, c.senders.obtain({r.who.principal, r.dev}), r);
  flight->refusal = std::move(refusal);
  store::Append item = item_of(c, r);
  item.kind = EntryType::kRefusal;
  item.bytes = std::string(1, static_cast<char>(code));
  append(std::move(flight), std::move(item));
}

void Home::answer_known(Conversation& c, const SendRequest& r, const domain::SendResult& result) {
  if (result.code != Code::kOk) {
    protocol::ErrorView view;
    view.re = r.re;
    view.code = result.code;
    view.conv = r.conv;
    view.n = r.n;
    if (r.adopted) view.dev = r.dev;
    std::string_view name;
    const auto profile = profiles_.find(c.meta.tenant);
    if (result.code == Code::kClaimed) {
      if (profile) name = profile->agent_name(c.meta.assignee);
      view.by = protocol::Person{c.meta.assignee.value, name};
      view.claim = c.meta.claim;
    }
    if (result.code == Code::kClosed && r.who.visitor()) {
      view.moved_to = next_for(r.who, lane_of(c.meta.id));
      world_.grant(r.who.session, view.moved_to);
    }
    return error(r.who, view);
  }
  const std::uint64_t stable = journal_.stable(c.meta.id, result.seq);
  if (stable < result.seq) await_stable(c, result.seq, r.who.session);
  std::string json;
  protocol::append_ack(json, r.re, c.meta.id, r.adopted ? std::optional(r.dev) : std::nullopt, r.n, result.seq,
                       c.meta.epoch, result.id, to_ms(result.ts_ns), stable, true);
  world_.reply(r.who.session, json);
}

void Home::append(std::unique_ptr<InFlight> flight, store::Append item) {
  Conversation& c = flight->conversation;
  flight->kind = item.kind;
  flight->audience = item.audience;
  flight->principal = item.principal;
  flight->dev = item.dev;
  flight->n = item.n;
  flight->hash = item.hash;
  flight->change = item.change;
  flight->target = item.target;
  flight->text = item.text;
  if (item.opening) flight->opening = item.opening->channel;
  flight->order = c.appends.handed_over() + 1;
  if (flight->changes()) ++c.changing;
  if (journal_lags_) world_.slow_down(flight->who.session, kLagPauseMs);
  batcher_.add(c.appends, std::move(item), *flight);
  flight->sender.in_flight.push_back(std::move(flight));
}

/// The note of a transfer is for the next agent only, so it is an entry of its own, internal, in the same batch. Its
/// identity is the agent with the all-zero dev, which no client can use: the home counts for it.
void Home::add_transfer_note(Conversation& c, const SendRequest& r) {
  Sender& sender = c.senders.obtain({r.who.principal, DevId{}});
  SendRequest note;
  note.who = r.who;
  note.n = sender.next_n();
  note.type = EntryType::kNote;
  note.text = r.note;
  auto flight = std::make_unique<InFlight>(*this, c, sender);  // nobody is answered
  flight->body = protocol::canonical_body(EntryType::kNote, body_of(note), note.text);
  flight->arrived = r.arrived;
  store::Append item = item_of(c, note);
  item.audience = Audience::kInternal;
  item.bytes = flight->body;
  append(std::move(flight), std::move(item));
}

}  // namespace parley::session
