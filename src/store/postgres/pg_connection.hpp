#pragma once
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "parley/store/sql.hpp"

struct pg_conn;
struct pg_result;

namespace parley::store {

struct PgOptions {
  std::string conninfo;                     ///< as libpq understands it; what it says goes before what stands below
  bool read_only = false;                   ///< transactions are one snapshot that changes nothing
  std::chrono::milliseconds connect{5000};  ///< libpq counts whole seconds, at least 2, for each address
  /// The server ends longer statements (kBusy); a server that stays silent kSilence longer counts as gone.
  std::chrono::milliseconds statement{10'000};
};

/// `?` becomes $1, $2 …, but in quotes and comments. So the operators of jsonb with a `?` cannot be used.
std::string numbered_parameters(std::string_view statement);

/// One connection to PostgreSQL. Connects when it is first used, and again when it is used after it was lost; but never
/// in the middle of a transaction: there everything fails until rollback() or begin().
/// Values:  integers and booleans are std::int64_t, bytea is Blob, everything else is the text that PostgreSQL prints.
/// A
///          text with a NUL is refused, as PostgreSQL has no such texts.
/// Errors:  kUnique; kFull (the server's disk); kBusy: may pass by itself (no connection, too many of them, a deadlock,
/// a
///          statement that took too long, a server that is stopping); kCorrupt. Unlike with SQLite nothing can be done
///          in a transaction after a failed statement.
/// Threads: one at a time. Blocks, at most as long as the options say.
/// Source:  https://www.postgresql.org/docs/15/libpq.html; libpq and not libpqxx, whose connections come back by
///          themselves, also in a transaction, and whose calls wait without end for a server that is stuck.
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

  void begin();
  /// If the connection is lost meanwhile, nobody knows whether it happened.
  void commit();
  void rollback() noexcept;

  /// As far as is known without asking.
  bool connected() const noexcept { return connection_ != nullptr; }
  void disconnect() noexcept;

  static constexpr std::chrono::milliseconds kSilence{2000};

 private:
  struct Closer {
    void operator()(pg_conn* connection) const noexcept;
    void operator()(pg_result* result) const noexcept;
  };
  using Answer = std::unique_ptr<pg_result, Closer>;
  struct Prepared {
    std::string text;
    std::string name;
  };

  void connect();
  void require();
  const std::string& prepared(std::string_view statement);
  Answer await(bool sent);
  Answer simple(const std::string& statements);
  void throw_if_failed(const Answer& answer);
  [[noreturn]] void lose(std::string why);

  const PgOptions options_;
  std::unique_ptr<pg_conn, Closer> connection_;
  std::list<Prepared> newest_first_;
  std::unordered_map<std::string_view, std::list<Prepared>::iterator> by_text_;
  std::uint64_t names_ = 0;
  std::int64_t changes_ = 0;
  bool in_transaction_ = false;
  bool lost_in_transaction_ = false;
};

}  // namespace parley::store
