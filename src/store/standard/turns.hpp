#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace parley::store::standard {

/// A background thread that does one turn after the other: the next at once while there is more to do, after a pause
/// when there is not, and less and less often while turns fail. The pause grows with the turn before it, so that what
/// comes in small pieces is taken together where a turn is not cheap.
class Turns {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    std::string name;                     ///< of the thread
    std::chrono::milliseconds idle_wait;  ///< shortest pause; the longest is kPauseMax
    std::chrono::milliseconds retry_min, retry_max;
  };
  static constexpr int kPausePerTurn = 9;  ///< so turns with nothing left over take a tenth of the time
  static constexpr std::chrono::milliseconds kPauseMax{500};
  enum class Turn { kIdle, kMore, kFailed, kLast };

  Turns(Options options, std::function<Turn()> turn);
  ~Turns() { stop(Clock::now()); }
  void start();
  /// Goes on until a turn finds nothing to do, at most until `deadline`; then the thread has ended. A turn that runs at
  /// the deadline is not interrupted.
  void stop(Clock::time_point deadline);
  bool past_deadline() const { return Clock::now() >= deadline_.load(); }
  /// True when a turn that began after this call found nothing to do.
  bool request_sync(std::chrono::milliseconds patience);

 private:
  void loop();

  const Options options_;
  const std::function<Turn()> turn_;
  std::atomic<Clock::time_point> deadline_{Clock::time_point::max()};
  std::mutex mutex_;  // leaf lock: guards all below
  std::condition_variable wake_, synced_;
  bool stopping_ = false, ended_ = false;
  std::uint64_t sync_wanted_ = 0, sync_done_ = 0;
  std::thread thread_;
};

}  // namespace parley::store::standard
