#include "parley/store/move.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <thread>

#include "migrate/copy.hpp"
#include "migrate/destination.hpp"
#include "migrate/source.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/store/sqlite_store.hpp"
#include "redis/blocking_client.hpp"
#include "sqlite/folder.hpp"
#include "sqlite/migrations.hpp"
#include "sqlite/moved.hpp"

namespace parley::store {
namespace {

using namespace std::chrono_literals;
using moving::Copier;
using moving::Destination;
using moving::Progress;
using moving::Source;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kFew = 500;  // messages that may be missing when the daemon is frozen
constexpr int kRoundsMax = 20;
constexpr std::int64_t kReserveMs = 10'000;  // ids that the daemon may still hand out while it ends
constexpr auto kEndPatience = 90s;

std::chrono::milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
}

/// Keeps the embedded store as it is: by freezing its daemon, or by holding the folder's lock where none runs.
class Standstill {
 public:
  Standstill(const MoveOptions& options, MoveHost& host) : options_(options), host_(host) {}
  ~Standstill() {
    if (!token_.empty() && !retired_) host_.thaw(token_);
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  void begin(bool daemon) {
    began_ = Clock::now();
    if (daemon) {
      prolong();
    } else {
      lock_.emplace(options_.folder);
    }
  }
  /// To be called often while it lasts.
  void keep() {
    if (!token_.empty() && Clock::now() - prolonged_ > options_.freeze / 6) prolong();
  }
  void retire(const std::string& place) {
    if (lock_) {
      Connection db(options_.folder / "parley.db", Connection::Options());
      Transaction change(db);
      note_moved(db, place);
      change.commit();
    } else if (const Result<> done = host_.retire(token_, place); !done) {
      throw std::runtime_error("the server did not give its store up: " + done.error().detail +
                               "; look whether it still runs, then run this again");
    }
    retired_ = true;
  }
  std::chrono::milliseconds lasted() const { return since(began_); }

 private:
  void prolong() {
    prolonged_ = Clock::now();
    Result<std::string> token = host_.freeze(token_, options_.freeze);
    if (!token) {
      token_.clear();
      throw std::runtime_error("the server could not be kept still: " + token.error().detail +
                               "; nothing was switched, run this again");
    }
    token_ = std::move(*token);
  }
  const MoveOptions& options_;
  MoveHost& host_;
  std::string token_;
  std::optional<Folder> lock_;
  Clock::time_point began_, prolonged_;
  bool retired_ = false;
};

class Move {
 public:
  Move(const MoveOptions& options, MoveHost& host)
      : options_(options), host_(host), source_(options.folder), destination_(options) {}

  MoveReport run() {
    const std::string identity = source_.identity();
    if (identity.empty())
      throw std::runtime_error("store: the embedded store has no schema yet; there is nothing to move");
    if (const std::optional<std::string> place = source_.moved_to()) return was_moved(identity, *place);
    report_.daemon_ran = is_daemon_there();
    if (!options_.dry_run && !report_.daemon_ran) bring_up_to_date();
    if (source_.schema_version() != migrations().back().version)
      throw std::runtime_error("store: the embedded store has schema " + std::to_string(source_.schema_version()) +
                               ", this program knows " + std::to_string(migrations().back().version) +
                               "; start the server once with this version first");
    const bool schema = destination_.check(identity, host_);
    report_.store_id = destination_.store_id();
    if (destination_.progress().state == Progress::State::kMoved)
      throw std::runtime_error(
          "store: this database has been filled from this embedded store and switched to before; "
          "give an empty database");
    if (options_.dry_run) return plan(schema);
    begin_or_resume(identity);
    copy_everything();
    finish();
    report_.whole = since(began_);
    return report_;
  }

 private:
  bool is_daemon_there() {
    const Result<> there = host_.daemon();
    if (there) return true;
    if (there.error().code == Errc::kUnavailable) return false;
    throw std::runtime_error(there.error().detail);
  }
  /// Runs migrations and brings the rows up to the journal, as a start would; refuses if somebody has the folder.
  void bring_up_to_date() {
    SqliteOptions options;
    options.folder = options_.folder;
    open_sqlite_store(options)->stop();
  }

  MoveReport was_moved(const std::string& identity, const std::string& place) {
    if (!options_.dry_run) {
      destination_.check(identity, host_);
      if (destination_.store_id() != place)
        throw std::runtime_error("store: what was in " + options_.folder.string() +
                                 " has been moved to the standard store " + place + ", and the configuration names " +
                                 destination_.store_id());
      note_moved_there();
    }
    report_.store_id = place;
    report_.was_done = true;
    return report_;
  }

