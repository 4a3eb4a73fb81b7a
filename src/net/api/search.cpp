#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "context.hpp"
#include "conversation_views.hpp"
#include "parley/protocol/server_frame.hpp"
#include "query.hpp"

namespace parley::net::api {
namespace {

using domain::ConversationMeta;
using store::SearchHit;
using tenant::Right;

constexpr std::uint64_t kPageDefault = 20;
constexpr std::uint64_t kPageMax = 50;
constexpr std::size_t kTextPointsMax = 200;

std::size_t points_in(std::string_view text) {
  const auto begins = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

/// The conversations of the hits, each once, in the order of their best hit; of this tenant only, whatever an index
/// says.
asio::awaitable<Outcome<std::vector<ConversationMeta>>> conversations_of(Context& c, TenantId tenant,
                                                                         const std::vector<SearchHit>& hits) {
  std::vector<ConversationMeta> metas;
  for (const SearchHit& hit : hits) {
    if (std::ranges::find(metas, hit.conv, &ConversationMeta::id) != metas.end()) continue;
    Result<std::optional<store::ConversationState>> state = co_await c.deps.journal.load(hit.conv);
    if (!state) co_return state.error();
    if (*state && (*state)->meta.tenant == tenant) metas.push_back(std::move((*state)->meta));
  }
  co_return metas;
}

void append(std::string& out, const SearchHit& hit, const Names& names) {
  out += fmt::format(R"({{"conv":"{}","seq":{},"ts":{},"type":"{}",)", hit.conv.value, hit.seq, to_ms(hit.ts_ns),
                     protocol::to_string(hit.type));
  if (hit.audience == protocol::Audience::kInternal) out += R"("audience":"internal",)";
  out += fmt::format(R"("from":{{"k":"{}","id":"{}")", static_cast<char>(hit.from.kind), hit.from.id);
  if (hit.from.kind == PrincipalKind::kAgent) {
    out += ",\"name\":";
    protocol::append_json_string(out, name_in(names, hit.from.id));
  }
  out += "},\"snippet\":";
  protocol::append_json_string(out, hit.snippet);
  out += ",\"matches\":[";
  for (std::size_t i = 0; i < hit.matches.size(); ++i)
    out += fmt::format("{}[{},{}]", i > 0 ? "," : "", hit.matches[i].begin, hit.matches[i].end);
  out += "]}";
}

asio::awaitable<HttpResponse> search(Context& c, HttpRequest& request, Caller& caller) {
  if (!c.deps.search) {
    co_return HttpResponse::problem(501, "search_not_available", "This server keeps no search index.");
  }
  store::SearchQuery query;
  query.tenant = caller.tenant.id;
  query.text = request.query_value("q").value_or("");
  query.internal = true;
  query.cursor = number_of(request, "cursor", 0);
  const std::uint64_t limit = number_of(request, "limit", kPageDefault);
  if (points_in(query.text) > kTextPointsMax) co_return bad_query("q", "At most 200 characters are expected.");
  if (!store::is_searchable(query.text)) {
    co_return bad_query("q", "At least two letters or digits next to each other are expected.");
  }
  if (query.cursor == kNoNumber) co_return bad_query("cursor", "This cursor was not given by this search.");
  if (limit < 1 || limit > kPageMax) co_return bad_query("limit", "A whole number from 1 to 50 is expected.");
  query.limit = static_cast<unsigned>(limit);

  Result<store::SearchPage> page = co_await c.deps.search->find(std::move(query));
  if (!page) co_return HttpResponse::of(page.error());
  Outcome<std::vector<ConversationMeta>> metas = co_await conversations_of(c, caller.tenant.id, page->hits);
  if (!metas) co_return metas.problem();
  Outcome<Names> names = co_await names_of(c, caller.tenant.id);
  if (!names) co_return names.problem();

  std::string out = "{\"items\":[";
  bool first = true;
  for (const SearchHit& hit : page->hits) {
    if (std::ranges::find(*metas, hit.conv, &ConversationMeta::id) == metas->end()) continue;
    if (!std::exchange(first, false)) out += ',';
    append(out, hit, *names);
  }
  out += "],\"conversations\":[";
  for (std::size_t i = 0; i < metas->size(); ++i) {
    if (i > 0) out += ',';
    append_row(out, (*metas)[i], *names);
  }
  out += ']';
  if (page->next != 0) out += fmt::format(",\"next\":\"{}\"", page->next);
  out += fmt::format(",\"lag_s\":{:.0f}}}", std::floor(c.deps.search->lag_seconds()));
  co_return HttpResponse::json(200, std::move(out));
}

}  // namespace

void add_search_routes(Routes& routes) { routes.signed_in("GET", "/api/v1/search", Right::kUseConsole, search); }

}  // namespace parley::net::api
