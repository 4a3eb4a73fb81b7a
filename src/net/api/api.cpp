#include "parley/net/api.hpp"

#include <algorithm>

#include "context.hpp"
#include "parley/store/repositories.hpp"

namespace parley::net {

struct Api::Impl {
  explicit Impl(ApiDeps deps) : context(std::move(deps)) {}
  api::Context context;
  std::vector<std::string> routes, admin_routes;
};

Api::Api(ApiDeps deps) : impl_(std::make_unique<Impl>(std::move(deps))) {}
Api::~Api() = default;

void Api::register_routes(Router& open) {
  api::Routes routes(open, impl_->context, impl_->routes);
  api::add_widget_routes(routes);
  api::add_setup_routes(routes);
  api::add_session_routes(routes);
  api::add_people_routes(routes);
  api::add_site_routes(routes);
  api::add_word_routes(routes);
  api::add_token_routes(routes);
  api::add_conversation_routes(routes);
  api::add_tenant_routes(routes);
}

void Api::register_admin_routes(Router& admin) {
  api::Routes routes(admin, impl_->context, impl_->admin_routes);
  api::add_admin_routes(routes);
  api::add_move_routes(routes);
}

std::vector<std::string> Api::routes() const {
  std::vector<std::string> names = impl_->routes;
  std::ranges::sort(names);
  return names;
}

boost::asio::awaitable<std::optional<std::string>> Api::page_key(std::string slug) {
  auto work = [slug = slug.empty() ? std::string("demo")
                                   : slug](store::Sql& sql) -> api::Outcome<std::optional<std::string>> {
    const auto tenant = store::tenants::by_slug(sql, slug);
    if (!tenant || tenant->disabled) return std::optional<std::string>();
    std::vector<store::Channel> sites = store::channels::of_tenant(sql, tenant->id);
    std::erase_if(sites, [](const store::Channel& site) { return site.kind != "web"; });
    const auto oldest = std::ranges::min_element(sites, {}, &store::Channel::id);
    if (oldest == sites.end()) return std::optional<std::string>();
    return std::optional<std::string>(oldest->public_key);
  };
  api::Outcome<std::optional<std::string>> key = co_await impl_->context.deps.database.read(std::move(work));
  if (!key) co_return std::nullopt;
  co_return std::move(*key);
}

}  // namespace parley::net