  MoveReport plan(bool schema) {
    host_.say("from " + options_.folder.string() +
              (report_.daemon_ran ? ", where a server runs" : ", where no server runs"));
    host_.say(schema ? "to the standard store " + report_.store_id : std::string("to a database without tables"));
    if (destination_.progress().state == Progress::State::kCopying)
      host_.say("an interrupted move goes on after position " + std::to_string(destination_.progress().copied_pos));
    host_.say("messages to copy: about " + std::to_string(source_.messages_after(destination_.progress().copied_pos)));
    return report_;
  }

  void begin_or_resume(const std::string& identity) {
    Progress progress = destination_.progress();
    if (progress.state == Progress::State::kCopying) {
      host_.say("going on after position " + std::to_string(progress.copied_pos));
      return;
    }
    progress.state = Progress::State::kCopying;
    progress.source = identity;
    destination_.save(progress);
  }

  void copy_everything() {
    copier_.emplace(source_, destination_, [this] { keep(); });
    for (int round = 1;; ++round) {
      const std::uint64_t messages = copier_->messages();
      const Copier::Changes changes = copier_->tables();
      host_.say("round " + std::to_string(round) + ": " + std::to_string(messages) + " messages, " +
                std::to_string(changes.written) + " other rows written, " + std::to_string(changes.removed) +
                " removed");
      PARLEY_FAULT_POINT("move.after_round");
      if (copier_->missing() <= kFew || round == kRoundsMax) break;
    }
    const std::size_t open = copier_->compare_messages();
    host_.say("compared the messages: " + std::to_string(open) + " conversations went on meanwhile");
    PARLEY_FAULT_POINT("move.after_comparison");
    // What came while they were compared.
    for (int round = 0; copier_->missing() > kFew && round < kRoundsMax; ++round) copier_->messages();
    copier_->tables();
  }

  void finish() {
    const bool daemon = is_daemon_there();
    if (!daemon) bring_up_to_date();
    Standstill standstill(options_, host_);
    standstill_ = &standstill;
    struct Forget {
      Standstill*& it;
      ~Forget() { it = nullptr; }
    } forget{standstill_};
    host_.say(daemon ? "the server takes nothing from now on" : "no server runs; the folder is locked");
    standstill.begin(daemon);
    PARLEY_FAULT_POINT("move.frozen");
    const std::uint64_t last = source_.last_pos();
    if (last != static_cast<std::uint64_t>(source_.meta("projected_pos")))
      throw std::runtime_error("store: rows of the embedded store are behind its journal; run this again");
    copier_->messages();
    copier_->tables();
    if (copier_->missing() != 0 || source_.last_pos() != last)
      throw std::runtime_error("store: the embedded store changed although it was kept still; nothing was switched");
    PARLEY_FAULT_POINT("move.copied");
    report_.tables = copier_->verify();
    destination_.prepare_journal(source_.last_pos(),
                                 std::max(source_.meta("snowflake_ms"), to_ms(wall_ns()) + kReserveMs));
    standstill.keep();
    PARLEY_FAULT_POINT("move.before_switch");
    host_.before_switch();
    try {
      standstill.retire(report_.store_id);
    } catch (...) {
      host_.switch_failed();
      throw;
    }
    report_.frozen = standstill.lasted();
    PARLEY_FAULT_POINT("move.after_switch");
    try {
      note_moved_there();
    } catch (const PgError& error) {
      throw std::runtime_error(std::string("the embedded store is retired, but PostgreSQL could not note it: ") +
                               error.what() + "; run this again, which does only that");
    }
    if (daemon) wait_for_end();
  }

  void note_moved_there() {
    Progress progress = destination_.progress();
    if (progress.state == Progress::State::kMoved) return;
    progress.state = Progress::State::kMoved;
    PgTransaction change(destination_.writer());
    destination_.save(progress);
    change.commit();
  }

  void wait_for_end() {
    host_.say("waiting for the server to end");
    const auto deadline = Clock::now() + kEndPatience;
    while (Clock::now() < deadline) {
      try {
        const Folder free(options_.folder);
        return;
      } catch (const std::runtime_error&) {
        std::this_thread::sleep_for(100ms);
      }
    }
    host_.say("the server still runs; stop it before the next start");
  }

  void keep() {
    if (standstill_) return standstill_->keep();
    if (Clock::now() - said_ < 5s) return;
    said_ = Clock::now();
    host_.say("position " + std::to_string(destination_.progress().copied_pos) + " of " +
              std::to_string(source_.last_pos()));
  }

  const MoveOptions& options_;
  MoveHost& host_;
  Source source_;
  Destination destination_;
  std::optional<Copier> copier_;
  Standstill* standstill_ = nullptr;
  MoveReport report_;
  const Clock::time_point began_ = Clock::now();
  Clock::time_point said_ = Clock::now();
};

}  // namespace

MoveReport move_store(const MoveOptions& options, MoveHost& host) {
  try {
    return Move(options, host).run();
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: ") + error.what());
  }
}

}  // namespace parley::store
