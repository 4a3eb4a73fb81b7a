#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parley/base/clock.hpp"
#include "parley/base/ids.hpp"
#include "parley/base/worker.hpp"
#include "parley/config/settings.hpp"
#include "parley/net/http.hpp"
#include "parley/net/secret_files.hpp"
#include "parley/obs/metrics.hpp"
#include "parley/session/identity.hpp"
#include "parley/store/database.hpp"
#include "parley/store/journal.hpp"
#include "parley/store/movable.hpp"
#include "parley/store/search.hpp"
#include "parley/tenant/tokens.hpp"

namespace parley::net {

struct ApiDeps {
  store::Database& database;
  store::Journal& journal;
  const tenant::TokenSigner& signer;
  Worker& cpu;  ///< hashes passwords and compiles word lists: 1 or 2 threads, a queue of 64 (full: 503)
  SetupCode& setup_code;
  const config::Settings& settings;
  obs::Registry& metrics;
  std::function<std::uint64_t()> mint;  ///< a new snowflake; called on the reactor of the request
  std::function<void(TenantId)>
      on_tenant_changed;                           ///< profile, agents, sites or word lists were changed and are stored
  std::function<bool(TenantId)> online;            ///< is an agent there for visitors
  std::function<void(AgentId)> revoke;             ///< the agent's live sessions must end
  std::function<std::int64_t()> now_ns = wall_ns;  ///< wall clock; tests set it
  store::Movable* movable = nullptr;               ///< null: the store cannot be moved
  store::MessageSearch* search = nullptr;          ///< null: there is no search index
  std::function<void()> stop{};                    ///< begins the orderly end of the daemon; any thread
};

/// The REST interface of docs/openapi.yaml under /api/v1, and the one of the command line on data/admin.sock.
/// Threads: constructed and registered before the reactors start; handlers run on any reactor. Outlives the routers'
/// use.
class Api {
 public:
  explicit Api(ApiDeps deps);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void register_routes(Router& open);
  /// Only requests with `admin_socket` are answered: whoever can open that socket owns the installation.
  void register_admin_routes(Router& admin);
  /// "GET /api/v1/agents" …, sorted: what register_routes() added, for the check against docs/openapi.yaml.
  std::vector<std::string> routes() const;

  /// Public key of the site shown at /chat/<slug> (the oldest web site of an enabled tenant), and at /demo for an empty
  /// slug. Errors: kUnavailable, kOverloaded.
  boost::asio::awaitable<Result<std::optional<std::string>>> page_key(std::string slug);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads the database at each question: a role or a sign-out counts at once.
std::unique_ptr<session::IdentitySource> make_identity_source(store::Database& database,
                                                              std::function<std::int64_t()> now_ns = wall_ns);

}  // namespace parley::net
