#include "credentials.hpp"
#include "parley/net/api.hpp"

namespace parley::net {
namespace {

class StoredIdentities final : public session::IdentitySource {
 public:
  StoredIdentities(store::Database& database, std::function<std::int64_t()> now_ns)
      : database_(database), now_ns_(std::move(now_ns)) {}

  boost::asio::awaitable<Result<session::AgentIdentity>> by_cookie(std::string cookie) override {
    auto look = [cookie = std::move(cookie), now = now_ns_()](store::Sql& sql) {
      return api::caller_by_cookie(sql, cookie, now);
    };
    api::Outcome<api::Caller> caller = co_await database_.read(std::move(look));
    co_return identity_of(caller);
  }
  boost::asio::awaitable<Result<session::AgentIdentity>> by_bearer(std::string token) override {
    auto look = [token = std::move(token), now = now_ns_()](store::Sql& sql) {
      return api::caller_by_bearer(sql, token, now);
    };
    api::Outcome<api::Caller> caller = co_await database_.read(std::move(look));
    if (caller && caller->touch_due) {
      auto note = [caller = *caller, now = now_ns_()](store::Sql& sql) -> api::Outcome<api::Done> {
        api::touch(sql, caller, now);
        return api::Done{};
      };
      // Its failure changes only what the list of tokens shows.
      [[maybe_unused]] const api::Outcome<api::Done> noted = co_await database_.write(std::move(note));
    }
    co_return identity_of(caller);
  }

 private:
  static Result<session::AgentIdentity> identity_of(api::Outcome<api::Caller>& caller) {
    if (caller) {
      session::AgentIdentity identity;
      identity.tenant = caller->tenant.id;
      identity.agent = caller->agent.id;
      identity.name = caller->agent.display_name;
      identity.role = caller->agent.role;
      return identity;
    }
    if (const api::Refusal* refusal = caller.refusal()) return Error(Errc::kForbidden, refusal->detail);
    return *caller.error();
  }
  store::Database& database_;
  std::function<std::int64_t()> now_ns_;
};

}  // namespace

std::unique_ptr<session::IdentitySource> make_identity_source(store::Database& database,
                                                              std::function<std::int64_t()> now_ns) {
  return std::make_unique<StoredIdentities>(database, std::move(now_ns));
}

}  // namespace parley::net
