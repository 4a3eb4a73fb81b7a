#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parley/store/sql.hpp"
#include "pg_error.hpp"
#include "pg_rows.hpp"
#include "pg_watchdog.hpp"

namespace parley::store {

struct PgOptions {
  std::string conninfo;                     ///< as libpq understands it; what it says goes before what stands below
  bool read_only = false;                   ///< transactions are one snapshot that changes nothing
  bool reconnects = true;                   ///< false: a connection that was lost is the last one
  std::chrono::milliseconds connect{4000};  ///< libpq counts whole seconds, at least 2, for each address
  /// The server ends longer statements (kBusy); a server that stays silent kSilence longer counts as gone.
  std::chrono::milliseconds statement{6000};
  std::shared_ptr<PgWatchdog> watchdog = nullptr;  ///< shared by all connections of an owner; null: one of its own
};

/// `?` becomes $1, $2 …, but in quotes and comments. So the operators of jsonb with a `?` cannot be used.
std::string numbered_parameters(std::string_view statement);

/// One connection to PostgreSQL, over libpqxx. Connects when it is first used, and again when it is used after it was
/// lost; but never in the middle of a transaction: there everything fails until rollback() or begin().
/// Values:  integers and booleans are std::int64_t, bytea is Blob, everything else is the text that PostgreSQL prints.
///          A text with a NUL is refused, as PostgreSQL has no such texts.
/// Errors:  PgErrors. kUnique; kFull (the server's disk); kBusy: may pass by itself (no connection, too many of them, a
///          deadlock, a statement that took too long, a server that is stopping); kCorrupt. Unlike with SQLite nothing
///          can be done in a transaction after a failed statement.
/// Threads: one at a time. Blocks, at most as long as the options and the watchdog's owner say; of a COPY each piece.
/// Inside:  our transactions are statements within one pqxx::nontransaction. Those of libpqxx 6 begin only with their
///          first statement, but begin() has to find out whether the connection lives while another can still be made.
class PgConnection final : public Sql {
 public:
  explicit PgConnection(PgOptions options);
  ~PgConnection() override;
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  using Sql::query;
  std::vector<SqlRow> query(std::string_view statement, std::span<const SqlValue> parameters) override;
  std::int64_t changes() const override { return changes_; }
  /// Any number of statements without parameters or results.
  void execute(const std::string& statements);

  /// Bulk work: a statement that is not prepared, with parameters $1 … in text form; without any it may be several.
  PgRows run(const std::string& statement, const std::vector<std::string>& parameters = {});
  /// `statement` copies from stdin; `data` is the whole stream.
  void copy_in(const std::string& statement, std::string_view data);
  /// What `out` copies to stdout here goes into what `in` copies from stdin there. Answers the rows.
  std::uint64_t copy_to(const std::string& out, PgConnection& to, const std::string& in);

  void begin();
  /// If the connection is lost meanwhile, nobody knows whether it happened.
  void commit();
  void rollback() noexcept;

  /// As far as is known without asking.
  bool connected() const noexcept { return session_ != nullptr; }
  void disconnect() noexcept;

  static constexpr std::chrono::milliseconds kSilence{2000};

 private:
  struct Session;

  void connect();
  void require();
  const std::string& prepared(std::string_view statement);
  /// Calls libpqxx, or libpq, with a deadline.
  template <class Work>
  auto guarded(Work work) -> decltype(work(std::declval<Session&>()));
  void simple(const std::string& statements);
  [[noreturn]] void fail();
  [[noreturn]] void lose(const std::string& why, bool silent = false);

  const PgOptions options_;
  const std::shared_ptr<PgWatchdog> watchdog_;
  std::unique_ptr<Session> session_;
  std::int64_t changes_ = 0;
  bool was_connected_ = false;
  bool in_transaction_ = false;
  bool failed_ = false;  // the transaction, by a statement
  bool lost_in_transaction_ = false;
};

/// A transaction; rolled back unless committed.
class PgTransaction {
 public:
  explicit PgTransaction(PgConnection& connection) : connection_(connection) { connection_.begin(); }
  ~PgTransaction() { connection_.rollback(); }
  PgTransaction(const PgTransaction&) = delete;
  PgTransaction& operator=(const PgTransaction&) = delete;
  void commit() { connection_.commit(); }

 private:
  PgConnection& connection_;
};

}  // namespace parley::store
