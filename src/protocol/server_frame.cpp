#include "parley/protocol/server_frame.hpp"

#include "json_writer.hpp"

namespace parley::protocol {
namespace {

void person(JsonWriter& w, const Person& person, bool with_name = true) {
  if (person.id == 0) {
    w.lit("null");
    return;
  }
  w.lit("{\"id\":").id(person.id);
  if (with_name) w.lit(",\"name\":").str(person.name);
  w.ch('}');
}

/// `{"k":"v","id":"7261402000"`, left open.
void open_principal(JsonWriter& w, Principal who) {
  w.lit("{\"k\":\"").ch(static_cast<char>(who.kind)).lit("\",\"id\":").id(who.id);
}

void conversation(JsonWriter& w, const ConversationView& c) {
  w.lit("{\"conv\":").id(c.conv);
  if (!c.for_visitor) w.lit(",\"number\":").num(c.number);
  w.lit(",\"epoch\":").str(c.epoch).lit(",\"head\":").num(c.head);
  w.lit(",\"status\":\"").raw(to_string(c.status)).lit("\",\"claim\":").num(c.claim);
  w.lit(",\"assignee\":");
  person(w, c.assignee);
  w.lit(",\"channel\":").id(c.channel).lit(",\"visitor\":");
  person(w, c.visitor, !c.for_visitor);
  w.lit(",\"created\":").num(c.created_ms).lit(",\"last\":");
  if (c.last_seq == 0) {
    w.lit("null");
  } else {
    w.lit("{\"ts\":").num(c.last_ts_ms).lit(",\"text\":").str(c.last_text).lit(",\"from\":");
    w.str({&c.last_from, c.last_from != 0 ? 1u : 0u}).lit(",\"seq\":").num(c.last_seq).ch('}');
  }
  w.lit(",\"waiting_since\":");
  if (c.waiting_since_ms) {
    w.num(*c.waiting_since_ms);
  } else {
    w.lit("null");
  }
  if (!c.for_visitor) w.lit(",\"unread\":").num(c.unread).lit(",\"pos\":").str(c.pos);
  w.ch('}');
}

void agent(JsonWriter& w, const AgentView& a) {
  w.lit("{\"id\":").id(a.id).lit(",\"name\":").str(a.name).lit(",\"status\":\"").raw(to_string(a.status)).lit("\"}");
}

/// `[a,b,c]` of whatever `item` writes.
template <class Range, class Item>
void list(JsonWriter& w, const Range& range, Item item) {
  w.ch('[');
  bool first = true;
  for (const auto& element : range) {
    if (!first) w.ch(',');
    first = false;
    item(w, element);
  }
  w.ch(']');
}

void mark(JsonWriter& w, const MarkView& m) {
  w.lit("{\"p\":\"").ch(static_cast<char>(m.who.kind)).ch(':').num(m.who.id);
  w.lit("\",\"rcv\":").num(m.rcv).lit(",\"read\":").num(m.read).ch('}');
}

void counts_field(JsonWriter& w, const Counts& counts) {
  w.lit(",\"counts\":{\"waiting\":").num(counts.waiting).lit(",\"mine\":").num(counts.mine);
  w.lit(",\"open\":").num(counts.open).ch('}');
}

/// An `id` of 0 was not given and is not echoed.
void re_field(JsonWriter& w, std::uint64_t re) {
  if (re != 0) w.lit(",\"re\":").num(re);
}

}  // namespace

void append_entry(std::string& out, const EntryView& e, bool with_type_tag) {
  JsonWriter w(out);
  if (with_type_tag) {
    w.lit("{\"t\":\"entry\",\"conv\":").id(e.conv);
  } else {
    w.lit("{\"conv\":").id(e.conv);
  }
  w.lit(",\"seq\":").num(e.seq);
  if (e.skip != 0) w.lit(",\"skip\":").num(e.skip);
  w.lit(",\"id\":").id(e.id).lit(",\"ts\":").num(e.ts_ms).lit(",\"type\":\"").raw(to_string(e.type)).ch('"');
  if (e.audience == Audience::kInternal) w.lit(",\"audience\":\"internal\"");
  w.lit(",\"from\":");
  open_principal(w, e.from);
  if (!e.from_name.empty()) w.lit(",\"name\":").str(e.from_name);
  w.lit("},\"dev\":").dev(e.dev).lit(",\"n\":").num(e.n).lit(",\"rev\":").num(e.rev);
  if (e.state) {
    w.lit(",\"state\":{\"status\":\"").raw(to_string(e.state->status)).lit("\",\"claim\":").num(e.state->claim);
    w.lit(",\"assignee\":");
    person(w, e.state->assignee);
    w.ch('}');
  }
  if (e.recalled) {
    w.lit(",\"recalled\":true}");
  } else {
    w.lit(",\"body\":").raw(e.body).ch('}');
  }
}

void append_conversation(std::string& out, const ConversationView& c) {
  JsonWriter w(out);
  conversation(w, c);
}

void append_ready(std::string& out, const ReadyView& r) {
  JsonWriter w(out);
  w.lit("{\"t\":\"ready\"");
  re_field(w, r.re);
  if (r.refresh) {
    w.lit(",\"refresh\":true,\"resume\":").str(r.resume).ch('}');
    return;
  }
  w.lit(",\"sid\":").str(r.sid).lit(",\"gen\":").num(r.gen).lit(",\"resume\":").str(r.resume);
  w.lit(",\"hb\":{\"interval_ms\":").num(r.hb_interval_ms).lit(",\"grace_ms\":").num(r.hb_grace_ms);
  w.lit("},\"limits\":{\"window\":").num(r.window).lit(",\"text\":").num(kTextCodePointsMax);
  w.lit(",\"entry\":").num(kBodyBytesMax).lit(",\"inflight\":").num(kInFlightMax);
  w.lit(",\"frame\":").num(kFrameBytesMax).lit("},\"ts\":").num(r.ts_ms).lit(",\"min_version\":1,\"me\":");
  open_principal(w, r.me);
  if (!r.me_role.empty()) w.lit(",\"role\":").str(r.me_role);
  if (!r.me_name.empty()) w.lit(",\"name\":").str(r.me_name);
  w.lit("},\"tenant\":{\"id\":").id(r.tenant).lit(",\"name\":").str(r.tenant_name).ch('}');
  if (r.online) w.lit(",\"online\":").boolean(*r.online);
  if (r.conv != nullptr) {
    w.lit(",\"conv\":");
    conversation(w, *r.conv);
  }
  if (r.me.kind == PrincipalKind::kAgent) {
    w.lit(",\"agents\":");
    list(w, r.agents, agent);
  }
  w.ch('}');
}

void append_resumed(std::string& out, std::uint64_t re, const ConversationView& conv, bool reset,
                    std::span<const MarkView> marks, bool more, std::optional<std::uint64_t> stable) {
  JsonWriter w(out);
  w.lit("{\"t\":\"resumed\"");
  re_field(w, re);
  w.lit(",\"conv\":");
  conversation(w, conv);
  w.lit(",\"state\":\"");
  if (reset) {
    w.lit("reset");
  } else {
    w.lit("ok");
  }
  w.lit("\",\"marks\":");
  list(w, marks, mark);
  if (stable) w.lit(",\"stable\":").num(*stable);
  w.lit(",\"more\":").boolean(more).ch('}');
}

void append_ack(std::string& out, std::uint64_t re, ConversationId conv, const std::optional<DevId>& dev,
                std::uint64_t n, std::uint64_t seq, std::string_view epoch, MessageId id, std::int64_t ts_ms,
                std::uint64_t stable, bool dup, std::optional<std::uint64_t> unechoed) {
  JsonWriter w(out);
  w.lit("{\"t\":\"ack\"");
  re_field(w, re);
  w.lit(",\"conv\":").id(conv);
  if (dev) w.lit(",\"dev\":").dev(*dev);
  w.lit(",\"n\":").num(n).lit(",\"seq\":").num(seq).lit(",\"epoch\":").str(epoch);
  if (id) w.lit(",\"id\":").id(id);
  w.lit(",\"ts\":").num(ts_ms).lit(",\"stable\":").num(stable);
  if (dup) w.lit(",\"dup\":true");
  if (unechoed) w.lit(",\"echo\":false");
  if (unechoed && *unechoed > 0) w.lit(",\"skip\":").num(*unechoed);
  w.ch('}');
}

void append_stable(std::string& out, ConversationId conv, std::uint64_t upto) {
  JsonWriter(out).lit("{\"t\":\"stable\",\"conv\":").id(conv).lit(",\"upto\":").num(upto).ch('}');
}

void begin_page(std::string& out, std::uint64_t re, ConversationId conv, std::string_view epoch, std::uint64_t head,
                std::uint64_t stable) {
  JsonWriter w(out);
  w.lit("{\"t\":\"page\"");
  re_field(w, re);
  w.lit(",\"conv\":").id(conv).lit(",\"epoch\":").str(epoch).lit(",\"head\":").num(head);
  w.lit(",\"stable\":").num(stable).lit(",\"items\":[");
}

void end_page(std::string& out, bool more) { JsonWriter(out).lit("],\"more\":").boolean(more).ch('}'); }

void begin_rows(std::string& out, std::uint64_t re, std::string_view view) {
  JsonWriter w(out);
  w.lit("{\"t\":\"rows\"");
  re_field(w, re);
  w.lit(",\"view\":").str(view).lit(",\"rows\":[");
}

void end_rows(std::string& out, const Counts& counts, bool more, std::optional<std::uint64_t> ipos) {
  JsonWriter w(out);
  w.ch(']');
  counts_field(w, counts);
  if (ipos) w.lit(",\"ipos\":").num(*ipos);
  w.lit(",\"more\":").boolean(more).ch('}');
}

void append_delta(std::string& out, std::uint64_t watch, std::span<const ConversationView> upsert,
                  std::span<const ConversationId> remove, const Counts& counts, bool changed) {
  JsonWriter w(out);
  w.lit("{\"t\":\"delta\",\"watch\":").num(watch).lit(",\"upsert\":");
  list(w, upsert, conversation);
  w.lit(",\"remove\":");
  list(w, remove, [](JsonWriter& writer, ConversationId conv) { writer.id(conv); });
  counts_field(w, counts);
  if (changed) w.lit(",\"changed\":true");
  w.ch('}');
}

void append_marks(std::string& out, ConversationId conv, std::span<const MarkView> marks) {
  JsonWriter w(out);
  w.lit("{\"t\":\"marks\",\"conv\":").id(conv).lit(",\"marks\":");
  list(w, marks, mark);
  w.ch('}');
}

void append_typing(std::string& out, ConversationId conv, Principal from, std::string_view name, bool on) {
  JsonWriter w(out);
  w.lit("{\"t\":\"typing\",\"conv\":").id(conv).lit(",\"from\":");
  open_principal(w, from);
  if (!name.empty()) w.lit(",\"name\":").str(name);
  w.lit("},\"on\":").boolean(on).ch('}');
}

void append_presence_agents(std::string& out, std::span<const AgentView> agents) {
  JsonWriter w(out);
  w.lit("{\"t\":\"presence\",\"agents\":");
  list(w, agents, agent);
  w.ch('}');
}

void append_presence_online(std::string& out, bool online) {
  JsonWriter(out).lit("{\"t\":\"presence\",\"online\":").boolean(online).ch('}');
}

void append_presence_agent(std::string& out, ConversationId conv, const AgentView& one) {
  JsonWriter w(out);
  w.lit("{\"t\":\"presence\",\"conv\":").id(conv).lit(",\"agent\":");
  agent(w, one);
  w.ch('}');
}

void append_queue(std::string& out, ConversationId conv, std::uint32_t position, bool online) {
  JsonWriter w(out);
  w.lit("{\"t\":\"queue\",\"conv\":").id(conv).lit(",\"position\":").num(position);
  w.lit(",\"online\":").boolean(online).ch('}');
}

void append_ping(std::string& out, std::int64_t ts_ms) {
  JsonWriter(out).lit("{\"t\":\"ping\",\"ts\":").num(ts_ms).ch('}');
}

void append_pong(std::string& out, std::uint64_t re) {
  JsonWriter w(out);
  w.lit("{\"t\":\"pong\"");
  re_field(w, re);
  w.ch('}');
}

void append_lag(std::string& out, std::span<const std::pair<ConversationId, std::uint64_t>> heads) {
  JsonWriter w(out);
  w.lit("{\"t\":\"lag\",\"convs\":{");
  bool first = true;
  for (const auto& [conv, head] : heads) {
    if (!first) w.ch(',');
    first = false;
    w.id(conv).ch(':').num(head);
  }
  w.lit("}}");
}

void append_slow(std::string& out, std::uint32_t pause_ms) {
  JsonWriter(out).lit("{\"t\":\"slow\",\"pause_ms\":").num(pause_ms).ch('}');
}

void append_bye(std::string& out, std::uint32_t delay_ms, CloseCode code) {
  JsonWriter w(out);
  w.lit("{\"t\":\"bye\",\"delay_ms\":").num(delay_ms).lit(",\"code\":\"").raw(reason_of(code)).lit("\"}");
}

void append_error(std::string& out, const ErrorView& e) {
  const CodeInfo& about = info(e.code);
  JsonWriter w(out);
  w.lit("{\"t\":\"error\"");
  re_field(w, e.re);
  if (e.conv) w.lit(",\"conv\":").id(e.conv);
  if (e.dev) w.lit(",\"dev\":").dev(*e.dev);
  if (e.n) w.lit(",\"n\":").num(*e.n);
  w.lit(",\"status\":").num(about.status).lit(",\"code\":\"").raw(about.name);
  w.lit("\",\"message\":").str(e.message.empty() ? about.message : e.message);
  if (!e.field.empty()) w.lit(",\"field\":").str(e.field);
  w.lit(",\"retry\":").boolean(about.retry);
  if (e.after_ms) w.lit(",\"after_ms\":").num(*e.after_ms);
  if (e.expected) w.lit(",\"expected\":").num(*e.expected);
  if (e.by) {
    w.lit(",\"by\":");
    person(w, *e.by);
  }
  if (e.claim) w.lit(",\"claim\":").num(*e.claim);
  if (e.moved_to) w.lit(",\"to\":").id(e.moved_to);
  if (!e.ref.empty()) w.lit(",\"ref\":").str(e.ref);
  w.ch('}');
}

}  // namespace parley::protocol
