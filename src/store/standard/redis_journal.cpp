#include "redis_journal.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <thread>

#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"
#include "postgres/archive.hpp"
#include "redis/append_file.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

using namespace std::chrono_literals;
using Metas = std::vector<domain::ConversationMeta>;

constexpr auto kMarksEvery = 3s;
constexpr std::int64_t kReserveAheadMs = 3000;
// Each attempt to rewrite, even a failed one, begins one more file.
constexpr auto kLookAtFileEvery = 10s;
constexpr auto kRewriteEvery = 5min;
// A flush follows an append within 50 ms, under load within Turns::kPauseMax, unless there is a backlog.
constexpr auto kListPatience = 700ms, kListPause = 5ms;
// Longer than a conversation counts as young (JournalShared::is_young), since what is evicted may look like new.
constexpr std::int64_t kEvictAfterS = 3600;
constexpr std::size_t kEvictAtOnce = 256;  // a second
constexpr auto kClosePause = 2ms;
constexpr std::size_t kToldAtOnce = 32;  // conversations whose archived seq is told in one turn of a reactor

Error closed_error() { return Error(Errc::kOverloaded, "the store is closed"); }

/// Runs `task` on the reactor and waits for it; false if that takes too long, because the reactor has ended.
bool run_on(Reactor& reactor, std::chrono::steady_clock::time_point until, std::function<void()> task) {
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> finished = done->get_future();
  reactor.post([done, task = std::move(task)] {
    task();
    done->set_value();
  });
  return finished.wait_until(until) == std::future_status::ready;
}

}  // namespace

/// What one reactor does for all: renews the lease, reserves ids ahead, writes receipts, evicts, looks after the
/// append-only file.
class RedisJournal::Keeper final : public WheelTimer, public std::enable_shared_from_this<RedisJournal::Keeper> {
 public:
  Keeper(std::shared_ptr<JournalLane> lane, redis::Lease lease, Database& archive, PendingMarks& marks,
         std::function<void()> each_second)
      : lane_(std::move(lane)),
        lease_(std::move(lease)),
        archive_(archive),
        marks_(marks),
        each_second_(std::move(each_second)) {}

  void start() {
    marks_at_ = std::chrono::steady_clock::now() + kMarksEvery;
    arm();
  }
  void close() {
    closed_ = true;
    cancel();
  }
  Reactor& home() const noexcept { return lane_->home(); }
  bool idle() const noexcept { return running_ == 0; }
  void reserve(std::int64_t ms) {
    std::int64_t known = wanted_ms_.load(std::memory_order_relaxed);
    while (known < ms && !wanted_ms_.compare_exchange_weak(known, ms, std::memory_order_relaxed)) {
    }
  }
  /// On the lane's reactor: writes what waits now.
  void write_marks() {
    std::vector<Mark> marks = marks_.take();
    if (marks.empty()) return;
    spawn("receipts", write(std::move(marks)));
  }

 private:
  void arm() {
    lane_->home().timers().arm(*this, std::clamp<std::chrono::milliseconds>(lease_.time / 3, 50ms, 1000ms));
  }

  void on_timer() override {
    if (closed_) return;
    arm();
    const auto now = std::chrono::steady_clock::now();
    if (now >= second_at_) {
      second_at_ = now + 1s;
      each_second_();
      if (evicting_ == 0) spawn("eviction", evict());
    }
    if (running_ > 4) return;  // the answers are late; the client notices a dead connection by itself
    spawn("lease", renew());
    const std::int64_t wanted = wanted_ms_.load(std::memory_order_relaxed);
    if (wanted + kReserveAheadMs > reserved_ms_) spawn("ids", reserve_ahead(wanted + 2 * kReserveAheadMs));
    if (now >= marks_at_) {
      marks_at_ = now + kMarksEvery;
      write_marks();
    }
    if (now >= file_at_) {
      file_at_ = now + kLookAtFileEvery;
      spawn("append-only file", look_after_file());
    }
  }

  void spawn(const char* what, asio::awaitable<void> task) {
    ++running_;
    lane_->home().spawn(what, guarded(shared_from_this(), std::move(task)));
  }
  static asio::awaitable<void> guarded(std::shared_ptr<Keeper> self, asio::awaitable<void> task) {
    try {
      co_await std::move(task);
    } catch (const std::exception& error) {
      log::error("store_keeper_failed", "cause={}", log::quote(error.what()));
    }
    --self->running_;
  }

