#include "pg_connection.hpp"

#include <algorithm>
#include <charconv>
#include <list>
#include <pqxx/nontransaction>
#include <unordered_map>

#include "parley/base/bytes.hpp"
#include "pg_link.hpp"

namespace parley::store {
namespace {

using Clock = PgWatchdog::Clock;

constexpr std::size_t kStatementsMax = 128;
constexpr std::size_t kCopyPiece = 64 * 1024;

// From PostgreSQL's catalogue; they never change.
constexpr pqxx::oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kNumeric = 1700;

SqlValue value_of(const pqxx::field& field, pqxx::oid type) {
  if (field.is_null()) return nullptr;
  const std::string_view text(field.c_str(), field.size());
  switch (type) {
    case kBool:
      return std::int64_t{text == "t" ? 1 : 0};
    case kBytea:
      return Blob{bytes_of_hex(text)};
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

const char* checked(const std::string& text) {
  if (text.find('\0') != std::string::npos) throw PgError("22021", "a text with a NUL cannot be stored");
  return text.c_str();
}

/// Parameters in text form; the server finds the types.
class Parameters {
 public:
  explicit Parameters(std::span<const SqlValue> values) : made_(values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const char* text = nullptr;
      if (auto* number = std::get_if<std::int64_t>(&values[i])) {
        text = (made_[i] = std::to_string(*number)).c_str();
      } else if (auto* words = std::get_if<std::string>(&values[i])) {
        text = checked(*words);
      } else if (auto* blob = std::get_if<Blob>(&values[i])) {
        text = (made_[i] = "\\x" + hex_encode(blob->bytes)).c_str();
      }
      texts_.push_back(text);
    }
  }
  explicit Parameters(const std::vector<std::string>& values) {
    for (const std::string& value : values) texts_.push_back(checked(value));
  }
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;
  auto all() const { return pqxx::prepare::make_dynamic_params(texts_); }

 private:
  std::vector<std::string> made_;
  std::vector<const char*> texts_;  // null: NULL
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

/// One connection, and what is known of it.
struct PgConnection::Session {
  Session(const PgOptions& options, PgWatchdog& dog)
      : link(options.conninfo, options.connect, options.statement), work(link), watch(dog, link.sock()) {}

  struct Prepared {
    std::string text;
    std::string name;
  };
  void forget_prepared() {
    by_text.clear();
    newest_first.clear();
  }

  PgLink link;
  pqxx::nontransaction work;
  PgWatchdog::Watch watch;
  std::list<Prepared> newest_first;
  std::unordered_map<std::string_view, std::list<Prepared>::iterator> by_text;
  std::uint64_t names = 0;
};

PgConnection::PgConnection(PgOptions options)
    : options_(std::move(options)), watchdog_(options_.watchdog ? options_.watchdog : std::make_shared<PgWatchdog>()) {}
PgConnection::~PgConnection() = default;

void PgConnection::connect() {
  if (was_connected_ && !options_.reconnects) throw PgError::lost("the connection was lost");
  try {
    session_ = std::make_unique<Session>(options_, *watchdog_);
  } catch (const std::exception& error) {
    throw PgError::lost(error.what());
  }
  was_connected_ = true;
  const std::string limit = std::to_string(options_.statement.count());
  std::string setup = "set statement_timeout = " + limit + "; set idle_in_transaction_session_timeout = " + limit +
                      "; set timezone = 'UTC'; set bytea_output = hex; set "
                      "standard_conforming_strings = on; set jit = off";
  // Plans are kept for long. A month that was empty when its pages were planned must not be read as a whole later, and
  // the newest page of a long conversation must not begin with sorting all of it.
  if (options_.read_only)
    setup +=
        "; set default_transaction_read_only = on; set enable_seqscan = "
        "off; set enable_sort = off";
  try {
    simple(setup);
  } catch (...) {
    disconnect();
    throw;
  }
}

void PgConnection::disconnect() noexcept {
  session_.reset();
  if (in_transaction_) lost_in_transaction_ = true;
  in_transaction_ = false;
}

void PgConnection::lose(const std::string& why, bool silent) {
  session_->watch.cut();
  disconnect();
  throw PgError::lost(why, silent);
}

void PgConnection::require() {
  if (lost_in_transaction_) throw PgError::lost("the connection was lost in the middle of the transaction");
  if (!session_) connect();
}

template <class Work>
auto PgConnection::guarded(Work work) -> decltype(work(std::declval<Session&>())) {
  session_->watch.arm(Clock::now() + options_.statement + kSilence);
  try {
    auto done = work(*session_);
    if (!session_->watch.disarm()) throw pqxx::broken_connection();
    return done;
  } catch (...) {
    fail();
  }
}

void PgConnection::fail() {
  const bool silent = !session_->watch.disarm();
  const std::string reason = session_->link.reason();
  const PgError error = current_pg_error();
  if (silent) lose("no answer within " + std::to_string((options_.statement + kSilence).count()) + " ms", true);
  if (!session_->link.is_open()) lose(reason);
  failed_ = true;
  // Its statements are unknown there (a pooler gave us another session), or their tables have changed.
  if (error.sqlstate() == "26000" || error.sqlstate() == "0A000") session_->forget_prepared();
  throw error;
}

void PgConnection::simple(const std::string& statements) {
  guarded([&](Session& session) { return session.work.exec(statements); });
}

void PgConnection::execute(const std::string& statements) {
  require();
  simple(statements);
}

const std::string& PgConnection::prepared(std::string_view statement) {
  Session& session = *session_;
  if (const auto found = session.by_text.find(statement); found != session.by_text.end()) {
    session.newest_first.splice(session.newest_first.begin(), session.newest_first, found->second);
    return found->second->name;
  }
  if (session.newest_first.size() >= kStatementsMax) {
    const auto oldest = std::prev(session.newest_first.end());
    guarded([&](Session& it) {
      it.link.unprepare(oldest->name);
      return true;
    });
    session.by_text.erase(oldest->text);
    session.newest_first.erase(oldest);
  }
  const std::string name = "p" + std::to_string(++session.names);
  guarded([&](Session& it) {
    it.link.prepare(name, numbered_parameters(statement));
    it.link.prepare_now(name);
    return true;
  });
  session.newest_first.push_front({std::string(statement), name});
  session.by_text.emplace(session.newest_first.front().text, session.newest_first.begin());
  return session.newest_first.front().name;
}

std::vector<SqlRow> PgConnection::query(std::string_view statement, std::span<const SqlValue> values) {
  const Parameters parameters(values);
  require();
  const std::string& name = prepared(statement);
  const pqxx::result result =
      guarded([&](Session& session) { return session.work.exec_prepared(name, parameters.all()); });
  changes_ = static_cast<std::int64_t>(result.affected_rows());
  std::vector<pqxx::oid> types;
  for (pqxx::row_size_type column = 0; column < result.columns(); ++column) types.push_back(result.column_type(column));
  std::vector<SqlRow> rows;
  rows.reserve(result.size());
  for (const pqxx::row& row : result) {
    std::vector<SqlValue> fields;
    fields.reserve(types.size());
    for (pqxx::row_size_type column = 0; column < types.size(); ++column)
      fields.push_back(value_of(row[column], types[column]));
    rows.emplace_back(std::move(fields));
  }
  return rows;
}

PgRows PgConnection::run(const std::string& statement, const std::vector<std::string>& values) {
  const Parameters parameters(values);
  require();
  return PgRows(guarded([&](Session& session) {
    return values.empty() ? session.work.exec(statement) : session.work.exec_params(statement, parameters.all());
  }));
}

void PgConnection::copy_in(const std::string& statement, std::string_view data) {
  require();
  simple(statement);
  for (; !data.empty(); data.remove_prefix(std::min(kCopyPiece, data.size()))) {
    guarded([&](Session& session) {
      session.link.copy_put(data.substr(0, kCopyPiece));
      return true;
    });
  }
  guarded([](Session& session) { return session.link.copy_end(); });
}

std::uint64_t PgConnection::copy_to(const std::string& out, PgConnection& to, const std::string& in) {
  require();
  to.require();
  simple(out);
  to.simple(in);
  std::string piece;
  while (guarded([&](Session& session) { return session.link.copy_next(piece); })) {
    to.guarded([&](Session& session) {
      session.link.copy_put(piece);
      return true;
    });
  }
  return to.guarded([](Session& session) { return session.link.copy_end(); });
}

void PgConnection::begin() {
  lost_in_transaction_ = false;
  require();
  simple(options_.read_only ? "begin isolation level repeatable read read only" : "begin");
  in_transaction_ = true;
  failed_ = false;
}

void PgConnection::commit() {
  require();
  // PostgreSQL would answer with the rollback, and no error.
  if (failed_) throw PgError("25P02", "the transaction was rolled back by an earlier failure");
  simple("commit");
  in_transaction_ = false;
}

void PgConnection::rollback() noexcept {
  try {
    if (session_ && in_transaction_) simple("rollback");
  } catch (const std::exception&) {
    disconnect();  // which ends the transaction too
  }
  in_transaction_ = lost_in_transaction_ = false;
}

}  // namespace parley::store
