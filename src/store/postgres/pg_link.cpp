#include "pg_link.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <pqxx/except>
#include <utility>
#include <vector>

namespace parley::store {
namespace {

struct Clear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};

}  // namespace

PgLink::Policy::Policy(const std::string& conninfo, std::chrono::milliseconds connect, std::chrono::milliseconds unsent)
    : connectionpolicy(conninfo),
      connect_s_(std::to_string((connect.count() + 999) / 1000)),
      unsent_ms_(std::to_string(unsent.count())) {}

/// libpqxx asks again when a connection was lost, also in the middle of a transaction.
PgLink::Policy::handle PgLink::Policy::do_startconnect(handle present) {
  if (present) return present;
  if (std::exchange(used_, true)) throw pqxx::broken_connection("the connection was lost");
  // Later ones win: first what conninfo may change, then conninfo, then what we rely on.
  const std::pair<const char*, const char*> parameters[] = {{"connect_timeout", connect_s_.c_str()},
                                                            {"keepalives", "1"},
                                                            {"keepalives_idle", "10"},
                                                            {"keepalives_interval", "5"},
                                                            {"keepalives_count", "3"},
                                                            {"tcp_user_timeout", unsent_ms_.c_str()},
                                                            {"fallback_application_name", "parley"},
                                                            {"dbname", options().c_str()},
                                                            {"client_encoding", "UTF8"}};
  std::vector<const char*> names, values;
  for (const auto& [name, value] : parameters) {
    names.push_back(name);
    values.push_back(value);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  const handle fresh = PQconnectdbParams(names.data(), values.data(), 1);
  if (PQstatus(fresh) != CONNECTION_OK) {
    const std::string why = fresh ? PQerrorMessage(fresh) : "out of memory";
    PQfinish(fresh);
    throw pqxx::broken_connection(why);
  }
  return present_ = fresh;
}

PgLink::Policy::handle PgLink::Policy::do_disconnect(handle present) noexcept {
  present_ = nullptr;
  return connectionpolicy::do_disconnect(present);
}

PgLink::PgLink(const std::string& conninfo, std::chrono::milliseconds connect, std::chrono::milliseconds unsent)
    : connection_base(policy_), policy_(conninfo, connect, unsent) {
  try {
    init();
    set_verbosity(terse);  // without the details, which quote what was to be stored
  } catch (...) {
    close();
    throw;
  }
}

std::string PgLink::reason() const { return policy_.present() ? PQerrorMessage(policy_.present()) : ""; }

void PgLink::copy_put(std::string_view piece) {
  if (PQputCopyData(policy_.present(), piece.data(), static_cast<int>(piece.size())) != 1)
    throw pqxx::broken_connection(reason());
}

std::uint64_t PgLink::copy_end() {
  if (PQputCopyEnd(policy_.present(), nullptr) != 1) throw pqxx::broken_connection(reason());
  return copy_result();
}

bool PgLink::copy_next(std::string& piece) {
  char* data = nullptr;
  const int size = PQgetCopyData(policy_.present(), &data, 0);
  if (size < 0) {
    copy_result();
    return false;
  }
  piece.assign(data, static_cast<std::size_t>(size));
  PQfreemem(data);
  return true;
}

std::uint64_t PgLink::copy_result() {
  std::uint64_t rows = 0;
  std::string failure, state;
  while (PGresult* next = PQgetResult(policy_.present())) {
    const std::unique_ptr<PGresult, Clear> result(next);
    rows = std::strtoull(PQcmdTuples(next), nullptr, 10);
    if (PQresultStatus(next) == PGRES_COMMAND_OK || !failure.empty()) continue;
    const char* primary = PQresultErrorField(next, PG_DIAG_MESSAGE_PRIMARY);
    const char* code = PQresultErrorField(next, PG_DIAG_SQLSTATE);
    failure = primary ? primary : "COPY failed";
    state = code ? code : "";
  }
  if (!is_open()) throw pqxx::broken_connection(reason());
  if (!failure.empty()) throw pqxx::sql_error(failure, "COPY", state.c_str());
  return rows;
}

}  // namespace parley::store
