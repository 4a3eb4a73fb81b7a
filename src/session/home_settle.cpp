// What follows from the journal's answer: ack or error, the conversation's new state, fan-out.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "home.hpp"
#include "home_pending.hpp"
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

void Home::appended(Pending& p, const store::Appended& result) {
  Conversation& c = *conversations_.find(p.item.conv)->second;  // busy while something is in flight, so it is here
  Sender& sender = c.senders[{p.item.principal, p.item.dev}];
  InFlight flight;
  if (!sender.in_flight.empty() && sender.in_flight.front().n == p.item.n) {
    flight = std::move(sender.in_flight.front());
    sender.in_flight.erase(sender.in_flight.begin());
  }
  if (flight.changes()) --c.changing;
  const Code code = result.code;
  const bool own_refusal =
      p.item.kind == EntryType::kRefusal && code == static_cast<Code>(static_cast<unsigned char>(p.item.bytes[0]));
  // A reopening that meets another open conversation is remembered too; an opening is not, since there is nothing to
  // remember it in.
  const bool remembered = code == Code::kOk || code == Code::kClaimed || result.dup || own_refusal ||
                          (code == Code::kClosed && !p.item.opening);
  if (remembered && p.item.n == sender.settled.expected()) {
    sender.settled.remember({p.item.n, p.item.hash, result.seq, result.ts_ns, result.id, code});
    // From now on the store knows this id, even if there is no conversation yet.
    auto reserved = c.stored ? reserved_.end() : reserved_.find({c.meta.channel, c.meta.visitor});
    if (reserved != reserved_.end() && reserved->second.conv == p.item.conv) reserved->second.minted_here = false;
  }
  if (code != Code::kOk) {
    answer_refused(c, p, flight, result);
  } else {
    PARLEY_FAULT_POINT("session.before_ack");
    if (!result.dup && result.seq > 0 && c.meta.epoch.empty()) c.meta.epoch = result.epoch;
    std::string json;
    protocol::append_ack(json, flight.re, c.meta.id, flight.adopted ? std::optional(p.item.dev) : std::nullopt,
                         p.item.n, result.seq, c.meta.epoch, result.id, to_ms(result.ts_ns),
                         stable_of(c, result.seq, flight.who.session), result.dup);
    metrics_.ack_seconds.observe(std::chrono::steady_clock::now() - p.arrived);
    world_.reply(flight.who.session, std::move(json));
    if (!result.dup && result.seq > 0) committed(c, p, result);
  }
}

std::uint64_t Home::stable_of(Conversation& c, std::uint64_t seq, SessionKey sender) {
  const std::uint64_t stable = journal_.stable(c.meta.id, seq);
  if (stable < seq && sender.id != 0) {
    auto known = std::find_if(c.awaiting_stable.begin(), c.awaiting_stable.end(),
                              [&](const auto& waiting) { return waiting.first == sender; });
    if (known == c.awaiting_stable.end()) {
      c.awaiting_stable.emplace_back(sender, seq);
    } else {
      known->second = std::max(known->second, seq);
    }
  }
  return stable;
}

void Home::became_stable(const std::vector<std::pair<ConversationId, std::uint64_t>>& archived) {
  check_home();
  for (const auto& [conv, archived_seq] : archived) {
    const std::uint64_t upto = archived_seq;  // a structured binding cannot be captured
    const auto it = conversations_.find(conv);
    if (it == conversations_.end() || it->second->awaiting_stable.empty()) continue;
    std::string json;
    protocol::append_stable(json, conv, upto);
    std::erase_if(it->second->awaiting_stable, [&](const auto& waiting) {
      world_.reply(waiting.first, json);
      return waiting.second <= upto;
    });
  }
}

