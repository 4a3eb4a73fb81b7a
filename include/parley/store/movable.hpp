#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "parley/base/reactor.hpp"
#include "parley/base/result.hpp"

namespace parley::store {

/// A store that can be moved to another place while its daemon runs (parley migrate-store): it is frozen, what is still
/// missing there is copied, and it is retired. Threads: a reactor.
class Movable {
 public:
  virtual ~Movable() = default;
  /// For `time` nothing in the store changes: appends are refused with kJournalDown, entity writes with kUnavailable,
  /// and receipts wait as far as there is room. Reading goes on. When this answers, everything that was accepted before
  /// is in the file, projections too.
  /// Token 0 begins a freeze, ends an earlier one, and answers a new token; any other prolongs its freeze.
  /// kConflict: that freeze has ended. kGone: the store is retired.
  virtual asio::awaitable<Result<std::uint64_t>> freeze(std::uint64_t token, std::chrono::milliseconds time) = 0;
  /// Ends the freeze of this token, if it is still in force.
  virtual asio::awaitable<Result<>> thaw(std::uint64_t token) = 0;
  /// Notes for good that the store lives in `place` now: it stays frozen and is never opened again.
  /// kConflict: the freeze has ended, so something may have changed since.
  virtual asio::awaitable<Result<>> retire(std::uint64_t token, std::string place) = 0;
};

}  // namespace parley::store
