#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parley/base/result.hpp"
#include "redis/blocking_client.hpp"
#include "redis/reply.hpp"

namespace parley::store::redis {

/// Who holds a lease, as its key says it: "<owner id> <host> <pid> <start ticks of pid> <kernel>".
struct LeaseOwner {
  std::string id;    ///< 32 hex digits, new for every acquire()
  std::string host;  ///< for people
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< /proc/<pid>/stat, field 22: tells a process from a later one with its number
  std::string kernel;             ///< boot id and pid namespace: the same only where the pid means the same process

  /// The calling process, with a new id.
  static LeaseOwner this_process();
  static std::optional<LeaseOwner> parse(std::string_view text);
  std::string text() const;
  /// The owner ran here (same host name, boot and pid namespace) and does so no more. Of other places nothing is known.
  bool is_dead() const;
};

/// The right to be the one daemon of a store. Key `<prefix>:lease` holds the owner for `time` after each renewal, and
/// every acquisition raises the field `fence` of `<prefix>:meta`, so that what an earlier holder still writes can be
/// told from ours.
struct Lease {
  std::string prefix, owner;
  std::uint64_t fence = 0;
  std::chrono::milliseconds time{0};
};

/// Takes the lease. If it is held by a process of this host that has ended, it is taken over at once; otherwise waits
/// until it expires, at most `wait`. Throws std::runtime_error for people ("the store is in use by …") as soon as the
/// holder is seen to renew it, or when `wait` is over, and if Redis refuses; ConnectionError.
Lease acquire(BlockingClient& client, const std::string& prefix, std::chrono::milliseconds time,
              std::chrono::milliseconds wait);

enum class Renewal {
  kHeld,       ///< ours for another `time`; also if it had expired and nobody had taken it meanwhile
  kTaken,      ///< somebody else has it, or had it since
  kForgotten,  ///< Redis knows neither lease nor fence any more: it came back without (all of) its data
};
/// The command that renews, to be sent about each third of `time`, and what its reply means; kUnavailable for an error
/// reply or one that is none of ours. It may be sent twice.
Command renew_command(const Lease& lease);
Result<Renewal> renewal_of(const Reply& reply);

/// The command that gives the lease up if we still hold it; replies 1 if we did. The fence stays.
Command release_command(const Lease& lease);

}  // namespace parley::store::redis
