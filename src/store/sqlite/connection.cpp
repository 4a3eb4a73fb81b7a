#include "connection.hpp"

#include <cerrno>

namespace parley::store {
namespace {

constexpr std::size_t kStatementsMax = 128;
constexpr int kBusyMs = 10'000;  // a checkpoint that restarts the WAL holds the write lock for some milliseconds

SqlError::Kind kind_of(int rc, int system_errno) {
  switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
      return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID
                 ? SqlError::Kind::kUnique
                 : SqlError::Kind::kOther;
    case SQLITE_FULL:
      return SqlError::Kind::kFull;
    case SQLITE_IOERR:
      return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG ? SqlError::Kind::kFull
                                                                                       : SqlError::Kind::kOther;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return SqlError::Kind::kBusy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return SqlError::Kind::kCorrupt;
    default:
      return SqlError::Kind::kOther;
  }
}

}  // namespace

Connection::Connection(const std::filesystem::path& file, const Options& options) {
  const int flags = (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int rc = sqlite3_open_v2(file.c_str(), &db_, flags, options.vfs.empty() ? nullptr : options.vfs.c_str());
  try {
    if (rc != SQLITE_OK) fail(rc);
    sqlite3_busy_timeout(db_, kBusyMs);
    if (!options.read_only) {
      execute("pragma journal_mode = wal");
      execute("pragma wal_autocheckpoint = 0");
    }
    execute(options.synchronous_off ? "pragma synchronous = off" : "pragma synchronous = full");
    execute("pragma foreign_keys = on");
    execute("pragma temp_store = memory");
    execute(("pragma cache_size = -" + std::to_string(options.cache_kib)).c_str());
  } catch (...) {
    sqlite3_close_v2(db_);
    throw;
  }
}

Connection::~Connection() { sqlite3_close_v2(db_); }

void Connection::execute(const char* sql) {
  const int rc = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) fail(rc);
}

void Connection::rollback() noexcept {
  // After some errors SQLite has already rolled back by itself.
  if (in_transaction()) sqlite3_exec(db_, "rollback", nullptr, nullptr, nullptr);
}

void Connection::fail(int rc) const {
  std::string text = db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(rc);
  text += " (SQLite " + std::to_string(rc) + ")";
  throw SqlError(kind_of(rc, db_ ? sqlite3_system_errno(db_) : 0), text);
}

Statement::Statement(Connection& db, std::string_view sql) : db_(db) {
  check(sqlite3_prepare_v3(db.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement_, nullptr));
}

bool Statement::step() {
  const int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  sqlite3_reset(statement_);
  if (rc != SQLITE_DONE) db_.fail(rc);
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

Statement& SqliteSql::prepared(std::string_view sql) {
  if (auto found = by_text_.find(sql); found != by_text_.end()) {
    newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
    return found->second->statement;
  }
  newest_first_.emplace_front(db_, sql);
  by_text_.emplace(newest_first_.front().text, newest_first_.begin());
  if (newest_first_.size() > kStatementsMax) {
    by_text_.erase(newest_first_.back().text);
    newest_first_.pop_back();
  }
  return newest_first_.front().statement;
}

std::vector<SqlRow> SqliteSql::query(std::string_view sql, std::span<const SqlValue> parameters) {
  Statement& statement = prepared(sql);
  ResetAtEnd reset(statement);
  int index = 0;
  for (const SqlValue& value : parameters) {
    ++index;
    if (auto* number = std::get_if<std::int64_t>(&value)) {
      statement.bind(index, *number);
    } else if (auto* text = std::get_if<std::string>(&value)) {
      statement.bind_text(index, *text);
    } else if (auto* blob = std::get_if<Blob>(&value)) {
      statement.bind_blob(index, blob->bytes);
    } else {
      statement.bind_null(index);
    }
  }
  std::vector<SqlRow> rows;
  while (statement.step()) {
    std::vector<SqlValue> values;
    const int columns = statement.columns();
    values.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      switch (sqlite3_column_type(statement.handle(), i)) {
        case SQLITE_INTEGER:
          values.emplace_back(statement.i64(i));
          break;
        case SQLITE_NULL:
          values.emplace_back(nullptr);
          break;
        case SQLITE_BLOB:
          values.emplace_back(Blob{std::string(statement.bytes(i))});
          break;
        default:
          values.emplace_back(std::string(statement.bytes(i)));
          break;
      }
    }
    rows.emplace_back(std::move(values));
  }
  changes_ = sqlite3_changes64(db_.handle());
  return rows;
}

}  // namespace parley::store
