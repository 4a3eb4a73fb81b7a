#include "writer.hpp"

#include <pthread.h>

#include <algorithm>

#include "moved.hpp"
#include "parley/base/bytes.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"

namespace parley::store {
namespace {

using namespace std::chrono_literals;

constexpr auto kSlice = 5ms;
constexpr auto kFlushDelay = 250ms;       // how far rows may lag behind the log
constexpr std::size_t kFlushCount = 128;  // conversations written in one slice
constexpr std::size_t kDirtyMany = 4096;  // then at once
constexpr auto kMarksDelay = 3s;
constexpr int kSweepRows = 1000;
constexpr std::int64_t kSenderLifeNs = 8LL * 24 * 3600 * 1'000'000'000;
constexpr auto kRetryDelay = 250ms;  // of background writes that failed
constexpr auto kSettleDelay = 100ms;
constexpr std::int64_t kReserveMs = 3000;
constexpr std::int64_t kReserveStepMs = 1000;
constexpr std::size_t kOthersMax = 65536;  // calls, and jobs, that may wait
constexpr std::size_t kItemOverhead = 256;
constexpr const char* kFrozen = "the store is being moved to another place; try again in a moment";

std::size_t bytes_of(const std::vector<Append>& items) {
  std::size_t bytes = 0;
  for (const Append& item : items) bytes += item.bytes.size() + item.text.size() + kItemOverhead;
  return bytes;
}

/// May a commit that failed with this code have reached the disk all the same? Not if the frames could not even be
/// written; but once they are, a failed sync or an error behind it leaves a transaction that a recovery after a crash
/// would find.
bool may_have_happened(int rc) { return rc != SQLITE_FULL && rc != SQLITE_IOERR_WRITE && (rc & 0xff) != SQLITE_BUSY; }

}  // namespace

Writer::Writer(const std::filesystem::path& file, const Connection::Options& connection, const SqliteOptions& options)
    : options_(options),
      db_(file, connection),
      sql_(db_),
      appender_(db_, options.conversations_max),
      marks_(db_),
      begin_(db_, "begin immediate"),
      commit_(db_, "commit"),
      checkpointer_(file, connection) {
  sqlite3_wal_hook(
      db_.handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Writer*>(self)->checkpointer_.note_pages(static_cast<std::uint64_t>(pages));
        return SQLITE_OK;
      },
      this);
  {
    Statement mark(db_, "select value from store_meta where key = 'snowflake_ms'");
    if (mark.step()) floor_ms_ = mark.i64(0);
  }
  wanted_ms_ = std::max(floor_ms_, to_ms(wall_ns())) + kReserveMs;
  reserved_ms_ = floor_ms_;
  appender_.recover();
  Transaction change(db_);
  appender_.conversations().flush_some(SIZE_MAX, appender_.last_pos());
  write_snowflake_mark();
  change.commit();
  appender_.conversations().flush_committed();
  reserved_ms_ = wanted_ms_.load();
  const Clock::time_point now = Clock::now();
  flush_due_ = marks_due_ = retry_at_ = now;
  sweep_due_ = now + std::chrono::milliseconds(options_.testing.sweep_ms);
}

void Writer::start() {
  thread_ = std::thread([this] { loop(); });
}

void Writer::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  checkpointer_.stop();
}

bool Writer::submit(Reactor& home, std::vector<Append>&& items, Journal::OnAppended done) {
  const std::size_t bytes = bytes_of(items);
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queued_items_ + items.size() > options_.queue_items_max ||
        queued_bytes_ + bytes > options_.queue_bytes_max)
      return false;
    queued_items_ += items.size();
    queued_bytes_ += bytes;
    submits_.push_back({&home, std::move(items), std::move(done), bytes, {}});
    wake = idle_;
  }
  if (wake) wake_.notify_one();
  return true;
}

bool Writer::enqueue(std::unique_ptr<Call<WriterView>> call) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || calls_.size() >= kOthersMax) return false;
    calls_.push_back(std::move(call));
  }
  wake_.notify_one();
  return true;
}

