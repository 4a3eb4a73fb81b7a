#include "parley/net/server.hpp"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "listener.hpp"
#include "parley/obs/log.hpp"

namespace parley::net {
namespace {

/// server.web_root, or what an installation or a build tree has beside the program.
std::filesystem::path web_root(const config::Settings& settings) {
  if (!settings.server.web_root.empty()) return settings.server.web_root;
  std::error_code ec;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
  const std::filesystem::path beside = program / "web";
  const std::filesystem::path shared = program.parent_path() / "share" / "parley" / "web";
  return std::filesystem::is_directory(shared, ec) && !std::filesystem::is_directory(beside, ec) ? shared : beside;
}

HttpService public_service(const Router& router, const HttpLimits& limits, const ProxyTrust& trust,
                           const config::Settings& settings) {
  return HttpService{.kind = Kind::kHttp,
                     .router = router,
                     .limits = limits,
                     .trust = trust,
                     .public_url = settings.server.public_url};
}

}  // namespace

struct Server::Impl {
  /// Fires when what was asked to close has had its time.
  struct Cut final : WheelTimer {
    explicit Cut(ReactorNet& n) : net(n) {}
    void on_timer() override { net.shut_down(true); }
    ReactorNet& net;
  };
  struct PerReactor {
    PerReactor(Reactor& reactor, NetShared& shared, double handshakes_per_second)
        : home(reactor),
          net(reactor, shared),
          admission(handshakes_per_second, std::chrono::steady_clock::now()),
          cut(net) {}
    Reactor& home;
    ReactorNet net;
    Admission admission;
    Cut cut;
    std::unique_ptr<Listener> open;
    std::unique_ptr<Listener> ops;    // first reactor only
    std::unique_ptr<Listener> admin;  // first reactor only
  };

  Impl(const std::vector<Reactor*>& reactors, const config::Settings& s, obs::Registry& metrics,
       session::PeerAcceptor& acceptor, Routers routers, const HttpLimits& l)
      : settings(s),
        limits(l),
        shared(metrics),
        trust(s.server.trusted_proxies),
        pages(web_root(s)),
        open(public_service(routers.open, limits, trust, s)),
        ops{.kind = Kind::kOps, .router = routers.ops, .limits = limits, .trust = trust, .public_url = {}},
        admin{.kind = Kind::kAdmin, .router = routers.admin, .limits = limits, .trust = trust, .public_url = {}} {
    open.pages = &pages;
    open.page_key = &page_key;
    open.acceptor = &acceptor;
    open.net_of = &net_of;
    for (Reactor* reactor : reactors)
      per_reactor.push_back(std::make_unique<PerReactor>(*reactor, shared, s.session.handshakes_per_second));
    net_of = [this](Reactor& reactor) -> ReactorNet* {
      for (const auto& each : per_reactor) {
        if (&each->home == &reactor) return &each->net;
      }
      return nullptr;
    };
  }

  const config::Settings settings;
  const HttpLimits limits;
  NetShared shared;
  const ProxyTrust trust;
  const StaticFiles pages;
  PageKey page_key;
  NetOf net_of;
  HttpService open, ops, admin;
  std::vector<std::unique_ptr<PerReactor>> per_reactor;
  std::filesystem::path admin_path;
  std::uint16_t port = 0;
  std::uint16_t ops_port = 0;
};

Server::Server(std::vector<Reactor*> reactors, const config::Settings& settings, obs::Registry& metrics,
               session::PeerAcceptor& acceptor, Routers routers, const HttpLimits& limits)
    : impl_(std::make_unique<Impl>(reactors, settings, metrics, acceptor, routers, limits)) {}

Server::~Server() {
  if (!impl_->admin_path.empty()) ::unlink(impl_->admin_path.c_str());
}

void Server::set_page_key(PageKey key) { impl_->page_key = std::move(key); }
std::uint16_t Server::port() const noexcept { return impl_->port; }
std::uint16_t Server::ops_port() const noexcept { return impl_->ops_port; }
std::size_t Server::connections() const noexcept { return impl_->shared.open.load(std::memory_order_relaxed); }

void Server::start() {
  Impl& impl = *impl_;
  const config::Settings& settings = impl.settings;
  std::vector<UniqueFd> open =
      listen_tcp("server", settings.server.listen, settings.server.port, impl.per_reactor.size());
  std::vector<UniqueFd> ops = listen_tcp("ops", settings.ops.listen, settings.ops.port, 1);
  const std::filesystem::path admin_path = settings.store.folder / "admin.sock";
  UniqueFd admin = listen_unix(admin_path);
  impl.admin_path = admin_path;
  impl.port = port_of(open.front().get());
  impl.ops_port = port_of(ops.front().get());
  for (std::size_t i = 0; i < impl.per_reactor.size(); ++i) {
    Impl::PerReactor& each = *impl.per_reactor[i];
    each.open = std::make_unique<Listener>(each.net, std::move(open[i]), impl.open, &each.admission);
    if (i == 0) {
      each.ops = std::make_unique<Listener>(each.net, std::move(ops.front()), impl.ops, nullptr);
      each.admin = std::make_unique<Listener>(each.net, std::move(admin), impl.admin, nullptr);
    }
    each.home.post([&each] {
      each.net.poller().start();
      each.open->start();
      if (each.ops) each.ops->start();
      if (each.admin) each.admin->start();
    });
  }
  log::info("listening", "address={} port={} ops_address={} ops_port={} reactors={}", settings.server.listen, impl.port,
            settings.ops.listen, impl.ops_port, impl.per_reactor.size());
}

void Server::stop_accepting() {
  for (const auto& each : impl_->per_reactor) {
    each->home.post([here = each.get()] {
      if (here->open) here->open->stop();
      here->net.stop_keeping_alive();
    });
  }
}

void Server::close_all(std::chrono::milliseconds deadline) {
  for (const auto& each : impl_->per_reactor) {
    each->home.post([here = each.get(), deadline] {
      if (here->open) here->open->stop();
      if (here->ops) here->ops->stop();
      if (here->admin) here->admin->stop();
      here->net.shut_down(false);
      here->home.timers().arm(here->cut, deadline);
    });
  }
}

}  // namespace parley::net
