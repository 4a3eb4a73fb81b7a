#include "daemon.hpp"

#include <fmt/core.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "parley/base/clock.hpp"
#include "parley/base/snowflake.hpp"
#include "parley/net/api.hpp"
#include "parley/net/secret_files.hpp"
#include "parley/net/server.hpp"
#include "parley/obs/log.hpp"
#include "parley/obs/metrics.hpp"
#include "parley/session/service.hpp"
#include "parley/store/repositories.hpp"
#include "parley/store/search.hpp"
#include "parley/store/sqlite_store.hpp"
#include "parley/store/standard_store.hpp"
#include "parley/tenant/tokens.hpp"

namespace parley::app {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kReactorsMax = 14;  // 4 bits of an id name the thread; the last number is for REST
constexpr unsigned kRestGenerator = 15;
constexpr milliseconds kCloseDeadline{5000};
constexpr int kLostStoreExit = 3;  // a supervisor may start us again

log::Level level_of(std::string_view name) {
  constexpr std::pair<std::string_view, log::Level> levels[] = {
      {"trace", log::Level::kTrace}, {"debug", log::Level::kDebug}, {"info", log::Level::kInfo},
      {"warn", log::Level::kWarn},   {"error", log::Level::kError}, {"off", log::Level::kOff}};
  for (const auto& [known, level] : levels) {
    if (known == name) return level;
  }
  return log::Level::kInfo;
}

/// Ids for what REST makes; not on the message path, so a lock is no harm.
class RestIds {
 public:
  RestIds(std::int64_t floor_ms, store::Store& store) : flakes_(0, kRestGenerator, floor_ms), store_(store) {}
  std::uint64_t mint() {
    std::lock_guard lock(mutex_);
    const std::uint64_t id = flakes_.next(wall_ns());
    store_.reserve_snowflakes(flakes_.last_ms());
    return id;
  }

 private:
  std::mutex mutex_;
  Snowflake flakes_;
  store::Store& store_;
};

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/// Signals that end the daemon are taken by the main thread only; every other thread inherits the mask.
sigset_t take_signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

/// Waits until `done`, `limit`, or another signal; false for the latter.
template <class Done>
bool wait_until(Done done, milliseconds limit, const sigset_t& signals) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done() && std::chrono::steady_clock::now() < end) {
    const timespec slice{0, 2'000'000};
    const int signal = sigtimedwait(&signals, nullptr, &slice);
    if (signal == SIGTERM || signal == SIGINT) return false;
  }
  return true;
}

class Daemon {
 public:
  explicit Daemon(const config::Settings& settings)
      : settings_(settings),
        store_(open_store(settings)),
        signer_(net::load_master_key(settings.store.folder)),
        setup_code_(settings.store.folder),
        ids_(store_->snowflake_floor_ms(), *store_),
        cpu_("parley-cpu", 2, 64),
        identities_(net::make_identity_source(store_->database())) {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const unsigned n = std::clamp(settings.server.reactors ? settings.server.reactors : cores, 1u, kReactorsMax);
    for (unsigned i = 0; i < n; ++i) {
      reactors_.push_back(std::make_unique<Reactor>("reactor-" + std::to_string(i)));
      reactors_.back()->on_escape([](const char* what, std::exception_ptr error) {
        try {
          std::rethrow_exception(error);
        } catch (const std::exception& e) {
          log::error("task_failed", "task={} cause={}", log::quote(what), log::quote(e.what()));
        }
      });
      pointers_.push_back(reactors_.back().get());
    }
    store_->attach(pointers_);
    service_ = session::make_service(session::ServiceDeps{
        pointers_, store_->journal(), store_->database(), signer_, *identities_, cpu_, settings_, metrics_,
        store_->snowflake_floor_ms(), [this](std::int64_t ms) { store_->reserve_snowflakes(ms); }});
    net::ApiDeps deps{store_->database(),
                      store_->journal(),
                      signer_,
                      cpu_,
                      setup_code_,
                      settings_,
                      metrics_,
                      [this] { return ids_.mint(); },
                      [this](TenantId tenant) { service_->tenant_changed(tenant); },
                      [this](TenantId tenant) { return service_->online(tenant); },
                      [this](AgentId agent) { service_->revoke(agent); }};
    deps.movable = store_->movable();
    deps.search = store_->search();
    deps.stop = [] { ::kill(::getpid(), SIGTERM); };
    api_ = std::make_unique<net::Api>(std::move(deps));
    api_->register_routes(open_);
    api_->register_admin_routes(admin_);
    register_pages();
    register_ops();
    register_metrics();
    server_ = std::make_unique<net::Server>(pointers_, settings_, metrics_, *service_,
                                            net::Server::Routers{open_, ops_, admin_});
    server_->set_page_key([this](std::string slug) { return api_->page_key(std::move(slug)); });
  }

  /// Reactors first: what still waits in them uses everything else.
  ~Daemon() { stop_reactors(); }

