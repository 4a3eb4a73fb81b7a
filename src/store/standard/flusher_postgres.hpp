#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace parley::store::standard {

class PgError : public std::runtime_error {
 public:
  enum class Kind {
    kConnection,  ///< it is gone, or nothing came in time; of a commit the outcome is unknown
    kData,        ///< PostgreSQL refuses a value: the same again would fail again
    kOther,       ///< trying later may help
  };
  PgError(Kind k, const std::string& what) : std::runtime_error(what), kind(k) {}
  Kind kind;
};

/// Rows in text format. A column that is NULL reads as 0 and "".
class PgRows {
 public:
  explicit PgRows(pg_result* result);
  int size() const;
  bool null(int row, int column) const;
  std::int64_t i64(int row, int column) const;
  std::uint64_t u64(int row, int column) const { return static_cast<std::uint64_t>(i64(row, column)); }
  std::string_view text(int row, int column) const;
  std::string bytes(int row, int column) const;  ///< of a bytea
  std::uint64_t affected() const;                ///< rows changed

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

/// One connection for bulk work, over libpq itself: libpqxx 6 can neither COPY in binary nor give up on a server that
/// stopped answering. Every wait ends after `answer`, or as soon as `give_up` says so; the connection is then dropped.
/// One thread at a time.
class PgSession {
 public:
  PgSession(std::string conninfo, std::chrono::milliseconds answer, std::function<bool()> give_up);
  ~PgSession();
  bool connected() const noexcept { return connection_ != nullptr; }
  /// Throws PgError, as all below do.
  void connect();
  void disconnect() noexcept;
  /// Parameters are $1 … in text format; a statement without any may be several.
  PgRows query(const char* statement, const std::vector<std::string>& parameters = {});
  /// `data` is a whole binary COPY stream.
  void copy_in(const char* statement, std::string_view data);

 private:
  pg_result* wait_result();
  PgRows results();
  void wait_socket(bool write);
  [[noreturn]] void lost(const std::string& what);

  const std::string conninfo_;
  const std::chrono::milliseconds answer_;
  const std::function<bool()> give_up_;
  pg_conn* connection_ = nullptr;
  std::chrono::steady_clock::time_point deadline_;
};

/// A transaction; rolled back unless committed.
class PgTransaction {
 public:
  explicit PgTransaction(PgSession& session);
  ~PgTransaction();
  void commit();

 private:
  PgSession& session_;
  bool done_ = false;
};

/// A binary COPY stream, big endian: https://www.postgresql.org/docs/15/sql-copy.html
class CopyRows {
 public:
  CopyRows();
  void row(std::int16_t columns);
  void null();
  void i64(std::int64_t value);
  void i32(std::int32_t value);
  void i16(std::int16_t value);
  void bytes(std::string_view value);
  void json(std::string_view value);  ///< a jsonb
  void i32_array(const std::vector<std::int32_t>& values);
  std::string_view finish();

 private:
  void put(std::uint64_t value, int width);
  std::string data_;
};

/// An array parameter of one row after the other, in text format, for unnest().
class PgArray {
 public:
  void add(std::int64_t value);
  void add(std::uint64_t value) { add(static_cast<std::int64_t>(value)); }
  void add_text(std::string_view value);
  void add_bytes(std::string_view value);  ///< of bytea[]
  void add_null();
  std::string finish() { return (text_.empty() ? "{" : std::move(text_)) + "}"; }

 private:
  void next() { text_ += text_.empty() ? '{' : ','; }
  std::string text_;
};

}  // namespace parley::store::standard
