#include <algorithm>

#include "context.hpp"
#include "parley/base/bytes.hpp"
#include "parley/store/repositories.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

using pipeline::WordAction;
using pipeline::WordFilter;
using tenant::Right;
using FilterPtr = std::shared_ptr<const WordFilter>;

constexpr std::size_t kWordsMax = 200'000;
constexpr std::size_t kListsMax = 100;
constexpr std::size_t kTextMax = 4000;

WordAction action_of(std::string_view name) {
  if (name == "block") return WordAction::kBlock;
  return name == "flag" ? WordAction::kFlag : WordAction::kMask;
}
std::string_view name_of(WordAction action) {
  if (action == WordAction::kBlock) return "block";
  return action == WordAction::kFlag ? "flag" : "mask";
}

asio::awaitable<Outcome<std::vector<store::WordList>>> lists_of(Context& c, TenantId tenant) {
  auto work = [tenant](store::Sql& sql) -> Outcome<std::vector<store::WordList>> {
    return store::word_lists::of_tenant(sql, tenant);
  };
  return c.deps.database.read(std::move(work));
}

/// Compiles on the worker: seconds for the largest lists. A bad word is refused as "words".
asio::awaitable<Outcome<FilterPtr>> compiled(Context& c, const std::vector<store::WordList>& lists) {
  std::vector<pipeline::WordListSource> sources;
  sources.reserve(lists.size());
  for (const store::WordList& list : lists) sources.push_back({list.name, action_of(list.action), list.words});
  auto work = [sources = std::move(sources)]() -> Outcome<FilterPtr> {
    Result<FilterPtr> filter = WordFilter::compile(sources);
    if (filter) return std::move(*filter);
    Error error = std::move(filter).error();
    if (error.code == Errc::kBadInput) error.field = "words";  // which word of which list stands in the sentence
    return error;
  };
  return c.deps.cpu.run(std::move(work));
}

asio::awaitable<HttpResponse> show(Context& c, HttpRequest&, Caller& caller) {
  Outcome<std::vector<store::WordList>> lists = co_await lists_of(c, caller.tenant.id);
  if (!lists) co_return lists.problem();
  Json items = Json::array();
  for (const store::WordList& list : *lists) items.push(word_list_view(list));
  co_return HttpResponse::json(200, items_text(std::move(items)));
}

store::WordList read_list(Context& c, Form& form, TenantId tenant) {
  store::WordList list;
  list.tenant = tenant;
  list.name = form.line("name", {1, 60});
  list.action = form.raw("action", 10);
  if (list.action != "mask" && list.action != "block" && list.action != "flag")
    form.refuse("action", "\"mask\", \"block\" or \"flag\" is expected.");
  list.words = form.list("words", kWordsMax);
  list.updated_ns = c.now_ns();
  return list;
}

/// The list as it is to be, together with the tenant's others: they are compiled as one, and share one limit.
asio::awaitable<Outcome<FilterPtr>> checked(Context& c, const store::WordList& wanted) {
  Outcome<std::vector<store::WordList>> lists = co_await lists_of(c, wanted.tenant);
  if (!lists) co_return *lists.error();
  std::erase_if(*lists, [&](const store::WordList& list) { return list.id == wanted.id; });
  if (lists->size() >= kListsMax)
    co_return Refusal{409, "conflict", "There are a hundred lists already; put words into one of them."};
  lists->push_back(wanted);
  co_return co_await compiled(c, *lists);
}

