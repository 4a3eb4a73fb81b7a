#include <fmt/format.h>

#include <algorithm>

#include "context.hpp"
#include "conversation_views.hpp"
#include "parley/protocol/server_frame.hpp"
#include "query.hpp"

namespace parley::net::api {
namespace {

using domain::ConversationMeta;
using protocol::Status;
using tenant::Right;

constexpr std::int64_t kPageDefault = 50;
constexpr std::int64_t kPageMax = 100;

bool is_limit(std::uint64_t limit) { return limit >= 1 && limit <= kPageMax; }

std::string page_text(const std::vector<ConversationMeta>& items, const Names& names, const std::string& next) {
  std::string out = "{\"items\":[";
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    append_row(out, items[i], names);
  }
  out += ']';
  if (!next.empty()) {
    out += ",\"next\":";
    protocol::append_json_string(out, next);
  }
  return out + '}';
}

asio::awaitable<HttpResponse> closed_page(Context& c, HttpRequest& request, const Caller& caller, unsigned limit) {
  const std::uint64_t before = number_of(request, "cursor", 0);
  if (before == kNoNumber) co_return bad_query("cursor", "This cursor was not given by this list.");
  Result<std::vector<ConversationMeta>> rows =
      co_await c.deps.journal.closed_conversations(caller.tenant.id, before, limit + 1);
  if (!rows) co_return HttpResponse::of(rows.error());
  Outcome<Names> names = co_await names_of(c, caller.tenant.id);
  if (!names) co_return names.problem();
  const bool more = rows->size() > limit;
  if (more) rows->resize(limit);
  const std::string next = more ? std::to_string(rows->back().last_pos) : std::string();
  co_return HttpResponse::json(200, page_text(*rows, *names, next));
}

bool in_view(std::string_view view, const ConversationMeta& meta, AgentId agent) {
  if (view == "waiting") return meta.status == Status::kWaiting;
  if (view == "mine") return meta.status == Status::kActive && meta.assignee == agent;
  return meta.status == Status::kWaiting || meta.status == Status::kActive;
}

/// Place in the list: unique, since it ends in the conversation.
std::string cursor_of(const ConversationMeta& meta) {
  return fmt::format("{}-{:019}", position_of(meta), meta.id.value);
}

asio::awaitable<HttpResponse> list(Context& c, HttpRequest& request, Caller& caller) {
  const std::string view(request.query_value("view").value_or("open"));
  if (view != "waiting" && view != "mine" && view != "open" && view != "closed") {
    co_return bad_query("view", "\"waiting\", \"mine\", \"open\" or \"closed\" is expected.");
  }
  const std::uint64_t limit = number_of(request, "limit", kPageDefault);
  if (!is_limit(limit)) co_return bad_query("limit", "A whole number from 1 to 100 is expected.");
  if (view == "closed") co_return co_await closed_page(c, request, caller, static_cast<unsigned>(limit));

  Result<std::vector<ConversationMeta>> all = co_await c.deps.journal.open_conversations(caller.tenant.id);
  if (!all) co_return HttpResponse::of(all.error());
  Outcome<Names> names = co_await names_of(c, caller.tenant.id);
  if (!names) co_return names.problem();
  const std::string after(request.query_value("cursor").value_or(""));
  std::vector<std::pair<std::string, ConversationMeta>> rows;
  for (ConversationMeta& meta : *all) {
    if (!in_view(view, meta, caller.agent.id)) continue;
    std::string cursor = cursor_of(meta);
    if (cursor > after) rows.emplace_back(std::move(cursor), std::move(meta));
  }
  std::ranges::sort(rows, {}, [](const auto& row) -> const std::string& { return row.first; });
  std::string next;
  if (rows.size() > limit) {
    rows.resize(limit);
    next = rows.back().first;
  }
  std::vector<ConversationMeta> items;
  for (auto& row : rows) items.push_back(std::move(row.second));
  co_return HttpResponse::json(200, page_text(items, *names, next));
}

/// The conversation named in the path, if it belongs to the caller's tenant; a foreign one looks like none.
asio::awaitable<Outcome<ConversationMeta>> find(Context& c, HttpRequest& request, const Caller& caller) {
  const Refusal unknown{404, "unknown_conv", "There is no such conversation for you."};
  const std::optional<ConversationId> id = ConversationId::parse(request.params["id"]);
  if (!id) co_return unknown;
  Result<std::optional<store::ConversationState>> state = co_await c.deps.journal.load(*id);
  if (!state) co_return state.error();
  if (!*state || (*state)->meta.tenant != caller.tenant.id) co_return unknown;
  co_return std::move((*state)->meta);
}

asio::awaitable<HttpResponse> show(Context& c, HttpRequest& request, Caller& caller) {
  Outcome<ConversationMeta> meta = co_await find(c, request, caller);
  if (!meta) co_return meta.problem();
  Outcome<Names> names = co_await names_of(c, caller.tenant.id);
  if (!names) co_return names.problem();
  std::string out;
  append_row(out, *meta, *names);
  co_return HttpResponse::json(200, std::move(out));
}

void append(std::string& out, ConversationId conv, const store::StoredEntry& entry, const Names& names) {
  protocol::EntryView view;
  view.conv = conv;
  view.seq = entry.seq;
  view.id = entry.id;
  view.ts_ms = to_ms(entry.ts_ns);
  view.type = entry.type;
  view.audience = entry.audience;
  view.from = entry.from;
  if (entry.from.kind == PrincipalKind::kAgent) view.from_name = name_in(names, entry.from.id);
  view.dev = entry.dev;
  view.n = entry.n;
  view.rev = entry.rev;
  view.recalled = entry.recalled;
  view.body = entry.body;
  if (entry.status) {
    view.state = protocol::EntryView::State{
        *entry.status, entry.claim, {entry.assignee.value, name_in(names, entry.assignee.value)}};
  }
  protocol::append_entry(out, view, false);
}

asio::awaitable<HttpResponse> messages(Context& c, HttpRequest& request, Caller& caller) {
  const std::uint64_t limit = number_of(request, "limit", kPageDefault);
  if (!is_limit(limit)) co_return bad_query("limit", "A whole number from 1 to 100 is expected.");
  store::Journal::Range range;
  range.limit = static_cast<unsigned>(limit);
  range.internal = true;
  if (request.query_value("after")) range.after = number_of(request, "after", 0);
  if (request.query_value("before")) range.before = number_of(request, "before", 0);
  if (range.after == kNoNumber) co_return bad_query("after", "A seq is expected.");
  if (range.before == kNoNumber) co_return bad_query("before", "A seq is expected.");
  if (range.after && range.before) co_return bad_query("before", "Either \"after\" or \"before\" is expected.");

  Outcome<ConversationMeta> meta = co_await find(c, request, caller);
  if (!meta) co_return meta.problem();
  Result<store::Journal::Page> page = co_await c.deps.journal.read(meta->id, range);
  if (!page) co_return HttpResponse::of(page.error());
  Outcome<Names> names = co_await names_of(c, caller.tenant.id);
  if (!names) co_return names.problem();
  std::string out = fmt::format("{{\"conv\":\"{}\",\"epoch\":", meta->id.value);
  protocol::append_json_string(out, meta->epoch);
  out += fmt::format(",\"head\":{},\"items\":[", meta->head);
  for (std::size_t i = 0; i < page->entries.size(); ++i) {
    if (i > 0) out += ',';
    append(out, meta->id, page->entries[i], *names);
  }
  out += page->more ? "],\"more\":true}" : "],\"more\":false}";
  co_return HttpResponse::json(200, std::move(out));
}

}  // namespace

void add_conversation_routes(Routes& routes) {
  routes.signed_in("GET", "/api/v1/conversations", Right::kUseConsole, list);
  routes.signed_in("GET", "/api/v1/conversations/{id}", Right::kUseConsole, show);
  routes.signed_in("GET", "/api/v1/conversations/{id}/messages", Right::kUseConsole, messages);
}

}  // namespace parley::net::api