  void start() {
    server_->start();
    for (auto& reactor : reactors_) reactor->start();
    reactors_.front()->post([this] { reactors_.front()->spawn("first run", first_run()); });
    const std::string shown = settings_.server.public_url.empty()
                                  ? fmt::format("http://{}:{}", settings_.server.listen, server_->port())
                                  : settings_.server.public_url;
    log::info("started", "version={} url={} ops=http://{}:{} reactors={} data={}", PARLEY_VERSION, shown,
              settings_.ops.listen, server_->ops_port(), reactors_.size(), log::quote(settings_.store.folder.string()));
  }

  /// Why this process may not use its store any more, if so.
  std::optional<std::string> lost_store() const {
    const store::Journal::Health health = store_->journal().health();
    return health.lost ? std::optional(health.reason) : std::nullopt;
  }

  void stop(const sigset_t& signals) {
    draining_.store(true);
    log::info("draining", "sessions={} over_ms={}", service_->live_sessions(), settings_.server.drain.count());
    server_->stop_accepting();
    service_->drain(settings_.server.drain);
    const bool patient = wait_until([this] { return service_->live_sessions() == 0; }, settings_.server.drain, signals);
    service_->close_all();
    if (patient) wait_until([this] { return service_->live_sessions() == 0; }, kCloseDeadline, signals);
    server_->close_all(patient ? kCloseDeadline : milliseconds(0));
    wait_until([this] { return server_->connections() == 0; }, kCloseDeadline, signals);
    store_->drain();
    stop_reactors();
    cpu_.stop();
    store_->stop();
    log::info("stopped", "clean={}", patient);
    log::flush();
  }

 private:
  /// A folder that is locked, unreadable or of a newer version can never work: like wrong configuration, it ends the
  /// start with exit code 2.
  static std::unique_ptr<store::Store> open_store(const config::Settings& settings) {
    try {
      return settings.store.standard() ? open_standard(settings) : open_embedded(settings);
    } catch (const std::runtime_error& e) {
      throw config::ConfigError(e.what());
    }
  }
  static std::unique_ptr<store::Store> open_embedded(const config::Settings& settings) {
    store::SqliteOptions options;
    options.folder = settings.store.folder;
    options.readers = settings.store.readers;
    return store::open_sqlite_store(options);
  }
  static std::unique_ptr<store::Store> open_standard(const config::Settings& settings) {
    store::StandardOptions options;
    options.folder = settings.store.folder;
    options.readers = settings.store.readers;
    options.redis_url = settings.redis.url;
    options.redis_prefix = settings.redis.prefix;
    options.shards = settings.redis.shards;
    options.backlog_bytes_max = settings.redis.backlog_bytes_max;
    options.lease = settings.redis.lease;
    options.postgres = settings.postgres.url;
    options.search = settings.postgres.search;
    return store::open_standard_store(options);
  }

  void stop_reactors() {
    for (auto& reactor : reactors_) reactor->stop();
    for (auto& reactor : reactors_) reactor->join();
  }

  asio::awaitable<void> first_run() {
    auto any = [](store::Sql& sql) -> Result<bool> { return store::tenants::any(sql); };
    Result<bool> known = co_await store_->database().read(any);
    if (!known || *known) co_return;
    const std::string code = setup_code_.ensure();
    // Whoever starts us may make a tenant at once (deploy/up makes the demo); then nobody needs the code.
    asio::steady_timer patience(reactors_.front()->context(), std::chrono::seconds(2));
    co_await patience.async_wait(asio::use_awaitable);
    Result<bool> made = co_await store_->database().read(any);
    if (made && *made) co_return;
    fmt::print("First run: open /console/ and enter the set-up code {} (also kept in {})\n", code,
               setup_code_.file().string());
    std::fflush(stdout);
  }

  void register_pages() {
    open_.add("GET", "/", [](net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
      net::HttpResponse response;
      response.status = 302;
      response.headers.emplace_back("Location", "/console/");
      co_return response;
    });
  }

  void register_ops() {
    ops_.add("GET", "/healthz", [](net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
      co_return net::HttpResponse::json(200, R"({"status":"ok"})");
    });
    ops_.add("GET", "/readyz", [this](net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
      nlohmann::json reasons = nlohmann::json::array();
      if (draining_.load()) reasons.push_back("draining: the daemon is about to stop");
      const store::Journal::Health health = store_->journal().health();
      if (!health.ok) reasons.push_back("journal: " + health.reason);
      const bool ready = reasons.empty();
      nlohmann::json body{{"status", ready ? "ready" : "not ready"}, {"reasons", reasons}};
      co_return net::HttpResponse::json(ready ? 200 : 503, body.dump());
    });
    ops_.add("GET", "/metrics", [this](net::HttpRequest&) -> asio::awaitable<net::HttpResponse> {
      net::HttpResponse response;
      response.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      response.body = metrics_.scrape();
      co_return response;
    });
  }

