#include "pg_error.hpp"

#include <pqxx/except>

namespace parley::store {
namespace {

SqlError::Kind kind_of(std::string_view state) {
  const std::string_view group = state.substr(0, 2);
  if (state == "23505") return SqlError::Kind::kUnique;
  if (state == "53100") return SqlError::Kind::kFull;
  if (state == "XX001" || state == "XX002") return SqlError::Kind::kCorrupt;
  if (group == "08" || group == "40" || group == "53" || group == "57" || state == "55P03")
    return SqlError::Kind::kBusy;
  return SqlError::Kind::kOther;
}

/// Without "ERROR:  ", in whatever language.
std::string without_severity(std::string text) {
  const std::size_t end = text.find(":  ");
  if (end == std::string::npos || text.find(' ') < end) return text;
  return text.substr(end + 3);
}

PgError refusal(const std::string& state, const std::exception& error) {
  return {state, without_severity(one_line(error.what()))};
}

}  // namespace

PgError::PgError(std::string sqlstate, const std::string& what)
    : SqlError(kind_of(sqlstate), what + " (PostgreSQL " + (sqlstate.empty() ? "?????" : sqlstate) + ")"),
      sqlstate_(std::move(sqlstate)) {}

PgError PgError::lost(const std::string& what, bool silent) {
  return {Kind::kBusy, "PostgreSQL: " + (what.empty() ? "the connection was lost" : one_line(what)), silent};
}

bool PgError::refuses_data() const noexcept { return sqlstate_.starts_with("22") || sqlstate_ == "54000"; }

PgError current_pg_error() {
  try {
    throw;
  } catch (const pqxx::insufficient_privilege& error) {  // these come without their state
    return refusal("42501", error);
  } catch (const pqxx::sql_error& error) {
    return refusal(error.sqlstate(), error);
  } catch (const pqxx::serialization_failure& error) {
    return refusal("40001", error);
  } catch (const pqxx::statement_completion_unknown& error) {
    return refusal("40003", error);
  } catch (const pqxx::deadlock_detected& error) {
    return refusal("40P01", error);
  } catch (const pqxx::transaction_rollback& error) {
    return refusal("40000", error);
  } catch (const pqxx::too_many_connections& error) {
    return refusal("53300", error);
  } catch (const pqxx::broken_connection& error) {
    return refusal("08000", error);
  } catch (const pqxx::failure& error) {
    return refusal({}, error);
  }
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      if (!line.empty() && line.back() != ' ') line.push_back(' ');
    } else {
      line.push_back(c);
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace parley::store
