#include "lane.hpp"

#include <algorithm>

#include "parley/obs/log.hpp"

namespace parley::store::standard {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kProjectionsKept = 20'000;
constexpr auto kTick = 100ms;
// A changed conversation waits for about as many ticks; what changes in between is written once.
constexpr unsigned kTicksPerProjection = 16;
constexpr std::size_t kProjectionsPerTickMin = 32;
constexpr unsigned kTicksPerProbe = 10;

}  // namespace

struct JournalLane::Tick final : WheelTimer {
  explicit Tick(JournalLane& l) : lane(l) {}
  void on_timer() override { lane.tick(); }
  JournalLane& lane;
};

JournalLane::JournalLane(Reactor& home, std::shared_ptr<JournalShared> shared, Database& archive, unsigned number)
    : ReactorBound(home),
      shared_(std::move(shared)),
      archive_(archive),
      name_("lane-" + std::to_string(number)),
      shards_(shared_->options.shards),
      projections_(kProjectionsKept) {}

JournalLane::~JournalLane() = default;

void JournalLane::start(Refresh refresh) {
  check_home();
  refresh_ = std::move(refresh);
  redis::Client::Options options;
  options.endpoint = shared_->endpoint;
  options.queue_bytes_max = 256u << 20;  // two batches per shard, far below it
  options.guard_file = true;             // also for reads_: restore() and others write
  appends_ = std::make_unique<redis::Client>(home(), options);
  reads_ = std::make_unique<redis::Client>(home(), options);
  appends_->on_change([this](bool connected, const std::string& reason) { changed(connected, reason); });
  tick_ = std::make_unique<Tick>(*this);
  home().timers().arm(*tick_, kTick);
  started_ = true;
}

void JournalLane::close() {
  check_home();
  if (closed_) return;
  closed_ = true;
  tick_.reset();
  if (!started_) return;
  appends_->close();
  reads_->close();
  appends_.reset();
  reads_.reset();
  ready_ = Ready();
  for (Shard& shard : shards_) shard = Shard();
  queued_items_ = 0;
  tell_queued();
}

void JournalLane::tick() {
  home().timers().arm(*tick_, kTick);
  ++ticks_;
  reconnects_.store(appends_->stats().reconnects, std::memory_order_relaxed);
  if (shared_->lost() || is_away()) refuse_waiting(Code::kJournalDown);
  for (unsigned shard = 0; shard < shards_.size(); ++shard) repair_if_quiet(shard);
  pump_all();
  write_projections(std::max(kProjectionsPerTickMin, projections_.dirty_count() / kTicksPerProjection));
  if (troubled_ && ticks_ % kTicksPerProbe == 0) probe();
}

/// Without traffic nobody else would notice that Redis takes writes again.
void JournalLane::probe() {
  if (probing_) return;
  redis::Command command{"HSET", shared_->options.redis_prefix + ":meta", "probe", "1"};
  auto done = [this](Result<redis::Reply> reply) {
    probing_ = false;
    if (!closed_ && reply && !reply->is_error()) trouble("");
  };
  probing_ = appends_->send(std::move(command), redis::OnLoss::kFail, std::move(done));
}

void JournalLane::trouble(const std::string& what) {
  if (what.empty() && !troubled_) return;
  if (!troubled_) log::warn("journal_refused", "lane={} cause={}", name_, log::quote(what));
  troubled_ = !what.empty();
  shared_->trouble(name_, what);
}

void JournalLane::changed(bool connected, const std::string& reason) {
  if (closed_) return;
  shared_->trouble(name_ + " connection", connected ? "" : "no connection to Redis: " + reason);
  if (!connected) {
    log::warn("redis_not_connected", "lane={} cause={}", name_, log::quote(reason));
    return;
  }
  log::info("redis_connected", "lane={}", name_);
  ++connection_;
  pump_all();
}

void JournalLane::run(const char* what, asio::awaitable<void> task) {
  ++tasks_;
  home().spawn(what, guarded(shared_from_this(), std::move(task)));
}

asio::awaitable<void> JournalLane::guarded(std::shared_ptr<JournalLane> self, asio::awaitable<void> task) {
  try {
    co_await std::move(task);
  } catch (...) {
    --self->tasks_;
    throw;
  }
  --self->tasks_;
}

std::uint64_t JournalLane::reconnects() const noexcept { return reconnects_.load(std::memory_order_relaxed); }

}  // namespace parley::store::standard