void Home::answer_refused(const Conversation& c, const Pending& p, const InFlight& flight,
                          const store::Appended& result) {
  protocol::ErrorView view;
  view.re = flight.re;
  view.conv = c.meta.id;
  view.n = p.item.n;
  if (flight.adopted) view.dev = p.item.dev;
  view.field = p.field;
  view.message = p.message;
  view.moved_to = p.moved_to;
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
        if (auto known = reserved_.find({p.item.opening ? p.item.opening->channel : c.meta.channel, c.meta.visitor});
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

void Home::committed(Conversation& c, Pending& p, const store::Appended& result) {
  const store::Append& item = p.item;
  if (!c.stored) gather_tabs(c);
  c.stored = true;
  if (c.meta.epoch.empty()) c.meta.epoch = result.epoch;
  if (result.number) c.meta.number = result.number;
  domain::EntryFacts facts;
  facts.type = item.kind;
  facts.audience = item.audience;
  facts.from = item.principal;
  facts.seq = result.seq;
  facts.ts_ns = result.ts_ns;
  facts.pos = result.pos;
  facts.text = item.text;
  facts.change = item.change;
  facts.target = item.target;
  const bool was_closed = c.meta.status == Status::kClosed;
  domain::apply(c.meta, facts);
  note_open(c);

  store::StoredEntry entry;
  entry.seq = result.seq;
  entry.skip = result.skip;
  entry.id = result.id;
  entry.ts_ns = result.ts_ns;
  entry.type = item.kind;
  entry.audience = item.audience;
  entry.from = item.principal;
  entry.dev = item.dev;
  entry.n = item.n;
  entry.rev = result.seq;
  entry.body = std::move(p.body);
  if (item.change.status || item.change.assignee || item.change.new_claim) {
    entry.status = c.meta.status;
    entry.claim = c.meta.claim;
    entry.assignee = c.meta.assignee;
  }
  PARLEY_FAULT_POINT("session.before_fanout");
  fan_out(c, entry);
  world_.on_committed(c.meta, entry);

  const std::size_t size = entry.body.size() + sizeof(entry);
  c.tail.push_back(std::move(entry));
  c.tail_bytes += size;
  tail_bytes_ += size;
  if (item.kind == EntryType::kEdit || item.kind == EntryType::kRecall) fold_into_tail(c, item);
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
      world_.reply(member.who.session, std::move(json));
    }
  }
}

/// What the newest entry of the tail, an edit or a recall, does to those before it.
void Home::fold_into_tail(Conversation& c, const store::Append& item) {
  const std::uint64_t rev = c.tail.back().seq;
  auto set_body = [&](store::StoredEntry& e, std::string body) {
    c.tail_bytes += body.size() - e.body.size();
    tail_bytes_ += body.size() - e.body.size();
    e.body = std::move(body);
  };
  const bool recall = item.kind == EntryType::kRecall;
  for (auto& e : c.tail) {
    if (e.seq >= rev || e.recalled) continue;
    if (e.seq == item.target) {
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
      const auto body = nlohmann::json::parse(e.body, nullptr, false);
      if (!body.is_object() || body.value("target", std::uint64_t{0}) != item.target) continue;
      e.rev = rev;
      e.recalled = true;
      set_body(e, {});
    }
  }
}

void Home::fan_out(Conversation& c, const store::StoredEntry& entry) {
  // Encoded once per audience; where both would read the same, one frame serves all.
  FramePtr for_agents, for_visitors;
  const auto profile = profiles_.find(c.meta.tenant);
  const bool same = entry.skip == 0;
  for (const Member& member : c.members) {
    if (!member.live) continue;
    const bool visitor = member.who.visitor();
    if (visitor && entry.audience == Audience::kInternal) continue;
    FramePtr& frame = visitor && !same ? for_visitors : for_agents;
    if (!frame) {
      std::string json;
      json.reserve(entry.body.size() + 320);
      protocol::append_entry(json, entry_view(c, entry, visitor, profile.get()));
      frame = make_text_frame(json);
    }
    metrics_.messages_out.add();
    world_.push_entry(member.who.session, c.meta.id, entry.seq, frame);
  }
}

}  // namespace parley::session
