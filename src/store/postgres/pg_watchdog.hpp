#pragma once
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace parley::store {

/// Gives deadlines to calls that have none: libpq waits without end for a server that fell silent, and libpqxx for
/// libpq. When a deadline passes, the socket is shut down in both directions and the call ends as if the server had
/// gone. One for all connections of an owner; its thread "store-pg-watch" sleeps while nobody waits.
class PgWatchdog {
 public:
  using Clock = std::chrono::steady_clock;

  PgWatchdog();
  /// Only when no Watch is left.
  ~PgWatchdog();
  PgWatchdog(const PgWatchdog&) = delete;
  PgWatchdog& operator=(const PgWatchdog&) = delete;
  /// Any thread: from then on no call may wait beyond `when`, also none that begins later.
  void end_by(Clock::time_point when);

 private:
  struct Entry {
    int socket;
    Clock::time_point deadline = Clock::time_point::max();  // max: nobody waits
    bool cut = false;
  };

 public:
  /// One connection. One thread at a time.
  class Watch {
   public:
    /// Keeps a duplicate of the socket: libpq may close its own while a call runs, and its number may then be that of
    /// something else.
    Watch(PgWatchdog& dog, int socket);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    void arm(Clock::time_point deadline);
    /// False if the deadline had passed, and the connection is gone.
    bool disarm();
    /// Nothing more is sent or waited for, so closing cannot block either.
    void cut();

   private:
    PgWatchdog& dog_;
    std::list<Entry>::iterator entry_;
  };

 private:
  void loop();
  /// The next moment at which something is to be done.
  Clock::time_point bite(Clock::time_point now);

  std::mutex mutex_;  // leaf lock: guards all below
  std::condition_variable wake_;
  std::list<Entry> entries_;
  Clock::time_point end_ = Clock::time_point::max();
  Clock::time_point wakes_at_ = Clock::time_point::max();
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace parley::store
