// Resume and pages: what a reader gets when it comes (back), without a gap and without a repeat.
#include <algorithm>
#include <span>

#include "home.hpp"
#include "parley/base/clock.hpp"

namespace parley::session {

using protocol::Code;
using protocol::EntryType;

namespace {

constexpr unsigned kInlineMax = 200;  // entries of a catch-up; the rest is paged by the client
constexpr unsigned kFirstPage = 50;
constexpr unsigned kPageMax = 100;
constexpr std::size_t kPageBytes = 65536;
constexpr std::uint32_t kRetryMs = 1000;
constexpr int kReadsMax = 8;  // of one page that is being changed again and again

bool visible(const store::StoredEntry& e, const Who& who) {
  return !who.visitor() || e.audience == protocol::Audience::kPublic;
}

}  // namespace

bool Home::tail_reaches(const Conversation& c, std::uint64_t first_seq) const {
  return first_seq > c.meta.head || (!c.tail.empty() && c.tail.front().seq <= first_seq);
}

protocol::EntryView Home::entry_view(const Conversation& c, const store::StoredEntry& e, bool for_visitor,
                                     const TenantProfile* profile) const {
  protocol::EntryView view;
  view.conv = c.meta.id;
  view.seq = e.seq;
  view.skip = for_visitor ? static_cast<std::uint32_t>(e.skip) : 0;
  view.id = e.id;
  view.ts_ms = to_ms(e.ts_ns);
  view.type = e.type;
  view.audience = e.audience;
  view.from = e.from;
  if (profile && e.from.kind == PrincipalKind::kAgent) view.from_name = profile->agent_name(AgentId{e.from.id});
  view.dev = e.dev;
  view.n = e.n;
  view.rev = e.rev;
  view.recalled = e.recalled;
  view.body = e.body;
  if (e.status) {
    view.state = protocol::EntryView::State{
        *e.status,
        e.claim,
        {e.assignee.value, profile && e.assignee ? profile->agent_name(e.assignee) : std::string_view()}};
  }
  return view;
}

void Home::subscribe(SubscribeRequest request) {
  const ConversationId conv = request.conv;
  with(conv, [this, request = std::move(request)](Conversation* c, Code code) mutable {
    if (c && allowed(*c, request.who) && c->stored) return subscribed(*c, std::move(request));
    if (code == Code::kOk && request.may_open && (!c || !c->stored))
      return;  // a reserved id: its tabs become members when it is opened
    if (code != Code::kOk && request.who.visitor())
      return world_.send_away(request.who.session);  // it cannot ask again in this session
    protocol::ErrorView view;
    view.re = request.re;
    view.code = code == Code::kOk ? Code::kUnknownConv : code;
    view.conv = request.conv;
    if (code != Code::kOk) view.after_ms = kRetryMs;
    error(request.who, view);
  });
}

void Home::subscribed(Conversation& c, SubscribeRequest request) {
  auto known = std::find_if(c.members.begin(), c.members.end(),
                            [&](const Member& m) { return m.who.session == request.who.session; });
  if (known == c.members.end()) {
    c.members.push_back({request.who});
    known = c.members.end() - 1;
  }
  const bool visitor = request.who.visitor();
  const std::uint64_t head = visitor ? c.meta.public_head : c.meta.head;
  const bool reset = request.cursor && (request.cursor->epoch != c.meta.epoch || request.cursor->seq > head);
  if (request.cursor) (reset ? metrics_.resumed_reset : metrics_.resumed_ok).add();

  if (request.cursor && !reset && tail_reaches(c, request.cursor->seq + 1)) {
    metrics_.tail_hits.add();
    std::vector<store::StoredEntry> entries;
    bool more = false;
    for (const auto& e : c.tail) {
      if (e.seq <= request.cursor->seq || !visible(e, request.who)) continue;
      if (entries.size() == kInlineMax) {
        more = true;
        break;
      }
      entries.push_back(e);
    }
    known->live = true;
    return write_catch_up(c, request, false, entries, more);
  }
  if ((!request.cursor || reset) && !c.tail.empty() &&
      c.tail.front().seq == 1) {  // the whole conversation is in memory
    metrics_.tail_hits.add();
    std::vector<store::StoredEntry> entries;
    for (const auto& e : c.tail) {
      if (visible(e, request.who)) entries.push_back(e);
    }
    const bool more = entries.size() > kFirstPage;
    if (more) entries.erase(entries.begin(), entries.end() - kFirstPage);
    known->live = true;
    return write_catch_up(c, request, reset, entries, more);
  }
  known->live = false;
  ++c.readers;
  metrics_.tail_misses.add();
  home().spawn("catch up", catch_up(std::move(request), reset));
}

asio::awaitable<Result<store::Journal::Page>> Home::read_store(ConversationId conv, store::Journal::Range range) {
  Result<store::Journal::Page> page = Error(Errc::kUnavailable, "the page changes faster than it can be read");
  for (int reads = 0; reads < kReadsMax; ++reads) {
    const std::size_t known = conversations_.find(conv)->changed_meanwhile.size();
    Result<store::Journal::Page> found = co_await journal_.read(conv, range);
    const auto changed = std::span(conversations_.find(conv)->changed_meanwhile).subspan(known);
    const auto is_changed = [&](std::uint64_t seq) {
      return std::find(changed.begin(), changed.end(), seq) != changed.end();
    };
    const bool overtaken =
        !changed.empty() && found && std::any_of(found->entries.begin(), found->entries.end(), [&](const auto& e) {
          return is_changed(e.seq) || (e.type == EntryType::kEdit && is_changed(target_of(e)));
        });
    if (overtaken) continue;
    page = std::move(found);
    break;
  }
  Conversation& c = *conversations_.find(conv);
  if (--c.readers == 0) c.changed_meanwhile.clear();
  co_return page;
}

asio::awaitable<void> Home::catch_up(SubscribeRequest request, bool reset) {
  const bool newest = reset || !request.cursor;
  store::Journal::Range range;
  range.internal = !request.who.visitor();
  range.limit = newest ? kFirstPage : kInlineMax;
  range.bytes_max = kPageBytes;
  if (!newest) range.after = request.cursor->seq;
  Result<store::Journal::Page> page = co_await read_store(request.conv, range);
  Conversation& c = *conversations_.find(request.conv);  // busy while it is read, so it is here
  auto member = std::find_if(c.members.begin(), c.members.end(),
                             [&](const Member& m) { return m.who.session == request.who.session; });
  if (member == c.members.end()) co_return;  // left meanwhile
  member->live = true;
  if (!page) {
    protocol::ErrorView view;
    view.re = request.re;
    view.code = Code::kJournalDown;
    view.conv = request.conv;
    view.after_ms = kRetryMs;
    std::erase_if(c.members, [&](const Member& m) { return m.who.session == request.who.session; });
    if (request.who.visitor()) {
      world_.send_away(request.who.session);
    } else {
      error(request.who, view);
    }
    co_return;
  }
  std::vector<store::StoredEntry> entries = std::move(page->entries);
  bool more = page->more;
  // What was committed while the page was read is in the tail; join it on where it belongs.
  const std::uint64_t last = entries.empty() ? (newest ? 0 : request.cursor->seq) : entries.back().seq;
  const std::uint64_t head = request.who.visitor() ? c.meta.public_head : c.meta.head;
  const bool joins = last >= head || tail_reaches(c, last + 1);
  if (!newest && !joins) more = true;  // so much came meanwhile that the tail has moved on: the client pages
  if (joins && (newest || !more)) {
    for (const auto& e : c.tail) {
      if (e.seq > last && visible(e, request.who)) entries.push_back(e);
    }
  }
  write_catch_up(c, request, reset, entries, more);
}

void Home::write_catch_up(Conversation& c, const SubscribeRequest& request, bool reset,
                          const std::vector<store::StoredEntry>& entries, bool more) {
  const auto profile = profiles_.find(c.meta.tenant);
  const bool visitor = request.who.visitor();
  std::vector<protocol::MarkView> marks;
  const std::uint64_t limit = visitor ? c.meta.public_head : c.meta.head;  // see receipt()
  for (const auto& [who, mark] : c.marks) {
    if (!(who == request.who.principal) || mark.read > 0)
      marks.push_back({who, std::min(mark.rcv, limit), std::min(mark.read, limit)});
  }
  std::string json;
  const std::uint64_t stable = journal_.stable(c.meta.id, limit);
  protocol::append_resumed(json, request.re, view_of(c.meta, visitor, profile.get()), reset, marks, more,
                           stable < limit ? std::optional(stable) : std::nullopt);
  for (const auto& e : entries) {
    json += ',';
    protocol::append_entry(json, entry_view(c, e, visitor, profile.get()));
  }
  world_.reply(request.who.session, json, !entries.empty());
}

void Home::sync(SyncRequest request) {
  const ConversationId conv = request.conv;
  with(conv, [this, request = std::move(request)](Conversation* c, Code code) mutable {
    if (!c || !allowed(*c, request.who) || !c->stored) {
      protocol::ErrorView view;
      view.re = request.re;
      view.code = code == Code::kOk ? Code::kUnknownConv : code;
      view.conv = request.conv;
      if (code != Code::kOk) view.after_ms = kRetryMs;
      return error(request.who, view);
    }
    request.limit = std::clamp(request.limit, 1u, kPageMax);
    if (request.after && tail_reaches(*c, *request.after + 1)) {
      metrics_.tail_hits.add();
      std::vector<store::StoredEntry> entries;
      std::size_t bytes = 0;
      bool more = false;
      for (const auto& e : c->tail) {
        if (e.seq <= *request.after || !visible(e, request.who)) continue;
        if (entries.size() == request.limit || (bytes > 0 && bytes + e.body.size() > kPageBytes)) {
          more = true;
          break;
        }
        bytes += e.body.size();
        entries.push_back(e);
      }
      return write_page(*c, request, entries, more);
    }
    ++c->readers;
    metrics_.tail_misses.add();
    home().spawn("read page", read_page(std::move(request)));
  });
}

asio::awaitable<void> Home::read_page(SyncRequest request) {
  store::Journal::Range range;
  range.after = request.after;
  if (!request.after) range.before = request.before;
  range.limit = request.limit;
  range.internal = !request.who.visitor();
  range.bytes_max = kPageBytes;
  Result<store::Journal::Page> page = co_await read_store(request.conv, range);
  Conversation& c = *conversations_.find(request.conv);
  if (!page) {
    protocol::ErrorView view;
    view.re = request.re;
    view.code = Code::kJournalDown;
    view.conv = request.conv;
    view.after_ms = kRetryMs;
    error(request.who, view);
    co_return;
  }
  write_page(c, request, page->entries, page->more);
}

void Home::write_page(Conversation& c, const SyncRequest& request, const std::vector<store::StoredEntry>& entries,
                      bool more) {
  const auto profile = profiles_.find(c.meta.tenant);
  const bool visitor = request.who.visitor();
  const std::uint64_t head = visitor ? c.meta.public_head : c.meta.head;
  std::string json;
  protocol::begin_page(json, request.re, c.meta.id, c.meta.epoch, head, journal_.stable(c.meta.id, head));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) json += ',';
    protocol::append_entry(json, entry_view(c, entries[i], visitor, profile.get()), false);
  }
  protocol::end_page(json, more);
  world_.reply(request.who.session, json);
}

}  // namespace parley::session
