#include "context.hpp"
#include "parley/store/repositories.hpp"
#include "parley/tenant/secrets.hpp"
#include "views.hpp"

namespace parley::net::api {
namespace {

using tenant::Right;
constexpr std::size_t kTokensMax = 50;

asio::awaitable<HttpResponse> list(Context& c, HttpRequest&, Caller& caller) {
  auto work = [agent = caller.agent.id](store::Sql& sql) -> Outcome<std::vector<store::ApiToken>> {
    return store::api_tokens::of_agent(sql, agent);
  };
  Outcome<std::vector<store::ApiToken>> tokens = co_await c.deps.database.read(std::move(work));
  if (!tokens) co_return tokens.problem();
  Json items = Json::array();
  for (const store::ApiToken& token : *tokens) items.push(token_view(token));
  co_return HttpResponse::json(200, items_text(std::move(items)));
}

asio::awaitable<HttpResponse> create(Context& c, HttpRequest& request, Caller& caller) {
  Form form(request.body);
  store::ApiToken token;
  token.name = form.line("name", {1, 60});
  if (form.error()) co_return bad_field(form);
  const std::string secret = tenant::make_secret("pat_");
  token.id = c.deps.mint();
  token.agent = caller.agent.id;
  token.token_hash = stored_hash(secret);
  token.created_ns = c.now_ns();
  auto work = [token](store::Sql& sql) -> Outcome<Done> {
    if (store::api_tokens::of_agent(sql, token.agent).size() >= kTokensMax) {
      return Refusal{409, "conflict", "You have fifty tokens already; delete one that is not used."};
    }
    store::api_tokens::insert(sql, token);
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  Json body = Json::object().set("id", std::to_string(token.id)).set("name", token.name).set("token", secret);
  HttpResponse response = HttpResponse::json(201, body.text());
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

asio::awaitable<HttpResponse> erase(Context& c, HttpRequest& request, Caller& caller) {
  struct TokenTag;
  const auto id = Id<TokenTag>::parse(request.params["id"]);
  if (!id) co_return Outcome<Done>(not_found()).problem();
  auto work = [agent = caller.agent.id, id = id->value](store::Sql& sql) -> Outcome<Done> {
    if (!store::api_tokens::erase(sql, agent, id)) return not_found();
    return Done{};
  };
  Outcome<Done> done = co_await c.deps.database.write(std::move(work));
  if (!done) co_return done.problem();
  co_return no_content();
}

}  // namespace

void add_token_routes(Routes& routes) {
  routes.signed_in("GET", "/api/v1/tokens", Right::kUseConsole, list);
  routes.signed_in("POST", "/api/v1/tokens", Right::kUseConsole, create);
  routes.signed_in("DELETE", "/api/v1/tokens/{id}", Right::kUseConsole, erase);
}

}  // namespace parley::net::api