  asio::awaitable<void> renew() {
    Result<redis::Reply> reply = co_await lane_->call(redis::renew_command(lease_));
    if (!reply || closed_) co_return;
    Result<redis::Renewal> renewal = redis::renewal_of(*reply);
    if (!renewal) {
      lane_->shared().trouble("lease", renewal.error().detail);
      co_return;
    }
    lane_->shared().trouble("lease", "");
    if (*renewal == redis::Renewal::kHeld) co_return;
    if (!lane_->shared().lost())
      log::error("lease_lost", "cause={}", *renewal == redis::Renewal::kTaken ? "taken" : "forgotten");
    lane_->shared().lose(*renewal == redis::Renewal::kTaken
                             ? "fenced: another daemon holds the lease of this store; only one may run on it"
                             : "Redis came back without its data, older than what was already answered; restart the "
                               "daemon to repair");
  }

  asio::awaitable<void> reserve_ahead(std::int64_t ms) {
    redis::Command command{"HSET", lease_.prefix + ":meta", "snowflake_ms", std::to_string(ms)};
    Result<redis::Reply> reply = co_await lane_->call(std::move(command));
    if (reply && !reply->is_error()) reserved_ms_ = std::max(reserved_ms_, ms);
  }

  /// Appends go on though the file could not be rewritten after a start of Redis (redis/append_file.hpp); this tries
  /// again until it is.
  asio::awaitable<void> look_after_file() {
    Result<redis::Reply> info = co_await lane_->call(redis::append_file_query());
    if (!info || closed_) co_return;
    const std::optional<redis::AppendFile> file = redis::append_file_of(*info);
    if (!file) co_return;
    if (file->sound()) {
      if (!file_sound_) log::info("journal_file_rewritten", "prefix={}", log::quote(lease_.prefix));
      file_sound_ = true;
      co_return;
    }
    if (file->rewriting || file->scheduled) co_return;  // its end will show
    const auto now = std::chrono::steady_clock::now();
    if (file_sound_) {
      file_sound_ = false;
      rewrite_at_ = now + kRewriteEvery;
      log::warn("journal_file_not_rewritten",
                "remedy=\"the log of Redis says why it could not write its append-only file anew, for want of memory "
                "or space perhaps; until it has, a start of Redis may stop once and need a second one\"");
    }
    if (now < rewrite_at_) co_return;
    rewrite_at_ = now + kRewriteEvery;
    Result<redis::Reply> asked = co_await lane_->call(redis::append_file_rewrite());
    if (asked && asked->is_error()) log::warn("journal_file_not_rewritten", "cause={}", log::quote(asked->text));
  }

