#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "parley/store/sql.hpp"

namespace parley::store {

/// One SQLite connection. Threads: one at a time.
class Connection {
 public:
  struct Options {
    bool read_only = false;
    std::string vfs;               ///< empty: the system's
    bool synchronous_off = false;  ///< tests only: commits are not durable
    int cache_kib = 8192;
  };
  Connection(const std::filesystem::path& file, const Options& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Any number of statements without parameters or results. Throws SqlError.
  void execute(const char* sql);
  /// Ends an open transaction, if there is one; never throws.
  void rollback() noexcept;
  bool in_transaction() const noexcept { return sqlite3_get_autocommit(db_) == 0; }
  sqlite3* handle() const noexcept { return db_; }
  /// Throws the SqlError that belongs to the last failure.
  [[noreturn]] void fail(int rc) const;

 private:
  sqlite3* db_ = nullptr;
};

/// A prepared statement. bind() from 1, columns from 0, as in SQLite. Bound text and blobs must live until the
/// statement has run.
class Statement {
 public:
  Statement(Connection& db, std::string_view sql);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void bind(int i, std::int64_t value) { check(sqlite3_bind_int64(statement_, i, value)); }
  void bind(int i, std::uint64_t value) { check(sqlite3_bind_int64(statement_, i, static_cast<std::int64_t>(value))); }
  void bind_text(int i, std::string_view value) {
    check(
        sqlite3_bind_text64(statement_, i, value.data() ? value.data() : "", value.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  void bind_blob(int i, std::string_view value) {
    check(sqlite3_bind_blob64(statement_, i, value.data() ? value.data() : "", value.size(), SQLITE_STATIC));
  }
  void bind_null(int i) { check(sqlite3_bind_null(statement_, i)); }

  /// The next row; false (and reset) at the end. Throws SqlError.
  bool step();
  /// step() to the end.
  void run();
  void reset() noexcept { sqlite3_reset(statement_); }

  int columns() const { return sqlite3_column_count(statement_); }
  bool null(int i) const { return sqlite3_column_type(statement_, i) == SQLITE_NULL; }
  std::int64_t i64(int i) const { return sqlite3_column_int64(statement_, i); }
  std::uint64_t u64(int i) const { return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, i)); }
  std::string text(int i) const { return std::string(bytes(i)); }
  /// Text or blob; until the next step().
  std::string_view bytes(int i) const {
    const void* data = sqlite3_column_blob(statement_, i);
    return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(statement_, i))};
  }
  sqlite3_stmt* handle() const noexcept { return statement_; }

 private:
  void check(int rc) {
    if (rc != SQLITE_OK) db_.fail(rc);
  }
  Connection& db_;
  sqlite3_stmt* statement_ = nullptr;
};

/// Resets a statement whose rows were not read to the end.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

/// Begin immediate … commit; rolls back if it was not committed.
class Transaction {
 public:
  explicit Transaction(Connection& db) : db_(db) { db_.execute("begin immediate"); }
  ~Transaction() {
    if (!done_) db_.rollback();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    db_.execute("commit");
    done_ = true;
  }

 private:
  Connection& db_;
  bool done_ = false;
};

/// Sql over a connection; keeps the 128 last used statements prepared.
class SqliteSql final : public Sql {
 public:
  explicit SqliteSql(Connection& db) : db_(db) {}
  using Sql::query;
  std::vector<SqlRow> query(std::string_view statement, std::span<const SqlValue> parameters) override;
  std::int64_t changes() const override { return changes_; }

 private:
  struct Cached {
    std::string text;
    Statement statement;
    Cached(Connection& db, std::string_view sql) : text(sql), statement(db, sql) {}
  };
  Statement& prepared(std::string_view sql);
  Connection& db_;
  std::list<Cached> newest_first_;
  std::unordered_map<std::string_view, std::list<Cached>::iterator> by_text_;
  std::int64_t changes_ = 0;
};

}  // namespace parley::store
