#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "redis/blocking_client.hpp"
#include "redis/reply.hpp"

/// Why no command may go to a Redis that was just started before it has rewritten its append-only file: a power loss
/// can cut off a function's transaction in the middle of the file. Redis 7 then forgets the transaction but leaves its
/// beginning there, MULTI first, and puts what it answers next behind it; with one more restart all that is gone. The
/// server does not say whether its file ends like that, so each start counts. A rewrite begins a file of its own for
/// what comes next, and when it has ended well the old one is no longer read.
/// Every rewrite that a server reports began after it had loaded its data, whoever asked for it: the counts begin at 0
/// with each process, and none begins while it loads.
namespace parley::store::redis {

/// What INFO persistence says.
struct AppendFile {
  bool enabled = false;    ///< there is such a file
  bool rewriting = false;  ///< now
  bool scheduled = false;  ///< a rewrite begins when another child process has ended
  /// Since this server was started, a rewrite has begun, so what comes next goes to a file of its own. It is kept even
  /// if the rewrite fails, but a server that is then started once more stops at the torn file, which it mends, and has
  /// to be started a second time.
  bool begun = false;
  bool rewritten = false;  ///< the last rewrite since this server was started has ended, and well

  bool sound() const noexcept { return !enabled || rewritten; }
};
Command append_file_query();
/// Nothing if `reply` to it does not say: it is an error, or something else.
std::optional<AppendFile> append_file_of(const Reply& reply);
Command append_file_rewrite();

/// Asks one connection until commands may go to its server. Only decides; the caller sends and waits.
///   rewrite ended well     done
///   it takes long, failed  done too, because the file of its own is there (AppendFile::begun): all that is answered
///                          is kept, and waiting would stop everybody without need. sound() tells the difference
///   it cannot begin        failed: what would be answered now could be lost. Senders keep what they wrote meanwhile
class AppendFileGuard {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Step {
    kDone,
    kSend,    ///< command(), now
    kPause,   ///< command(), after kPause; reason() says what is waited for
    kFailed,  ///< reason() says why, for people, with the remedy
  };
  static constexpr std::chrono::milliseconds kPause{20};
  static constexpr std::chrono::seconds kPatience{30};  ///< for a rewrite that has begun
  static constexpr std::chrono::seconds kStarts{5};     ///< within which one that was asked for shows

  explicit AppendFileGuard(Time now) : began_(now) {}
  Command command() const { return asking_ ? append_file_rewrite() : append_file_query(); }
  /// The answer to command().
  Step take(const Reply& reply, Time now);
  const std::string& reason() const noexcept { return reason_; }
  bool sound() const noexcept { return sound_; }

 private:
  Step look(const AppendFile& file, Time now);
  Step fail(std::string why);
  const Time began_;
  std::optional<Time> asked_;
  bool asking_ = false, sound_ = false;
  std::string reason_;
};

/// The same for threads that may block. False: done, but not sound(). Throws std::runtime_error for people if it
/// failed, ConnectionError.
bool guard_append_file(BlockingClient& client);

}  // namespace parley::store::redis
