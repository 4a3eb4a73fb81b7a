#include "search_index.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "bigrams.hpp"
#include "parley/base/background.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"
#include "search_file.hpp"
#include "searchable_log.hpp"
#include "sql_error.hpp"

namespace parley::store {

struct SearchIndex::Files {
  SearchFile& index;
  SearchableLog& log;
};

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::vector<std::int32_t> tokens_in(TenantId tenant, const std::optional<std::string>& text) {
  return text ? tokens_of(tenant, fold_text(*text).text) : std::vector<std::int32_t>();
}

class Candidates final : public SearchSource {
 public:
  Candidates(SearchIndex::Files& files, const SearchQuery& query) : files_(files), query_(query) {}
  std::vector<SearchCandidate> candidates(const std::vector<std::int32_t>& tokens, std::uint64_t before,
                                          std::size_t limit) override {
    std::vector<SearchCandidate> found;
    for (const std::uint64_t pos : files_.index.find(tokens, before, limit))
      found.push_back(files_.log.candidate(pos, query_));
    return found;
  }

 private:
  SearchIndex::Files& files_;
  const SearchQuery& query_;
};

}  // namespace

struct SearchIndex::Impl {
  explicit Impl(SearchIndexOptions o) : options(std::move(o)) {}

  using Calls = std::deque<std::unique_ptr<Call<Files>>>;
  struct Round {
    Calls calls;
    std::uint64_t sync = 0;
    bool nudged = false;
  };
  void loop();
  std::optional<Round> next(Clock::time_point due);
  void answer(Call<Files>& call);
  std::chrono::milliseconds turn(std::uint64_t sync);
  void open();
  bool index_rows();
  void note_failure(const SqlError& error);
  void set_trouble(const std::string& why);

  const SearchIndexOptions options;
  std::thread thread;
  std::atomic<std::int64_t> oldest_ns{0};  // of what is not indexed; 0: nothing

  // Its own thread only.
  std::optional<SearchFile> index;
  std::optional<SearchableLog> log;
  SearchFile::Progress progress;
  std::chrono::milliseconds retry{0};

  mutable std::mutex mutex;  // leaf lock: guards all below
  std::condition_variable wake, synced;
  Calls calls;
  std::string down;
  std::uint64_t sync_wanted = 0, sync_done = 0;
  bool nudged = false, stopping = false;
};

void SearchIndex::Impl::set_trouble(const std::string& why) {
  std::string before;
  {
    std::lock_guard lock(mutex);
    before = std::exchange(down, why);
  }
  if (before.empty() && !why.empty()) log::warn("search_waits", "reason={}", log::quote(why));
  if (!before.empty() && why.empty()) log::info("search_goes_on", "index={}", log::quote(options.index.string()));
}

/// Searches come before the next look at the journal, but cannot keep it from coming.
void SearchIndex::Impl::loop() {
  ::pthread_setname_np(::pthread_self(), "store-search");
  run_in_background();
  Clock::time_point due = Clock::now();
  while (std::optional<Round> round = next(due)) {
    for (const auto& call : round->calls) answer(*call);
    if (round->nudged || Clock::now() >= due) due = Clock::now() + turn(round->sync);
  }
  Calls left;
  {
    std::lock_guard lock(mutex);
    left.swap(calls);
  }
  for (const auto& call : left) call->fail(Error(Errc::kClosed, "the store is closing"));
}

/// What is to be done now; nothing: this is stopping.
std::optional<SearchIndex::Impl::Round> SearchIndex::Impl::next(Clock::time_point due) {
  std::unique_lock lock(mutex);
  wake.wait_until(lock, due, [&] { return stopping || nudged || !calls.empty(); });
  if (stopping) return std::nullopt;
  Round round;
  round.calls.swap(calls);
  round.sync = sync_wanted;
  round.nudged = std::exchange(nudged, false);
  return round;
}