  void register_metrics() {
    metrics_.gauge("parley_build_info", "Always 1; the version is a label.", {{"version", PARLEY_VERSION}}).set(1);
    struct ReactorGauges {
      Reactor& reactor;
      obs::Gauge& busy;
      obs::Gauge& depth;
      obs::Gauge& refused;
    };
    auto gauges = std::make_shared<std::vector<ReactorGauges>>();
    for (auto& reactor : reactors_) {
      const obs::Labels labels{{"reactor", reactor->name()}};
      gauges->push_back(
          {*reactor,
           metrics_.gauge("parley_reactor_busy_seconds", "Time a reactor spent handling, since the start.", labels),
           metrics_.gauge("parley_reactor_mailbox_depth", "Tasks from other threads that wait for a reactor.", labels),
           metrics_.gauge("parley_reactor_refused_posts", "Hops refused because the way was full, since the start.",
                          labels)});
    }
    metrics_.gauge_family(
        "parley_reactor_loop_lag_seconds",
        "Longest turn of a reactor's loop since the last scrape: how long anything may have waited for it.", [gauges] {
          std::vector<std::pair<obs::Labels, double>> values;
          for (ReactorGauges& g : *gauges) {
            const Reactor::Load load = g.reactor.take_load();
            values.push_back({{{"reactor", g.reactor.name()}}, static_cast<double>(load.longest_turn_ns) / 1e9});
            g.busy.set(static_cast<double>(load.busy_ns) / 1e9);
            g.depth.set(static_cast<double>(load.mailbox_depth));
            g.refused.set(static_cast<double>(load.refused_posts));
          }
          return values;
        });
    metrics_.gauge_callback("parley_journal_queue_depth", "Appends that wait for the journal's writer.", {},
                            [this] { return static_cast<double>(store_->stats().queued); });
    metrics_.gauge_callback("parley_journal_commits", "Group commits since the start.", {},
                            [this] { return static_cast<double>(store_->stats().commits); });
    metrics_.gauge_callback("parley_journal_items", "Entries and results committed since the start.", {},
                            [this] { return static_cast<double>(store_->stats().items); });
    metrics_.gauge_callback("parley_journal_failed_commits", "Group commits that failed since the start.", {},
                            [this] { return static_cast<double>(store_->stats().failed_commits); });
    metrics_.gauge_callback("parley_journal_commit_seconds_sum", "Time spent in group commits since the start.", {},
                            [this] { return static_cast<double>(store_->stats().commit_ns_sum) / 1e9; });
    metrics_.gauge_callback("parley_journal_wal_bytes", "Size of the write-ahead log.", {},
                            [this] { return static_cast<double>(store_->stats().wal_bytes); });
    metrics_.gauge_callback("parley_search_lag_seconds", "Age of the oldest entry that search does not find yet.", {},
                            [this] { return store_->stats().search_lag_seconds; });
    if (settings_.store.standard()) register_archive_metrics();
    metrics_.gauge_callback("parley_cpu_queue_depth", "Jobs that wait for the pool of password hashing and word lists.",
                            {}, [this] { return static_cast<double>(cpu_.depth()); });
  }

  void register_archive_metrics() {
    const auto gauge = [this](const char* name, const char* help, auto member) {
      metrics_.gauge_callback(name, help, {}, [this, member] { return static_cast<double>(store_->stats().*member); });
    };
    using Stats = store::Store::Stats;
    gauge("parley_archive_backlog_items", "Journal entries that are not in PostgreSQL yet.", &Stats::backlog_items);
    gauge("parley_archive_backlog_bytes", "Memory that they take in Redis.", &Stats::backlog_bytes);
    gauge("parley_archive_flush_lag_seconds", "Age of the oldest of them.", &Stats::flush_lag_seconds);
    gauge("parley_archive_flushed_items", "Entries written to PostgreSQL since the start.", &Stats::flushed_items);
    gauge("parley_archive_flush_failures", "Flushes that failed and were tried again, since the start.",
          &Stats::flush_failures);
    gauge("parley_archive_dead_letters", "Entries that PostgreSQL refused; see parley dead-letters.",
          &Stats::dead_letters);
    gauge("parley_redis_reconnects", "Connections to Redis made anew since the start.", &Stats::redis_reconnects);
  }

  const config::Settings settings_;
  obs::Registry metrics_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<store::Store> store_;
  tenant::TokenSigner signer_;
  net::SetupCode setup_code_;
  RestIds ids_;
  Worker cpu_;
  std::unique_ptr<session::IdentitySource> identities_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::vector<Reactor*> pointers_;
  std::unique_ptr<session::Service> service_;
  net::Router open_, ops_, admin_;
  std::unique_ptr<net::Api> api_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace

int run_daemon(const config::Settings& settings) {
  const sigset_t signals = take_signals();  // first: the log has a thread too
  log::configure({level_of(settings.log.level), settings.log.format == "json", settings.log.file});
  raise_file_limit();
  Daemon daemon(settings);
  daemon.start();
  constexpr timespec kLook{1, 0};
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &kLook);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (const std::optional<std::string> why = daemon.lost_store()) {
      log::error("store_lost", "reason={}", log::quote(*why));
      daemon.stop(signals);
      return kLostStoreExit;
    }
  }
  daemon.stop(signals);
  return 0;
}

}  // namespace parley::app
