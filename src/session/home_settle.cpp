// What follows from the journal's answer: ack or error, the conversation's new state, fan-out.
#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>

#include "home.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"

namespace parley::session {

using protocol::Audience;
using protocol::Code;
using protocol::EntryType;
using protocol::Status;

namespace {

constexpr std::uint32_t kRetryMs = 1000;
constexpr std::uint32_t kFullRetryMs = 2000;
constexpr std::size_t kTailEntries = 128;
constexpr std::size_t kTailBytes = 65536;

}  // namespace

void InFlight::answered(const store::Appended& result) { home.appended(*this, result); }

void Home::appended(InFlight& flight, const store::Appended& result) {
  Conversation& c = flight.conversation;
  Sender& sender = flight.sender;
  assert(!sender.in_flight.empty() && sender.in_flight.front().get() == &flight && "answers come in order");
  const std::unique_ptr<InFlight> owned = std::move(sender.in_flight.front());
  sender.in_flight.erase(sender.in_flight.begin());
  if (flight.changes()) --c.changing;
  const Code code = result.code;
  const bool own_refusal = flight.refusal && code == flight.refusal->code;
  // A reopening that meets another open conversation is remembered too; an opening is not, since there is nothing to
  // remember it in.
  const bool remembered = code == Code::kOk || code == Code::kClaimed || result.dup || own_refusal ||
                          (code == Code::kClosed && !flight.opening);
  if (remembered && flight.n == sender.settled.expected()) {
    sender.settled.remember({flight.n, flight.hash, result.seq, result.ts_ns, result.id, code});
    // From now on the store knows this id, even if there is no conversation yet.
    auto reserved = c.stored ? reserved_.end() : reserved_.find({c.meta.channel, c.meta.visitor});
    if (reserved != reserved_.end() && reserved->second.conv == c.meta.id) reserved->second.minted_here = false;
  }
  if (code != Code::kOk) return answer_refused(c, flight, result);
  PARLEY_FAULT_POINT("session.before_ack");
  const bool is_new = !result.dup && result.seq > 0;
  if (is_new && c.meta.epoch.empty()) c.meta.epoch = result.epoch;
  const std::uint64_t stable = is_new ? std::min(result.seq, std::max(result.stable, c.archived))
                                      : journal_.stable(c.meta.id, result.seq);  // a repeat may be old
  if (stable < result.seq) await_stable(c, result.seq, flight.who.session);
  const bool echoed = !is_new || is_echoed(c, flight);
  std::optional<std::uint64_t> unechoed;
  if (!echoed) unechoed = flight.who.visitor() ? result.skip : 0;
  answer_.clear();
  protocol::append_ack(answer_, flight.re, c.meta.id, flight.adopted ? std::optional(flight.dev) : std::nullopt,
                       flight.n, result.seq, c.meta.epoch, result.id, to_ms(result.ts_ns), stable, result.dup,
                       unechoed);
  metrics_.ack_seconds.observe(std::chrono::steady_clock::now() - flight.arrived);
  world_.reply(flight.who.session, answer_);
  if (is_new) committed(c, flight, result, echoed ? SessionKey() : flight.who.session);
}

/// Whoever knows the entry from its ack does not get it again, if it asked for that and would get it otherwise.
bool Home::is_echoed(const Conversation& c, const InFlight& flight) {
  if (flight.who.echo || !flight.as_sent || flight.changes() || flight.adopted) return true;
  return std::none_of(c.members.begin(), c.members.end(),
                      [&](const Member& member) { return member.live && member.who.session == flight.who.session; });
}

void Home::await_stable(Conversation& c, std::uint64_t seq, SessionKey sender) {
  if (sender.id == 0) return;
  auto known = std::find_if(c.awaiting_stable.begin(), c.awaiting_stable.end(),
                            [&](const auto& waiting) { return waiting.first == sender; });
  if (known == c.awaiting_stable.end()) {
    c.awaiting_stable.emplace_back(sender, seq);
  } else {
    known->second = std::max(known->second, seq);
  }
}

/// Senders are told when nothing of theirs waits any more; until then their acks say how far it is.
void Home::became_stable(std::span<const std::pair<ConversationId, std::uint64_t>> archived) {
  check_home();
  for (const auto& [conv, archived_seq] : archived) {
    const std::uint64_t upto = archived_seq;  // a structured binding cannot be captured
    Conversation* c = conversations_.find(conv);
    if (!c) continue;
    c->archived = std::max(c->archived, upto);
    if (c->awaiting_stable.empty()) continue;
    answer_.clear();
    protocol::append_stable(answer_, conv, upto);
    std::erase_if(c->awaiting_stable, [&](const auto& waiting) {
      if (waiting.second > upto) return false;
      world_.reply(waiting.first, answer_);
      return true;
    });
  }
}

void Home::answer_refused(const Conversation& c, const InFlight& flight, const store::Appended& result) {
  protocol::ErrorView view;
  view.re = flight.re;
  view.conv = c.meta.id;
  view.n = flight.n;
  if (flight.adopted) view.dev = flight.dev;
  if (flight.refusal) {
    view.field = flight.refusal->field;
    view.message = flight.refusal->message;
    view.moved_to = flight.refusal->moved_to;
  }
  view.code = result.code;
  const auto profile = profiles_.find(c.meta.tenant);
  switch (view.code) {
    case Code::kClaimed: {
      const AgentId by = result.assignee ? result.assignee : c.meta.assignee;
      view.by = protocol::Person{by.value, profile ? profile->agent_name(by) : std::string_view()};
      view.claim = result.claim ? result.claim : c.meta.claim;
      break;
    }
    case Code::kClosed:
      if (result.other) {  // the visitor has another open conversation
        view.moved_to = result.other;
        world_.grant(flight.who.session, result.other);
        if (auto known = reserved_.find({flight.opening.value_or(c.meta.channel), c.meta.visitor});
            known != reserved_.end())
          known->second.only = false;
      }
      break;
    case Code::kOutOfOrder:
      view.expected = result.expected;
      break;
    case Code::kJournalFull:
      view.after_ms = kFullRetryMs;
      break;
    case Code::kJournalDown:
    case Code::kBusy:
      view.after_ms = kRetryMs;
      break;
    default:
      break;
  }
  std::string ref;
  if (protocol::info(view.code).retry && view.code != Code::kOutOfOrder) {
    ref = log::make_ref();
    log::warn("send_not_stored", "conv={} tenant={} code={} ref={}", c.meta.id.value, c.meta.tenant.value,
              protocol::info(view.code).name, ref);
    view.ref = ref;
  }
  reply_error(flight.who.session, view);
  if (view.after_ms) world_.slow_down(flight.who.session, *view.after_ms);
  if (view.code == Code::kClosed && result.other && flight.who.session.id != 0) {
    // It goes on there, so it has to hear what is said there.
    SubscribeRequest request;
    request.who = flight.who;
    request.conv = result.other;
    subscribe(std::move(request));
  }
}

void Home::committed(Conversation& c, InFlight& flight, const store::Appended& result, SessionKey knows) {
  const bool was_stored = c.stored, was_closed = c.meta.status == Status::kClosed;
  if (!was_stored) gather_tabs(c);
  c.stored = true;
  if (c.meta.epoch.empty()) c.meta.epoch = result.epoch;
  if (result.number) c.meta.number = result.number;
  domain::EntryFacts facts;
  facts.type = flight.kind;
  facts.audience = flight.audience;
  facts.from = flight.principal;
  facts.seq = result.seq;
  facts.ts_ns = result.ts_ns;
  facts.pos = result.pos;
  facts.text = flight.text;
  facts.change = flight.change;
  facts.target = flight.target;
  domain::apply(c.meta, facts);
  if (!was_stored || was_closed != (c.meta.status == Status::kClosed)) note_open(c);

  store::StoredEntry& entry = c.tail.emplace_back();
  entry.seq = result.seq;
  entry.skip = result.skip;
  entry.id = result.id;
  entry.ts_ns = result.ts_ns;
  entry.type = flight.kind;
  entry.audience = flight.audience;
  entry.from = flight.principal;
  entry.dev = flight.dev;
  entry.n = flight.n;
  entry.rev = result.seq;
  entry.body = std::move(flight.body);
  if (flight.changes()) {
    entry.status = c.meta.status;
    entry.claim = c.meta.claim;
    entry.assignee = c.meta.assignee;
  }
  const std::size_t size = entry.body.size() + sizeof(entry);
  c.tail_bytes += size;
  tail_bytes_ += size;
  PARLEY_FAULT_POINT("session.before_fanout");
  fan_out(c, entry, knows);
  world_.on_committed(c.meta, entry);
  if (flight.kind == EntryType::kEdit || flight.kind == EntryType::kRecall) {
    fold_into_tail(c, flight.kind, flight.target);
    if (c.readers > 0) c.changed_meanwhile.push_back(flight.target);
  }
  while (c.tail.size() > kTailEntries || (c.tail_bytes > kTailBytes && c.tail.size() > 1)) {
    const std::size_t oldest = c.tail.front().body.size() + sizeof(store::StoredEntry);
    c.tail.pop_front();
    c.tail_bytes -= oldest;
    tail_bytes_ -= oldest;
  }

  if (c.meta.status == Status::kClosed && !was_closed) {
    // A new conversation always starts empty: its reserved id is given at once, so that the visitor can begin one
    // without asking.
    const auto profile = profiles_.find(c.meta.tenant);
    for (const Member& member : c.members) {
      if (!member.who.visitor()) continue;
      domain::ConversationMeta fresh;
      fresh.id = reserve(member.who, lane_of(c.meta.id));
      fresh.tenant = c.meta.tenant;
      fresh.channel = c.meta.channel;
      fresh.visitor = c.meta.visitor;
      world_.grant(member.who.session, fresh.id);
      std::string json;
      protocol::append_resumed(json, 0, view_of(fresh, true, profile.get()), false, {}, false);
      world_.reply(member.who.session, json);
    }
  }
}

std::uint64_t Home::target_of(const store::StoredEntry& e) {
  const auto body = nlohmann::json::parse(e.body, nullptr, false);
  return body.is_object() ? body.value("target", std::uint64_t{0}) : 0;
}

/// What the newest entry of the tail, an edit or a recall, does to those before it.
void Home::fold_into_tail(Conversation& c, EntryType kind, std::uint64_t target) {
  const std::uint64_t rev = c.tail.back().seq;
  auto set_body = [&](store::StoredEntry& e, std::string body) {
    c.tail_bytes += body.size() - e.body.size();
    tail_bytes_ += body.size() - e.body.size();
    e.body = std::move(body);
  };
  const bool recall = kind == EntryType::kRecall;
  for (auto& e : c.tail) {
    if (e.seq >= rev || e.recalled) continue;
    if (e.seq == target) {
      e.rev = rev;
      e.recalled = recall;
      if (recall) {
        set_body(e, {});
        continue;
      }
      auto body = nlohmann::json::parse(e.body, nullptr, false);
      const auto change = nlohmann::json::parse(c.tail.back().body, nullptr, false);
      if (!body.is_object() || !change.is_object()) continue;
      body["text"] = change["text"];
      set_body(e, body.dump());
    } else if (e.type == EntryType::kEdit) {
      // Earlier edits of it carried the text that has just been replaced or withdrawn, also when their target has left
      // the tail.
      if (target_of(e) != target) continue;
      e.rev = rev;
      e.recalled = true;
      set_body(e, {});
    }
  }
}

void Home::fan_out(Conversation& c, const store::StoredEntry& entry, SessionKey knows) {
  // Encoded once per audience; where both would read the same, one frame serves all.
  FramePtr for_agents, for_visitors;
  const auto profile = profiles_.find(c.meta.tenant);
  const bool same = entry.skip == 0;
  for (const Member& member : c.members) {
    if (!member.live || member.who.session == knows) continue;
    const bool visitor = member.who.visitor();
    if (visitor && entry.audience == Audience::kInternal) continue;
    FramePtr& frame = visitor && !same ? for_visitors : for_agents;
    if (!frame) {
      answer_.clear();
      protocol::append_entry(answer_, entry_view(c, entry, visitor, profile.get()));
      frame = make_text_frame(answer_);
    }
    metrics_.messages_out.add();
    world_.push_entry(member.who.session, c.meta.id, entry.seq, frame);
  }
}

}  // namespace parley::session