void SearchIndex::Impl::answer(Call<Files>& call) {
  try {
    open();
    Files files{*index, *log};
    call.run(files);
  } catch (const SqlError& error) {
    call.fail(error_of(error));
    note_failure(error);
  } catch (const std::exception& error) {
    call.fail(Error(Errc::kInternal, error.what()));
  }
}

/// Returns how long to wait until the next one.
std::chrono::milliseconds SearchIndex::Impl::turn(std::uint64_t sync) {
  try {
    const bool more = index_rows();
    retry = 0ms;
    set_trouble({});
    if (more) return 0ms;
  } catch (const SqlError& error) {
    note_failure(error);
    retry = std::clamp(retry * 2, options.retry_min, options.retry_max);
    return retry;
  }
  std::lock_guard lock(mutex);
  sync_done = sync;
  synced.notify_all();
  return options.idle_wait;
}

/// Both files are opened anew, and an index that cannot be used is left behind.
void SearchIndex::Impl::note_failure(const SqlError& error) {
  set_trouble(error.what());
  log.reset();
  index.reset();
  if (error.kind == SqlError::Kind::kCorrupt) SearchFile::erase(options.index);
}

void SearchIndex::Impl::open() {
  if (log && index) return;
  log.emplace(options.log, options.log_options);
  index.emplace(options.index);
  progress = index->progress();
  if (progress.pos != 0 && log->id_at(progress.pos) != progress.id)
    throw SqlError(SqlError::Kind::kCorrupt, "the search index belongs to another journal; it is made anew");
}

/// Indexes what comes next; true if there is more.
bool SearchIndex::Impl::index_rows() {
  open();
  log->begin();
  const SearchableLog::Rows rows = log->after(progress.pos);
  log->end();
  oldest_ns.store(rows.more ? rows.last_ts_ns : 0, std::memory_order_relaxed);
  if (rows.last_pos == 0) return false;
  index->begin();
  for (const SearchableLog::Change& change : rows.changes) {
    if (const auto tokens = tokens_in(change.tenant, change.gone); !tokens.empty()) index->remove(change.pos, tokens);
    if (const auto tokens = tokens_in(change.tenant, change.come); !tokens.empty()) index->add(change.pos, tokens);
  }
  const SearchFile::Progress reached{rows.last_pos, rows.last_id};
  index->commit(reached);
  progress = reached;
  return rows.more;
}

SearchIndex::SearchIndex(SearchIndexOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
SearchIndex::~SearchIndex() { stop(); }

void SearchIndex::start() {
  impl_->thread = std::thread([impl = impl_.get()] { impl->loop(); });
}

void SearchIndex::stop() {
  if (!impl_->thread.joinable()) return;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

bool SearchIndex::enqueue(std::unique_ptr<Call<Files>> search) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->calls.size() >= impl_->options.queue_max) return false;
    impl_->calls.push_back(std::move(search));
  }
  impl_->wake.notify_all();
  return true;
}

boost::asio::awaitable<Result<SearchPage>> SearchIndex::find(SearchQuery query) {
  using R = Result<SearchPage>;
  auto work = [query = std::move(query)](Files& files) -> R {
    Candidates candidates(files, query);
    return search_page(candidates, query);
  };
  return call_on<R, Files>(*this, std::move(work));
}

double SearchIndex::lag_seconds() const {
  const std::int64_t oldest = impl_->oldest_ns.load(std::memory_order_relaxed);
  return oldest == 0 ? 0 : std::max(0.0, static_cast<double>(wall_ns() - oldest) * 1e-9);
}

std::string SearchIndex::trouble() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->down;
}

bool SearchIndex::request_sync(std::chrono::milliseconds patience) {
  std::unique_lock lock(impl_->mutex);
  const std::uint64_t mine = ++impl_->sync_wanted;
  impl_->nudged = true;
  impl_->wake.notify_all();
  return impl_->synced.wait_for(lock, patience, [&] { return impl_->sync_done >= mine; });
}

}  // namespace parley::store
