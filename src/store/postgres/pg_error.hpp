#pragma once
#include <string>

#include "parley/store/sql.hpp"

namespace parley::store {

/// Why PostgreSQL did not do something. what() is one line, and never quotes what was to be stored.
class PgError : public SqlError {
 public:
  /// A refusal of the server.
  PgError(std::string sqlstate, const std::string& what);
  /// The connection is gone, or there never was one; `silent`: because nothing came in time. Of a commit the outcome is
  /// unknown.
  static PgError lost(const std::string& what, bool silent = false);

  const std::string& sqlstate() const noexcept { return sqlstate_; }  ///< empty: nothing is known
  /// It is the value: the same again would fail again.
  bool refuses_data() const noexcept;
  /// It was ended because it took too long, there or here.
  bool too_slow() const noexcept { return silent_ || sqlstate_ == "57014"; }

 private:
  PgError(Kind k, const std::string& what, bool silent) : SqlError(k, what), silent_(silent) {}
  std::string sqlstate_;
  bool silent_ = false;
};

/// The exception of libpqxx that is being handled. Only inside of a catch clause; throws it on if it is of no such
/// kind.
PgError current_pg_error();

/// One line; PostgreSQL and libpq end their messages with line breaks and sometimes have several.
std::string one_line(std::string_view text);

}  // namespace parley::store