  /// Closed conversations leave Redis when the archive has all of them.
  asio::awaitable<void> evict() {
    ++evicting_;
    JournalShared& shared = lane_->shared();
    for (unsigned shard = 0; shard < shared.options.shards && !closed_ && !shared.lost(); ++shard) {
      Result<redis::Reply> reply = co_await lane_->call(
          redis::evict_command(shared.keys[shard], shared.fence, shared.index.archived_counter(shard),
                               wall_ns() / 1'000'000'000 - kEvictAfterS, kEvictAtOnce));
      if (!reply || reply->is_error()) break;
    }
    --evicting_;
  }

  asio::awaitable<void> write(std::vector<Mark> marks) {
    auto work = [marks = std::move(marks)](Sql& sql) -> Result<> {
      archive::save_marks(sql, marks);
      return {};
    };
    Result<> written = co_await archive_.write(std::move(work));
    if (!written) log::debug("receipts_dropped", "cause={}", log::quote(written.error().detail));
    marks_.written();
  }

  std::shared_ptr<JournalLane> lane_;
  const redis::Lease lease_;
  Database& archive_;
  PendingMarks& marks_;
  const std::function<void()> each_second_;
  std::chrono::steady_clock::time_point marks_at_{}, second_at_{}, file_at_{}, rewrite_at_{};
  std::atomic<std::int64_t> wanted_ms_{0};
  std::int64_t reserved_ms_ = 0;
  int running_ = 0, evicting_ = 0;
  bool closed_ = false, file_sound_ = true;
};

RedisJournal::RedisJournal(std::shared_ptr<JournalShared> shared, redis::Lease lease, Database& archive)
    : shared_(std::move(shared)), lease_(std::move(lease)), archive_(archive), reader_(shared_, archive) {}

RedisJournal::~RedisJournal() = default;

void RedisJournal::attach(const std::vector<Reactor*>& reactors, std::function<void()> each_second) {
  for (std::size_t i = 0; i < reactors.size(); ++i)
    lanes_.push_back(std::make_shared<JournalLane>(*reactors[i], shared_, archive_, static_cast<unsigned>(i)));
  if (lanes_.empty()) return;
  keeper_ = std::make_shared<Keeper>(lanes_[0], lease_, archive_, marks_, std::move(each_second));
  for (const auto& lane : lanes_) {
    lane->home().post([this, lane, keeper = lane == lanes_[0] ? keeper_ : nullptr] {
      lane->start(
          [this, at = lane.get()](TenantId tenant, ConversationId conv) { return reader_.refresh(*at, tenant, conv); });
      if (keeper) keeper->start();
    });
  }
}

void RedisJournal::close(std::chrono::milliseconds patience) {
  if (closed_.exchange(true)) return;
  const auto until = std::chrono::steady_clock::now() + patience;
  if (keeper_ && !run_on(keeper_->home(), until, [this] { keeper_->write_marks(); })) return;
  // First what was accepted, then what hangs on it.
  auto wait_for = [&](const std::function<bool(JournalLane&)>& reached, bool keeper) {
    for (const auto& lane : lanes_) {
      auto is_there = std::make_shared<std::atomic<bool>>(false);
      while (std::chrono::steady_clock::now() < until) {
        const bool ran = run_on(lane->home(), until, [this, lane, reached, is_there, keeper] {
          is_there->store(reached(*lane) && (!keeper || lane != lanes_[0] || keeper_->idle()));
        });
        if (!ran || is_there->load()) break;
        std::this_thread::sleep_for(kClosePause);
      }
    }
  };
  // At once instead of with the next tick; what Redis refuses waits for that.
  for (const auto& lane : lanes_)
    run_on(lane->home(), until, [lane] { lane->write_projections(lane->projections().dirty_count()); });
  wait_for([](JournalLane& lane) { return lane.idle(); }, true);
  for (const auto& lane : lanes_) {
    run_on(lane->home(), std::max(until, std::chrono::steady_clock::now() + 500ms), [this, lane] {
      if (lane == lanes_[0]) keeper_->close();
      lane->close();
    });
  }
  wait_for([](JournalLane& lane) { return lane.ended(); }, true);
}

std::uint64_t RedisJournal::reconnects() const {
  std::uint64_t sum = 0;
  for (const auto& lane : lanes_) sum += lane->reconnects();
  return sum;
}

void RedisJournal::reserve_snowflakes(std::int64_t ms) {
  if (keeper_) keeper_->reserve(ms);
}

namespace {
/// From `from` on, a few in a turn: each of them may be a frame to somebody.
void tell(std::shared_ptr<JournalLane> lane, std::shared_ptr<const RedisJournal::Heads> heads, std::size_t from) {
  Reactor& home = lane->home();
  home.post([lane = std::move(lane), heads = std::move(heads), from] {
    const std::size_t count = std::min(kToldAtOnce, heads->size() - from);
    lane->archived(std::span(*heads).subspan(from, count));
    if (from + count == heads->size()) return;
    lane->home().at_turn_end([lane, heads, next = from + count] { tell(lane, heads, next); });
  });
}
}  // namespace

void RedisJournal::on_archived(unsigned shard, std::uint64_t counter, Heads heads) {
  auto all = std::make_shared<const Heads>(std::move(heads));
  // Not on the flusher's own thread, which runs when nobody else wants the core: a reactor that needs the same stripe
  // of the index would wait for it.
  lanes_[shard % lanes_.size()]->home().post(
      [shared = shared_, shard, counter, all] { shared->index.archived(shard, counter, *all); });
  if (all->empty()) return;
  for (const auto& lane : lanes_) tell(lane, all, 0);
}

JournalLane* RedisJournal::lane() const {
  const Reactor* here = Reactor::current();
  for (const auto& lane : lanes_) {
    if (&lane->home() == here) return lane.get();
  }
  return nullptr;
}

bool RedisJournal::submit(std::vector<Append>&& batch, OnAppended done) {
  JournalLane* here = lane();
  assert(here && "submit() is called on a reactor that was attached");
  return here && here->submit(std::move(batch), std::move(done));
}

asio::awaitable<Result<std::optional<ConversationState>>> RedisJournal::load(ConversationId conv) {
  JournalLane* here = lane();
  if (!here) co_return closed_error();
  Result<std::optional<ConversationState>> state = co_await reader_.load(*here, conv);
  co_return state;
}

asio::awaitable<Result<std::optional<ConversationId>>> RedisJournal::find_by_visitor(ChannelId channel,
                                                                                     VisitorId visitor) {
  JournalLane* here = lane();
  if (!here) co_return closed_error();
  Result<std::optional<ConversationId>> found = co_await reader_.find_by_visitor(*here, channel, visitor);
  co_return found;
}

asio::awaitable<Result<Metas>> RedisJournal::open_conversations(TenantId tenant) {
  JournalLane* here = lane();
  if (!here) co_return closed_error();
  Result<Metas> metas = co_await reader_.open_conversations(*here, tenant);
  co_return metas;
}

asio::awaitable<Result<Journal::Page>> RedisJournal::read(ConversationId conv, Range range) {
  JournalLane* here = lane();
  if (!here) co_return closed_error();
  Result<Page> page = co_await reader_.read(*here, conv, range);
  co_return page;
}

asio::awaitable<void> RedisJournal::archive_catches_up(TenantId tenant) const {
  const unsigned shard = shard_of(tenant, shared_->options.shards);
  const std::uint64_t now = shared_->counter(shard);
  const auto until = std::chrono::steady_clock::now() + kListPatience;
  asio::steady_timer pause(Reactor::current()->context());
  while (shared_->index.archived_counter(shard) < now && std::chrono::steady_clock::now() < until) {
    pause.expires_after(kListPause);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<Result<Metas>> RedisJournal::closed_conversations(TenantId tenant, std::uint64_t before,
                                                                  unsigned limit) {
  co_await archive_catches_up(tenant);
  auto closed = [tenant, before, limit](Sql& sql) -> Result<Metas> {
    return archive::closed(sql, tenant, before, limit);
  };
  Result<Metas> metas = co_await archive_.read(std::move(closed));
  co_return metas;
}

asio::awaitable<Result<Metas>> RedisJournal::changed_conversations(TenantId tenant, std::uint64_t since,
                                                                   unsigned limit) {
  co_await archive_catches_up(tenant);
  auto changed = [tenant, since, limit](Sql& sql) -> Result<Metas> {
    return archive::changed(sql, tenant, since, limit);
  };
  Result<Metas> metas = co_await archive_.read(std::move(changed));
  co_return metas;
}

asio::awaitable<Result<std::vector<Journal::Mark>>> RedisJournal::load_marks(ConversationId conv) {
  Result<std::vector<Mark>> marks =
      co_await archive_.read([conv](Sql& sql) -> Result<std::vector<Mark>> { return archive::marks(sql, conv); });
  if (!marks) marks = std::vector<Mark>();  // receipts are not worth a refusal
  marks_.merge(conv, *marks);
  co_return marks;
}

void RedisJournal::on_stable(OnStable handler) {
  if (JournalLane* here = lane()) here->on_stable(std::move(handler));
}

std::uint64_t RedisJournal::stable(ConversationId conv, std::uint64_t head) const {
  const std::optional<std::uint64_t> first = shared_->index.first(conv);
  return first ? std::min(head, *first - 1) : head;
}

Journal::Health RedisJournal::health() const {
  Health health;
  health.reason = shared_->reason();
  health.ok = health.reason.empty();
  health.queued = shared_->queued.load(std::memory_order_relaxed);
  health.lost = shared_->lost();
  return health;
}

}  // namespace parley::store::standard
