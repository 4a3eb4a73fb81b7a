#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "parley/base/result.hpp"

namespace parley::store {

/// Where an embedded store is, and the standard store that it becomes.
struct MoveOptions {
  std::filesystem::path folder;
  std::string redis_url, redis_prefix;
  unsigned shards = 1;
  std::string postgres;
  bool dry_run = false;             ///< only look: nothing is written anywhere
  std::chrono::seconds freeze{30};  ///< how long the daemon stays frozen if this program dies, 1 to 60
};

/// What a move needs from outside. Called on the thread that moves.
class MoveHost {
 public:
  virtual ~MoveHost() = default;
  /// A line for the operator.
  virtual void say(const std::string& line) = 0;
  /// Whether a daemon runs on the folder. kUnavailable: none; other errors: it cannot be asked.
  virtual Result<> daemon() = 0;
  /// As Movable, over data/admin.sock.
  virtual Result<std::string> freeze(const std::string& token, std::chrono::seconds time) = 0;
  virtual void thaw(const std::string& token) = 0;
  virtual Result<> retire(const std::string& token, const std::string& place) = 0;
  /// Everything is in its new place and compared; the store is retired next. May throw std::runtime_error, and the move
  /// fails.
  virtual void before_switch() = 0;
  /// It was not retired after all.
  virtual void switch_failed() = 0;
};

struct MoveReport {
  struct Table {
    std::string name;
    std::uint64_t rows = 0, checksum = 0;  ///< the same on both sides, or the move would have failed
  };
  std::vector<Table> tables;
  std::string store_id;  ///< of the standard store
  bool daemon_ran = false;
  bool was_done = false;  ///< an earlier run had moved it; nothing was left to do but to say so
  std::chrono::milliseconds frozen{0}, whole{0};
};

/// Moves the embedded store in a folder to an empty standard store, with the same ids, numbers, positions, answers and
/// tokens. Nearly all is copied while the daemon runs; for the rest, and for comparing, the daemon refuses what would
/// change the store (Movable). Where the store is: in the folder until the very last step, and nothing there is changed
/// before it. A move that was interrupted is taken up where it was.
/// Throws std::runtime_error with one line and its remedy: the target is not empty, not reachable, or belongs to
/// another move; something cannot be moved or differs afterwards. The daemon then goes on as before.
MoveReport move_store(const MoveOptions& options, MoveHost& host);

}  // namespace parley::store
