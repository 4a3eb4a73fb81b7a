#include "parley/session/service.hpp"

#include <cassert>

#include "parley/obs/log.hpp"
#include "shard.hpp"

namespace parley::session {
namespace {

class ServiceImpl final : public Service {
 public:
  explicit ServiceImpl(ServiceDeps deps) : shared_(std::move(deps)) {
    for (std::uint32_t i = 0; i < shared_.deps.reactors.size(); ++i) {
      shared_.shards.push_back(std::make_unique<Shard>(shared_, i, *shared_.deps.reactors[i]));
    }
    for (auto& shard : shared_.shards) {
      Shard* s = shard.get();
      s->reactor().post([s] { s->start_ticking(); });
    }
    obs::Registry& metrics = shared_.deps.metrics;
    metrics.gauge_callback("parley_session_live", "Live sessions, by role.", {{"role", "visitor"}}, [this] {
      double n = 0;
      for (auto& shard : shared_.shards) n += static_cast<double>(shard->visitors_live());
      return n;
    });
    metrics.gauge_callback("parley_session_live", "Live sessions, by role.", {{"role", "agent"}}, [this] {
      double n = 0;
      for (auto& shard : shared_.shards) n += static_cast<double>(shard->agents_live());
      return n;
    });
  }

  void on_peer(Peer& peer) override {
    for (auto& shard : shared_.shards) {
      if (&shard->reactor() == &peer.home()) return shard->accept(peer);
    }
    assert(false && "a peer of a foreign reactor");
  }

  void tenant_changed(TenantId tenant) override {
    each([tenant](Shard& shard) { shard.tenant_changed(tenant); });
  }
  bool online(TenantId tenant) const override { return shared_.online(tenant); }
  void revoke(AgentId agent) override {
    each([agent](Shard& shard) { shard.revoke(agent); });
  }
  void drain(std::chrono::milliseconds over) override {
    shared_.draining.store(true);
    each([over](Shard& shard) { shard.drain(over); });
  }
  void close_all() override {
    each([](Shard& shard) { shard.close_all(protocol::CloseCode::kDrain); });
  }
  std::size_t live_sessions() const override {
    std::size_t n = 0;
    for (const auto& shard : shared_.shards) n += shard->live();
    return n;
  }

 private:
  template <class Work>
  void each(Work work) {
    for (auto& shard : shared_.shards) {
      Shard* s = shard.get();
      s->reactor().post([s, work] { work(*s); });
    }
  }
  mutable Shared shared_;
};

}  // namespace

std::unique_ptr<Service> make_service(ServiceDeps deps) { return std::make_unique<ServiceImpl>(std::move(deps)); }

}  // namespace parley::session
