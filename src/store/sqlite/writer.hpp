#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "appender.hpp"
#include "calls.hpp"
#include "checkpointer.hpp"
#include "marks.hpp"
#include "parley/store/sqlite_store.hpp"
#include "sqlite_database.hpp"

namespace parley::store {

/// What calls to the writer may look at.
struct WriterView {
  Connection& db;
  Conversations& conversations;
  Marks& marks;
};

/// The one thread that writes. Messages come first: all that wait (up to batch_items_max) become one transaction and
/// one fsync; between two such batches other work gets slices of about 5 ms. Nothing is timed, so an idle system adds
/// no delay and a busy one makes larger batches.
class Writer {
 public:
  using Clock = std::chrono::steady_clock;
  using Job = SqliteDatabase::Job;

  /// Replays and projects before it returns. Throws SqlError.
  Writer(const std::filesystem::path& file, const Connection::Options& connection, const SqliteOptions& options);
  ~Writer() { stop(); }
  void start();
  /// Commits and projects what was accepted, then ends the thread.
  void stop();

  // Any thread:
  bool submit(Reactor& home, std::vector<Append>&& items, Journal::OnAppended done);
  bool enqueue(std::unique_ptr<Call<WriterView>> call);
  bool enqueue_job(std::unique_ptr<Job> job);
  void save_marks(std::vector<Journal::Mark> marks);
  void reserve_snowflakes(std::int64_t ms);
  std::int64_t snowflake_floor_ms() const noexcept { return floor_ms_; }
  Journal::Health health() const;
  Store::Stats stats() const;

  // Called through enqueue(), for what Movable promises:
  Result<std::uint64_t> freeze(std::uint64_t token, std::chrono::milliseconds time);
  Result<> thaw(std::uint64_t token);
  Result<> retire(std::uint64_t token, const std::string& place);

 private:
  struct Submit {
    Reactor* home;
    std::vector<Append> items;
    Journal::OnAppended done;
    std::size_t bytes;
    std::vector<Journal::Answer> answers;
  };

  void loop();
  bool wait_for_work(std::vector<Submit>& batch);
  void commit_batch(std::vector<Submit>& batch);
  bool recovered();
  void refuse(std::vector<Submit>& batch, const SqlError& why);
  bool settle();
  static void prepare_answers(Submit& submit);
  void post_answers(std::vector<Submit>& batch);
  void run_calls();
  void run_jobs();
  void upkeep();
  bool frozen() const { return retired_ || Clock::now() < frozen_until_; }
  bool write_everything();
  bool flush_is_due(Clock::time_point now) const;
  bool messages_wait() const;
  void flush_slice();
  void write_marks();
  void write_snowflake_mark();
  void sweep_senders();
  Clock::time_point next_due();
  void set_health(std::string reason);

  const SqliteOptions options_;
  Connection db_;
  SqliteSql sql_;
  Appender appender_;
  Marks marks_;
  Statement begin_, commit_;
  Checkpointer checkpointer_;
  std::thread thread_;

  // Writer thread only.
  bool stale_memory_ = false;  // memory may be ahead of the file
  bool idle_ = false;
  std::size_t dirty_seen_ = 0;
  Clock::time_point flush_due_, marks_due_, sweep_due_, retry_at_;
  std::uint64_t sweep_from_ = 0;
  Clock::time_point frozen_until_;
  std::uint64_t freeze_token_ = 0;
  bool retired_ = false;  // the store lives elsewhere now

  mutable std::mutex mutex_;  // leaf lock: guards all below
  std::condition_variable wake_;
  std::deque<Submit> submits_;
  std::deque<std::unique_ptr<Call<WriterView>>> calls_;
  std::deque<std::unique_ptr<Job>> jobs_;
  std::size_t queued_items_ = 0, queued_bytes_ = 0;
  bool nudged_ = false, stopping_ = false;
  std::string trouble_;  // empty: healthy

  std::int64_t floor_ms_ = 0;
  std::atomic<std::int64_t> wanted_ms_{0}, reserved_ms_{0};
  std::atomic<std::uint64_t> commits_{0}, items_{0}, failed_{0}, commit_ns_{0};
};

}  // namespace parley::store
