#include "standard/flusher_postgres.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <charconv>
#include <cstdlib>
#include <optional>

#include "parley/base/bytes.hpp"

namespace parley::store::standard {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kPollMs = 100;  // so often is give_up asked
constexpr std::size_t kCopyPiece = 64 * 1024;
constexpr const char* kConnectSeconds = "5";

PgError::Kind kind_of(std::string_view state) {
  const std::string_view group = state.substr(0, 2);
  if (group == "22" || state == "54000") return PgError::Kind::kData;
  if (group == "08" || group == "57") return PgError::Kind::kConnection;
  return PgError::Kind::kOther;
}

/// The first line: what follows are details that may quote the data.
std::string first_line(const char* message) {
  const std::string_view text = message ? message : "";
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

PgRows::PgRows(pg_result* result) : result_(result) {}
void PgRows::Clear::operator()(pg_result* result) const noexcept { PQclear(result); }
int PgRows::size() const { return PQntuples(result_.get()); }
bool PgRows::null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
std::string_view PgRows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::int64_t PgRows::i64(int row, int column) const {
  std::int64_t value = 0;
  const std::string_view digits = text(row, column);
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
std::string PgRows::bytes(int row, int column) const {
  std::string out;
  std::size_t size = 0;
  const std::string_view hex = text(row, column);
  unsigned char* plain = PQunescapeBytea(reinterpret_cast<const unsigned char*>(hex.data()), &size);
  if (plain) out.assign(reinterpret_cast<const char*>(plain), size);
  PQfreemem(plain);
  return out;
}
std::uint64_t PgRows::affected() const { return std::strtoull(PQcmdTuples(result_.get()), nullptr, 10); }

PgSession::PgSession(std::string conninfo, std::chrono::milliseconds answer, std::function<bool()> give_up)
    : conninfo_(std::move(conninfo)), answer_(answer), give_up_(std::move(give_up)) {}
PgSession::~PgSession() { disconnect(); }

void PgSession::connect() {
  disconnect();
  // What stands before dbname are defaults, which the words of the operator override.
  const char* const keys[] = {"connect_timeout", "fallback_application_name", "dbname", nullptr};
  const char* const values[] = {kConnectSeconds, "parley", conninfo_.c_str(), nullptr};
  connection_ = PQconnectdbParams(keys, values, 1);
  if (PQstatus(connection_) != CONNECTION_OK) lost(first_line(PQerrorMessage(connection_)));
  PQsetnonblocking(connection_, 1);
  PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
  query("set client_encoding to 'UTF8'; set bytea_output to 'hex'");
}

void PgSession::disconnect() noexcept {
  PQfinish(connection_);
  connection_ = nullptr;
}

void PgSession::lost(const std::string& what) {
  const std::string reason = what.empty() ? "the connection to PostgreSQL was lost" : what;
  disconnect();
  throw PgError(PgError::Kind::kConnection, reason);
}

void PgSession::wait_socket(bool write) {
  if (PQsocket(connection_) < 0) lost({});
  pollfd waited{PQsocket(connection_), static_cast<short>(write ? POLLIN | POLLOUT : POLLIN), 0};
  for (;;) {
    if (::poll(&waited, 1, kPollMs) != 0) return;
    if (Clock::now() >= deadline_) lost("PostgreSQL does not answer");
    if (give_up_()) lost("given up, because the store stops");
  }
}

/// The next result of the command; null behind the last one.
pg_result* PgSession::wait_result() {
  for (int unsent = PQflush(connection_); unsent != 0; unsent = PQflush(connection_)) {
    if (unsent < 0) lost(first_line(PQerrorMessage(connection_)));
    wait_socket(true);
    if (PQconsumeInput(connection_) == 0) lost(first_line(PQerrorMessage(connection_)));
  }
  while (PQisBusy(connection_) != 0) {
    wait_socket(false);
    if (PQconsumeInput(connection_) == 0) lost(first_line(PQerrorMessage(connection_)));
  }
  return PQgetResult(connection_);
}

/// Takes the results of the command to the last one, or to where COPY begins; throws the first error among them.
PgRows PgSession::results() {
  std::optional<PgError> error;
  PgRows last(nullptr);
  while (pg_result* result = wait_result()) {
    last = PgRows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) break;
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || error) continue;
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    error.emplace(kind_of(state ? state : "08"), first_line(PQresultErrorMessage(result)));
  }
  if (!error) return last;
  if (error->kind == PgError::Kind::kConnection) lost(error->what());
  throw PgError(*error);
}

PgRows PgSession::query(const char* statement, const std::vector<std::string>& parameters) {
  if (!connection_) lost({});
  deadline_ = Clock::now() + answer_;
  int sent = 0;
  if (parameters.empty()) {
    sent = PQsendQuery(connection_, statement);
  } else {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
    sent = PQsendQueryParams(connection_, statement, static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                             nullptr, 0);
  }
  if (sent == 0) lost(first_line(PQerrorMessage(connection_)));
  return results();
}

void PgSession::copy_in(const char* statement, std::string_view data) {
  if (!connection_) lost({});
  deadline_ = Clock::now() + answer_;
  if (PQsendQuery(connection_, statement) == 0) lost(first_line(PQerrorMessage(connection_)));
  results();
  auto wait_room = [&](int put) {
    if (put < 0) lost(first_line(PQerrorMessage(connection_)));
    if (put > 0) return false;
    wait_socket(true);
    if (PQconsumeInput(connection_) == 0) lost(first_line(PQerrorMessage(connection_)));
    return true;
  };
  for (; !data.empty(); data.remove_prefix(std::min(kCopyPiece, data.size()))) {
    const auto piece = static_cast<int>(std::min(kCopyPiece, data.size()));
    while (wait_room(PQputCopyData(connection_, data.data(), piece))) {
    }
  }
  while (wait_room(PQputCopyEnd(connection_, nullptr))) {
  }
  results();
}

PgTransaction::PgTransaction(PgSession& session) : session_(session) { session_.query("begin"); }
PgTransaction::~PgTransaction() {
  if (done_ || !session_.connected()) return;
  try {
    session_.query("rollback");
  } catch (const PgError&) {
    session_.disconnect();
  }
}
void PgTransaction::commit() {
  done_ = true;
  session_.query("commit");
}

CopyRows::CopyRows() : data_("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19) {}
void CopyRows::put(std::uint64_t value, int width) {
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) data_.push_back(static_cast<char>(value >> shift));
}
void CopyRows::row(std::int16_t columns) { put(static_cast<std::uint16_t>(columns), 2); }
void CopyRows::null() { put(0xFFFFFFFF, 4); }
void CopyRows::i64(std::int64_t value) {
  put(8, 4);
  put(static_cast<std::uint64_t>(value), 8);
}
void CopyRows::i32(std::int32_t value) {
  put(4, 4);
  put(static_cast<std::uint32_t>(value), 4);
}
void CopyRows::i16(std::int16_t value) {
  put(2, 4);
  put(static_cast<std::uint16_t>(value), 2);
}
void CopyRows::bytes(std::string_view value) {
  put(value.size(), 4);
  data_ += value;
}
void CopyRows::json(std::string_view value) {
  put(value.size() + 1, 4);
  put(1, 1);  // version of the format
  data_ += value;
}
void CopyRows::i32_array(const std::vector<std::int32_t>& values) {
  constexpr std::uint64_t kInt4 = 23;  // its oid
  if (values.empty()) {
    put(12, 4);
    put(0, 4);
    put(0, 4);
    put(kInt4, 4);
    return;
  }
  put(20 + values.size() * 8, 4);
  put(1, 4);  // dimensions
  put(0, 4);  // no NULLs
  put(kInt4, 4);
  put(values.size(), 4);
  put(1, 4);  // lower bound
  for (const std::int32_t value : values) i32(value);
}
std::string_view CopyRows::finish() {
  put(0xFFFF, 2);
  return data_;
}

void PgArray::add(std::int64_t value) {
  next();
  text_ += std::to_string(value);
}
void PgArray::add_text(std::string_view value) {
  next();
  text_ += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}
void PgArray::add_bytes(std::string_view value) {
  next();
  text_ += "\"\\\\x";
  text_ += hex_encode(value);
  text_ += '"';
}
void PgArray::add_null() {
  next();
  text_ += "NULL";
}

}  // namespace parley::store::standard
