#include "pg_connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace parley::store {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kStatementsMax = 128;

// From PostgreSQL's catalogue; they never change.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kNumeric = 1700;

SqlError::Kind kind_of(std::string_view state) {
  const std::string_view group = state.substr(0, 2);
  if (state == "23505") return SqlError::Kind::kUnique;
  if (state == "53100") return SqlError::Kind::kFull;
  if (state == "XX001" || state == "XX002") return SqlError::Kind::kCorrupt;
  if (group == "08" || group == "40" || group == "53" || group == "57" || state == "55P03")
    return SqlError::Kind::kBusy;
  return SqlError::Kind::kOther;
}

/// One line; libpq ends its messages with line breaks and sometimes has several.
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

std::string unescaped(std::string_view hex) {
  auto nibble = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); };
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 2; i + 1 < hex.size(); i += 2)  // after \x
    bytes.push_back(static_cast<char>(nibble(hex[i]) << 4 | nibble(hex[i + 1])));
  return bytes;
}

SqlValue value_of(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column)) return nullptr;
  const std::string_view text(PQgetvalue(result, row, column),
                              static_cast<std::size_t>(PQgetlength(result, row, column)));
  switch (PQftype(result, column)) {
    case kBool:
      return std::int64_t{text == "t" ? 1 : 0};
    case kBytea:
      return Blob{unescaped(text)};
    case kInt8:
    case kInt4:
    case kInt2:
    case kOid:
    case kNumeric: {  // what sum() of integers is
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc() && end == text.data() + text.size()) return number;
      return std::string(text);
    }
    default:
      return std::string(text);
  }
}

/// Parameters as libpq wants them. Numbers and texts go as text and bytes as bytes; the server finds the types.
class Parameters {
 public:
  explicit Parameters(std::span<const SqlValue> values) : numbers_(values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const char* data = nullptr;
      std::size_t size = 0;
      bool binary = false;
      if (auto* number = std::get_if<std::int64_t>(&values[i])) {
        numbers_[i] = std::to_string(*number);
        data = numbers_[i].c_str();
      } else if (auto* text = std::get_if<std::string>(&values[i])) {
        if (text->find('\0') != std::string::npos)
          throw SqlError(SqlError::Kind::kOther, "a text with a NUL cannot be stored");
        data = text->c_str();
      } else if (auto* blob = std::get_if<Blob>(&values[i])) {
        data = blob->bytes.c_str();
        size = blob->bytes.size();
        binary = true;
      }
      data_.push_back(data);
      sizes_.push_back(static_cast<int>(size));
      formats_.push_back(binary ? 1 : 0);
    }
  }
  int count() const { return static_cast<int>(data_.size()); }
  const char* const* data() const { return data_.data(); }
  const int* sizes() const { return sizes_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  std::vector<std::string> numbers_;
  std::vector<const char*> data_;
  std::vector<int> sizes_, formats_;
};

}  // namespace

std::string numbered_parameters(std::string_view statement) {
  std::string out;
  out.reserve(statement.size() + 16);
  int number = 0;
  char quote = 0;  // ' or " while inside, - in a comment
  for (std::size_t i = 0; i < statement.size(); ++i) {
    const char c = statement[i];
    if (quote == '-') {
      if (c == '\n') quote = 0;
    } else if (quote != 0) {
      if (c == quote) quote = 0;  // a doubled one opens again with the next character
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '-' && i + 1 < statement.size() && statement[i + 1] == '-') {
      quote = '-';
    } else if (c == '?') {
      out += '$' + std::to_string(++number);
      continue;
    }
    out.push_back(c);
  }
  return out;
}

void PgConnection::Closer::operator()(pg_conn* connection) const noexcept { PQfinish(connection); }
void PgConnection::Closer::operator()(pg_result* result) const noexcept { PQclear(result); }

PgConnection::PgConnection(PgOptions options) : options_(std::move(options)) {}
PgConnection::~PgConnection() = default;

void PgConnection::connect() {
  const std::string wait = std::to_string((options_.connect.count() + 999) / 1000);
  const std::string unsent = std::to_string(options_.statement.count());
  // Later ones win: first what conninfo may change, then conninfo, then what we rely on.
  const std::pair<const char*, const char*> parameters[] = {{"connect_timeout", wait.c_str()},
                                                            {"keepalives", "1"},
                                                            {"keepalives_idle", "10"},
                                                            {"keepalives_interval", "5"},
                                                            {"keepalives_count", "3"},
                                                            {"tcp_user_timeout", unsent.c_str()},
                                                            {"fallback_application_name", "parley"},
                                                            {"dbname", options_.conninfo.c_str()},
                                                            {"client_encoding", "UTF8"}};
  std::vector<const char*> names, values;
  for (const auto& [name, value] : parameters) {
    names.push_back(name);
    values.push_back(value);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
  if (!connection_ || PQstatus(connection_.get()) != CONNECTION_OK)
    lose(connection_ ? PQerrorMessage(connection_.get()) : "out of memory");
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  if (PQsetnonblocking(connection_.get(), 1) != 0) lose(PQerrorMessage(connection_.get()));
  const std::string limit = std::to_string(options_.statement.count());
  std::string setup =
      "set statement_timeout = " + limit + "; set idle_in_transaction_session_timeout = " + limit +
      "; set timezone = 'UTC'; set bytea_output = hex; set standard_conforming_strings = on; set jit = off";
  // Plans are kept for long. A month that was empty when its pages were planned must not be read as a whole later, and
  // the newest page of a long conversation must not begin with sorting all of it.
  if (options_.read_only)
    setup += "; set default_transaction_read_only = on; set enable_seqscan = off; set enable_sort = off";
  try {
    simple(setup);
  } catch (...) {
    disconnect();
    throw;
  }
}

void PgConnection::disconnect() noexcept {
  by_text_.clear();
  newest_first_.clear();
  connection_.reset();
  if (in_transaction_) lost_in_transaction_ = true;
  in_transaction_ = false;
}

void PgConnection::lose(std::string why) {
  disconnect();
  throw SqlError(SqlError::Kind::kBusy, "PostgreSQL: " + one_line(why));
}

void PgConnection::require() {
  if (lost_in_transaction_)
    throw SqlError(SqlError::Kind::kBusy, "PostgreSQL: the connection was lost in the middle of the transaction");
  if (!connection_) connect();
}

void PgConnection::throw_if_failed(const Answer& answer) {
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return;
  const char* state = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  const char* primary = PQresultErrorField(answer.get(), PG_DIAG_MESSAGE_PRIMARY);
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    lose(primary ? std::string(primary) : PQerrorMessage(connection_.get()));
  }
  if (!state) state = "?????";
  // Without the detail, which quotes what was to be stored.
  std::string text = one_line(primary ? primary : PQresultErrorMessage(answer.get()));
  text += " (PostgreSQL " + std::string(state) + ")";
  // Its statements are unknown there (a pooler gave us another session), or their tables have changed.
  if (std::strcmp(state, "26000") == 0 || std::strcmp(state, "0A000") == 0) {
    by_text_.clear();
    newest_first_.clear();
  }
  throw SqlError(kind_of(state), text);
}