asio::awaitable<HttpResponse> create(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  store::WordList list = read_list(c, form, caller.tenant.id);
  if (form.error()) co_return bad_field(form);
  list.id = c.deps.mint();
  Outcome<FilterPtr> filter = co_await checked(c, list);
  if (!filter) co_return filter.problem();
  auto work = [list](store::Sql& sql) -> Outcome<Done> {
    store::word_lists::insert(sql, list);
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.changed(caller.tenant.id);
  co_return HttpResponse::json(201, word_list_view(list).text());
}

struct ListTag;
std::optional<std::uint64_t> id_of(HttpRequest& request) {
  const auto id = Id<ListTag>::parse(request.params["id"]);
  return id ? std::optional(id->value) : std::nullopt;
}

asio::awaitable<HttpResponse> replace(Context& c, HttpRequest& request, Caller& caller) {
  const std::optional<std::uint64_t> id = id_of(request);
  if (!id) co_return Outcome<Done>(not_found()).problem();
  Form form(request.body);
  store::WordList list = read_list(c, form, caller.tenant.id);
  list.id = *id;
  if (form.error()) co_return bad_field(form);
  Outcome<FilterPtr> filter = co_await checked(c, list);
  if (!filter) co_return filter.problem();
  auto work = [list](store::Sql& sql) -> Outcome<Done> {
    if (!store::word_lists::update(sql, list)) return not_found();
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.changed(caller.tenant.id);
  co_return HttpResponse::json(200, word_list_view(list).text());
}

asio::awaitable<HttpResponse> erase(Context& c, HttpRequest& request, Caller& caller) {
  const std::optional<std::uint64_t> id = id_of(request);
  if (!id) co_return Outcome<Done>(not_found()).problem();
  auto work = [tenant = caller.tenant.id, id = *id](store::Sql& sql) -> Outcome<Done> {
    if (!store::word_lists::erase(sql, tenant, id)) return not_found();
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  c.changed(caller.tenant.id);
  co_return no_content();
}

/// Length as JavaScript counts it, so that a page can cut its string there.
std::int64_t utf16_units(std::string_view text) {
  std::int64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

asio::awaitable<HttpResponse> try_out(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  const std::string text = form.raw("text", 4 * kTextMax);
  if (code_points(text) > kTextMax) form.refuse("text", "At most 4000 characters are expected.");
  if (form.error()) co_return bad_field(form);
  Outcome<std::vector<store::WordList>> lists = co_await lists_of(c, caller.tenant.id);
  if (!lists) co_return lists.problem();
  std::string version;
  for (const store::WordList& list : *lists)
    version += std::to_string(list.id) + '@' + std::to_string(list.updated_ns) + ' ';
  FilterPtr filter = c.filters.find(caller.tenant.id, version);
  if (!filter) {
    Outcome<FilterPtr> made = co_await compiled(c, *lists);
    if (!made) co_return made.problem();
    filter = *made;
    c.filters.keep(caller.tenant.id, version, filter);
  }
  const std::vector<WordFilter::Hit> hits = filter->find(text);
  Json items = Json::array();
  for (const WordFilter::Hit& hit : hits) {
    items.push(Json::object()
                   .set("word", hit.word)
                   .set("start", utf16_units(std::string_view(text).substr(0, hit.start)))
                   .set("end", utf16_units(std::string_view(text).substr(0, hit.end)))
                   .set("list", hit.list)
                   .set("action", name_of(hit.action)));
  }
  std::vector<WordFilter::Hit> masked = hits;
  std::erase_if(masked, [](const WordFilter::Hit& hit) { return hit.action != WordAction::kMask; });
  co_return HttpResponse::json(
      200, Json::object().set("text", pipeline::mask(text, masked)).set("hits", std::move(items)).text());
}

}  // namespace

void add_word_routes(Routes& routes) {
  routes.signed_in("GET", "/api/v1/word-lists", Right::kReadWordLists, show);
  routes.signed_in("POST", "/api/v1/word-lists", Right::kEditWordLists, create);
  routes.signed_in("PUT", "/api/v1/word-lists/{id}", Right::kEditWordLists, replace);
  routes.signed_in("DELETE", "/api/v1/word-lists/{id}", Right::kEditWordLists, erase);
  routes.signed_in("POST", "/api/v1/word-lists/test", Right::kReadWordLists, try_out);
}

}  // namespace parley::net::api