bool Writer::enqueue_job(std::unique_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= kOthersMax) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Writer::save_marks(std::vector<Journal::Mark> marks) {
  if (!marks_.add(std::move(marks))) return;
  {
    std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  wake_.notify_one();
}

void Writer::reserve_snowflakes(std::int64_t ms) {
  std::int64_t seen = wanted_ms_.load(std::memory_order_relaxed);
  const std::int64_t target = ms + kReserveMs;
  do {
    if (target < seen + kReserveStepMs) return;
  } while (!wanted_ms_.compare_exchange_weak(seen, target));
  {
    std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  wake_.notify_one();
}

Journal::Health Writer::health() const {
  std::lock_guard lock(mutex_);
  return {trouble_.empty(), trouble_, queued_items_};
}

Store::Stats Writer::stats() const {
  Store::Stats stats;
  stats.commits = commits_.load(std::memory_order_relaxed);
  stats.items = items_.load(std::memory_order_relaxed);
  stats.failed_commits = failed_.load(std::memory_order_relaxed);
  stats.commit_ns_sum = commit_ns_.load(std::memory_order_relaxed);
  stats.wal_bytes = checkpointer_.wal_pages() * 4096;
  std::lock_guard lock(mutex_);
  stats.queued = queued_items_;
  return stats;
}

void Writer::set_health(std::string reason) {
  std::lock_guard lock(mutex_);
  trouble_ = std::move(reason);
}

Writer::Clock::time_point Writer::next_due() {
  if (retired_) return Clock::now() + kMarksDelay;
  if (frozen()) return frozen_until_;
  Clock::time_point due = sweep_due_;
  if (appender_.conversations().dirty() > 0) due = std::min(due, std::max(flush_due_, retry_at_));
  if (marks_.pending()) due = std::min(due, std::max(marks_due_, retry_at_));
  if (wanted_ms_.load() > reserved_ms_.load()) due = std::min(due, retry_at_);
  return due;
}

/// Takes the next batch; false when the writer shall end and nothing waits.
bool Writer::wait_for_work(std::vector<Submit>& batch) {
  batch.clear();
  const Clock::time_point due = next_due();
  std::unique_lock lock(mutex_);
  idle_ = true;
  wake_.wait_until(lock, due,
                   [&] { return !submits_.empty() || !calls_.empty() || !jobs_.empty() || nudged_ || stopping_; });
  idle_ = false;
  nudged_ = false;
  std::size_t items = 0;
  while (!submits_.empty() && (batch.empty() || items + submits_.front().items.size() <= options_.batch_items_max)) {
    items += submits_.front().items.size();
    queued_bytes_ -= submits_.front().bytes;
    batch.push_back(std::move(submits_.front()));
    submits_.pop_front();
  }
  queued_items_ -= items;
  return !(stopping_ && batch.empty() && calls_.empty() && jobs_.empty());
}

void Writer::loop() {
  pthread_setname_np(pthread_self(), "store-write");
  std::vector<Submit> batch;
  while (wait_for_work(batch)) {
    if (!batch.empty()) frozen() ? refuse(batch, SqlError(SqlError::Kind::kBusy, kFrozen)) : commit_batch(batch);
    run_calls();
    run_jobs();
    upkeep();
  }
  if (!retired_ && recovered()) write_everything();
}

/// What is behind the log or waits; false if not all of it could be written.
bool Writer::write_everything() {
  retry_at_ = Clock::time_point();
  while (appender_.conversations().dirty() > 0 && retry_at_ == Clock::time_point()) flush_slice();
  write_marks();
  write_snowflake_mark();
  return retry_at_ == Clock::time_point();
}

bool Writer::recovered() {
  if (!stale_memory_) return true;
  try {
    appender_.recover();
    stale_memory_ = false;
    return true;
  } catch (const SqlError& error) {
    set_health(error.what());
    return false;
  }
}

void Writer::commit_batch(std::vector<Submit>& batch) {
  const Clock::time_point begin = Clock::now();
  std::size_t items = 0;
  if (!recovered()) return refuse(batch, SqlError(SqlError::Kind::kOther, "the file cannot be read"));
  bool committing = false, round_done = false;
  try {
    begin_.run();
    for (Submit& submit : batch) {
      prepare_answers(submit);
      for (std::size_t i = 0; i < submit.items.size(); ++i) appender_.append(submit.items[i], submit.answers[i].result);
      items += submit.items.size();
    }
    appender_.finish_batch();
    // Rows that are due travel along: a transaction of their own would cost another fsync.
    if (flush_is_due(begin)) round_done = appender_.conversations().flush_some(kFlushCount, appender_.last_pos());
    if (PARLEY_BROKEN("ack_before_fsync")) post_answers(batch);
    PARLEY_FAULT_POINT("journal.before_commit");
    committing = true;
    commit_.run();
  } catch (const SqlError& error) {
    const int rc = sqlite3_extended_errcode(db_.handle());
    db_.rollback();
    stale_memory_ = true;
    failed_.fetch_add(1, std::memory_order_relaxed);
    set_health(error.what());
    if (committing && PARLEY_BROKEN("ack_before_fsync")) return;
    // While the outcome is unknown there is no answer; the end of the program leaves it to the next start.
    if (committing && may_have_happened(rc) && !settle()) return;
    return refuse(batch, error);
  }
  PARLEY_FAULT_POINT("journal.after_commit");
  appender_.conversations().flush_committed();
  if (round_done) flush_due_ = begin + kFlushDelay;
  commits_.fetch_add(1, std::memory_order_relaxed);
  items_.fetch_add(items, std::memory_order_relaxed);
  commit_ns_.fetch_add(static_cast<std::uint64_t>((Clock::now() - begin).count()), std::memory_order_relaxed);
  set_health({});
  if (!PARLEY_BROKEN("ack_before_fsync")) post_answers(batch);
}

/// Makes a failed commit definitely undone: the next transaction overwrites its frames in the log, so when that one is
/// on disk no recovery can find them any more.
bool Writer::settle() {
  for (;;) {
    try {
      Transaction change(db_);
      db_.execute("update store_meta set value = value + 1 where key = 'settled'");
      change.commit();
      return true;
    } catch (const SqlError& error) {
      set_health(error.what());
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kSettleDelay, [&] { return stopping_; })) return false;
  }
}

void Writer::refuse(std::vector<Submit>& batch, const SqlError& why) {
  const Code code = why.kind == SqlError::Kind::kFull ? Code::kJournalFull : Code::kJournalDown;
  for (Submit& submit : batch) {
    prepare_answers(submit);
    for (Journal::Answer& answer : submit.answers) answer.result.code = code;
  }
  post_answers(batch);
}

/// One empty answer per item, also if there were others already.
void Writer::prepare_answers(Submit& submit) {
  submit.answers.assign(submit.items.size(), Journal::Answer());
  for (std::size_t i = 0; i < submit.answers.size(); ++i) submit.answers[i].index = i;
}

void Writer::post_answers(std::vector<Submit>& batch) {
  struct Answered {
    Journal::OnAppended done;
    std::vector<Journal::Answer> items;
  };
  std::vector<std::pair<Reactor*, std::vector<Answered>>> homes;  // a handful
  for (Submit& submit : batch) {
    auto home = std::find_if(homes.begin(), homes.end(), [&](const auto& known) { return known.first == submit.home; });
    if (home == homes.end()) {
      homes.emplace_back(submit.home, std::vector<Answered>());
      home = homes.end() - 1;
    }
    home->second.push_back({std::move(submit.done), std::move(submit.answers)});
  }
  for (auto& [home, answers] : homes) {
    home->post([list = std::move(answers)]() mutable {
      for (Answered& answered : list) answered.done(answered.items);
    });
  }
}

void Writer::run_calls() {
  const Clock::time_point end = Clock::now() + kSlice;
  WriterView view{db_, appender_.conversations(), marks_};
  for (;;) {
    std::unique_ptr<Call<WriterView>> call;
    {
      std::lock_guard lock(mutex_);
      if (calls_.empty()) return;
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    if (!recovered()) {
      call->fail(Error(Errc::kUnavailable, "the store cannot be read"));
      continue;
    }
    try {
      call->run(view);
    } catch (const SqlError& error) {
      call->fail(error_of(error));
    }
    if (Clock::now() >= end) return;
  }
}

void Writer::run_jobs() {
  const Clock::time_point end = Clock::now() + kSlice;
  std::vector<std::unique_ptr<Job>> group, done;  // done: with their own failure
  auto next = [&]() -> std::unique_ptr<Job> {
    std::lock_guard lock(mutex_);
    if (jobs_.empty()) return nullptr;
    std::unique_ptr<Job> job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  };
  auto fail_group = [&](const Error& error) {
    for (auto& job : group) job->fail(error);
  };
  std::unique_ptr<Job> job = next();
  if (!job) return;
  if (frozen()) {
    for (; job; job = next()) {
      job->fail(Error(Errc::kUnavailable, kFrozen));
      job->finish();
    }
    return;
  }
  try {
    begin_.run();
    for (; job; job = Clock::now() < end ? next() : nullptr) {
      db_.execute("savepoint job");
      bool keep = false;
      try {
        keep = job->run(sql_);
      } catch (const SqlError& error) {
        job->fail(error_of(error));
      } catch (const std::exception& error) {
        job->fail(Error(Errc::kInternal, error.what()));
      }
      (keep ? group : done).push_back(std::move(job));
      if (!db_.in_transaction())
        throw SqlError(SqlError::Kind::kOther, "the transaction was rolled back by another failure");
      db_.execute(keep ? "release job" : "rollback to job; release job");
    }
    commit_.run();
  } catch (const SqlError& error) {
    db_.rollback();
    if (job) group.push_back(std::move(job));
    fail_group(error_of(error));
  }
  for (auto& finished : group) finished->finish();
  for (auto& finished : done) finished->finish();
}

Result<std::uint64_t> Writer::freeze(std::uint64_t token, std::chrono::milliseconds time) {
  if (retired_) return Error(Errc::kGone, "the store has been moved to another place");
  if (token != 0 && (!frozen() || token != freeze_token_)) return Error(Errc::kConflict, "that freeze has ended");
  if (!frozen() && !write_everything())
    return Error(Errc::kUnavailable, "what is behind the journal could not be written");
  if (token == 0) {
    do freeze_token_ = random_u64();
    while (freeze_token_ == 0);
  }
  frozen_until_ = Clock::now() + time;
  return freeze_token_;
}

Result<> Writer::thaw(std::uint64_t token) {
  if (token == freeze_token_) frozen_until_ = Clock::time_point();
  return {};
}

Result<> Writer::retire(std::uint64_t token, const std::string& place) {
  if (retired_) return Error(Errc::kGone, "the store has been moved to another place");
  if (!frozen() || token != freeze_token_) return Error(Errc::kConflict, "that freeze has ended");
  try {
    Transaction change(db_);
    note_moved(db_, place);
    change.commit();
  } catch (const SqlError& error) {
    db_.rollback();
    settle();
    return error_of(error);
  }
  retired_ = true;
  return {};
}

void Writer::upkeep() {
  const Clock::time_point now = Clock::now();
  Conversations& conversations = appender_.conversations();
  if (stale_memory_ || now < retry_at_ || frozen()) return;
  if (dirty_seen_ == 0) flush_due_ = now + kFlushDelay;
  if (flush_is_due(now) && !messages_wait()) flush_slice();
  dirty_seen_ = conversations.dirty();
  conversations.trim();
  if (wanted_ms_.load() > reserved_ms_.load()) write_snowflake_mark();
  if (now >= marks_due_ && marks_.pending()) write_marks();
  if (now >= sweep_due_) sweep_senders();
}

bool Writer::flush_is_due(Clock::time_point now) const {
  const std::size_t dirty = appender_.conversations().dirty();
  return dirty > 0 && (now >= flush_due_ || dirty >= kDirtyMany);
}

bool Writer::messages_wait() const {
  std::lock_guard lock(mutex_);
  return !submits_.empty();
}

void Writer::flush_slice() {
  Conversations& conversations = appender_.conversations();
  try {
    Transaction change(db_);
    const bool round_done = conversations.flush_some(kFlushCount, appender_.last_pos());
    change.commit();
    conversations.flush_committed();
    if (round_done) flush_due_ = Clock::now() + kFlushDelay;
  } catch (const SqlError&) {
    conversations.flush_failed();
    retry_at_ = Clock::now() + kRetryDelay;
  }
}

void Writer::write_marks() {
  try {
    Transaction change(db_);
    if (marks_.pending()) marks_.write(appender_.conversations());
    change.commit();
    marks_.written();
  } catch (const SqlError&) {
    retry_at_ = Clock::now() + kRetryDelay;
  }
  marks_due_ = Clock::now() + kMarksDelay;
}

void Writer::write_snowflake_mark() {
  const std::int64_t wanted = wanted_ms_.load();
  try {
    Statement save(db_, "update store_meta set value = max(value, ?) where key = 'snowflake_ms'");
    save.bind(1, wanted);
    save.run();
    reserved_ms_ = wanted;
  } catch (const SqlError&) {
    if (db_.in_transaction()) throw;
    retry_at_ = Clock::now() + kRetryDelay;
  }
}

/// Forgets senders of long ago, a few rows at a time, round and round.
void Writer::sweep_senders() {
  sweep_due_ = Clock::now() + std::chrono::milliseconds(options_.testing.sweep_ms);
  try {
    Statement last(db_, "select conv from sender_state where conv > ? order by conv limit 1 offset ?");
    last.bind(1, sweep_from_);
    last.bind(2, std::int64_t{kSweepRows});
    const std::uint64_t upto = last.step() ? last.u64(0) : INT64_MAX;
    last.reset();
    Statement forget(db_, "delete from sender_state where conv > ? and conv <= ? and last_used_ns < ?");
    forget.bind(1, sweep_from_);
    forget.bind(2, upto);
    forget.bind(3, wall_ns() - kSenderLifeNs);
    forget.run();
    sweep_from_ = upto == INT64_MAX ? 0 : upto;
  } catch (const SqlError&) {
    retry_at_ = Clock::now() + kRetryDelay;
  }
}

}  // namespace parley::store