/// Waits for all results of what was sent: the first failure, else the last one.
PgConnection::Answer PgConnection::await(bool sent) {
  PGconn* const connection = connection_.get();
  if (!sent) lose(PQerrorMessage(connection));
  const Clock::time_point deadline = Clock::now() + options_.statement + kSilence;
  Answer kept;
  bool failed = false;
  for (;;) {
    const int unsent = PQflush(connection);
    if (unsent < 0) lose(PQerrorMessage(connection));
    if (unsent == 0 && PQisBusy(connection) == 0) {
      Answer next(PQgetResult(connection));
      if (!next) break;
      const ExecStatusType status = PQresultStatus(next.get());
      const bool bad = status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY;
      if (!failed) kept = std::move(next);
      failed = failed || bad;
      // Behind an end of the connection libpq may go on answering.
      if (bad && PQstatus(connection) == CONNECTION_BAD) break;
      continue;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) lose("no answer within " + std::to_string((options_.statement + kSilence).count()) + " ms");
    pollfd waited{PQsocket(connection), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    if (::poll(&waited, 1, static_cast<int>(std::min<std::int64_t>(left, INT32_MAX))) <= 0) continue;
    if ((waited.revents & ~POLLOUT) != 0 && PQconsumeInput(connection) == 0) {
      if (PQisBusy(connection) == 0) continue;
      if (failed) break;  // what the server said before it hung up tells more than that it did
      lose(PQerrorMessage(connection));
    }
  }
  if (!kept) lose("the server said nothing");
  throw_if_failed(kept);
  return kept;
}

PgConnection::Answer PgConnection::simple(const std::string& statements) {
  return await(PQsendQuery(connection_.get(), statements.c_str()) == 1);
}

void PgConnection::execute(const std::string& statements) {
  require();
  simple(statements);
}

const std::string& PgConnection::prepared(std::string_view statement) {
  if (auto found = by_text_.find(statement); found != by_text_.end()) {
    newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
    return found->second->name;
  }
  if (newest_first_.size() >= kStatementsMax) {
    simple("deallocate " + newest_first_.back().name);
    by_text_.erase(newest_first_.back().text);
    newest_first_.pop_back();
  }
  Prepared fresh{std::string(statement), "p" + std::to_string(++names_)};
  await(PQsendPrepare(connection_.get(), fresh.name.c_str(), numbered_parameters(statement).c_str(), 0, nullptr) == 1);
  newest_first_.push_front(std::move(fresh));
  by_text_.emplace(newest_first_.front().text, newest_first_.begin());
  return newest_first_.front().name;
}

std::vector<SqlRow> PgConnection::query(std::string_view statement, std::span<const SqlValue> values) {
  const Parameters parameters(values);
  require();
  const std::string& name = prepared(statement);
  const Answer answer = await(PQsendQueryPrepared(connection_.get(), name.c_str(), parameters.count(),
                                                  parameters.data(), parameters.sizes(), parameters.formats(), 0) == 1);
  changes_ = std::strtoll(PQcmdTuples(answer.get()), nullptr, 10);
  const int columns = PQnfields(answer.get());
  std::vector<SqlRow> rows;
  rows.reserve(static_cast<std::size_t>(PQntuples(answer.get())));
  for (int row = 0; row < PQntuples(answer.get()); ++row) {
    std::vector<SqlValue> fields;
    fields.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) fields.push_back(value_of(answer.get(), row, column));
    rows.emplace_back(std::move(fields));
  }
  return rows;
}

void PgConnection::begin() {
  lost_in_transaction_ = false;
  require();
  simple(options_.read_only ? "begin isolation level repeatable read read only" : "begin");
  in_transaction_ = true;
}

void PgConnection::commit() {
  require();
  const Answer answer = simple("commit");
  in_transaction_ = false;
  // PostgreSQL answers the commit of a failed transaction with its rollback, and no error.
  if (std::strcmp(PQcmdStatus(answer.get()), "COMMIT") != 0)
    throw SqlError(SqlError::Kind::kOther, "the transaction was rolled back by an earlier failure");
}

void PgConnection::rollback() noexcept {
  try {
    if (connection_ && in_transaction_) simple("rollback");
  } catch (const SqlError&) {
    disconnect();  // which ends the transaction too
  }
  in_transaction_ = lost_in_transaction_ = false;
}

}  // namespace parley::store
