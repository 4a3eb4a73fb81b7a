#include "parley/net/api.hpp"

#include <algorithm>

#include "context.hpp"
#include "site_lookup.hpp"

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
  api::add_search_routes(routes);
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

boost::asio::awaitable<Result<std::optional<std::string>>> Api::page_key(std::string slug) {
  api::SiteName name{api::SiteName::Kind::kSlug, slug.empty() ? std::string("demo") : std::move(slug)};
  api::Outcome<api::SitePtr> site = co_await api::find_site(impl_->context, std::move(name));
  if (const Error* error = site.error()) co_return *error;
  if (!site || (*site)->tenant.disabled) co_return std::optional<std::string>();
  co_return std::optional<std::string>((*site)->channel.public_key);
}

}  // namespace parley::net
