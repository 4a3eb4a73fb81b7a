#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "migrate/source.hpp"
#include "migrate/target.hpp"
#include "parley/store/move.hpp"

namespace parley::store::moving {

/// What store_meta of the standard store knows of a move (key "move"). A store is not opened while it is being filled.
struct Progress {
  enum class State { kNone, kCopying, kMoved };
  State state = State::kNone;
  std::string source;            ///< Source::identity()
  std::uint64_t copied_pos = 0;  ///< messages up to here have been copied
};

/// The standard store that is filled. Throws PgError, redis::ConnectionError, std::runtime_error.
class Destination {
 public:
  explicit Destination(const MoveOptions& options);
  /// Reachable, of the right kind, empty, or half filled by this very move. Brings the schema up to date unless
  /// `dry_run`; false if there is no schema yet.
  bool check(const std::string& source, MoveHost& host);

  const Progress& progress() const noexcept { return progress_; }
  const std::string& store_id() const noexcept { return store_id_; }
  PgConnection& writer() noexcept { return writer_; }
  PgConnection& reader() noexcept { return reader_; }

  /// In the transaction that is open.
  void save(Progress progress);
  /// Before the store is opened for the first time: where the journal begins, and which ids are used up.
  void prepare_journal(std::uint64_t last_pos, std::int64_t snowflake_ms);

 private:
  void check_postgres();
  void check_redis(MoveHost& host);
  void check_empty();

  const MoveOptions& options_;
  PgConnection writer_, reader_;
  Progress progress_;
  std::string store_id_;
};

}  // namespace parley::store::moving
