#include <unistd.h>

#include <chrono>
#include <stdexcept>

#include "parley/store/schema.hpp"
#include "sqlite/connection.hpp"
#include "sqlite/migrations.hpp"

namespace parley::store {
namespace {

/// A file that goes, with what SQLite puts beside it.
class CopyFile {
 public:
  explicit CopyFile(const std::filesystem::path& folder)
      : path_(folder / ("check-" + std::to_string(::getpid()) + ".db")) {
    remove();
  }
  ~CopyFile() { remove(); }
  CopyFile(const CopyFile&) = delete;
  CopyFile& operator=(const CopyFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  void remove() const {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + suffix, ignored);
  }
  const std::filesystem::path path_;
};

void copy(Connection& from, Connection& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (!backup) to.fail(sqlite3_errcode(to.handle()));
  const int rc = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  if (rc != SQLITE_DONE) to.fail(rc);
}

std::int64_t number(Connection& db, const char* sql) {
  Statement row(db, sql);
  return row.step() ? row.i64(0) : 0;
}

std::int64_t version_of(Connection& db) {
  if (number(db, "select count(*) from sqlite_master where type = 'table' and name = 'schema_version'") == 0) return 0;
  return number(db, "select coalesce(max(version), 0) from schema_version");
}

SchemaCheck check(const std::filesystem::path& file, const std::filesystem::path& folder) {
  Connection::Options reading;
  reading.read_only = true;
  Connection from(file, reading);
  SchemaCheck result;
  result.present = version_of(from);
  result.latest = migrations().back().version;
  if (result.present == result.latest) return result;
  CopyFile copied(folder);
  Connection db(copied.path(), Connection::Options());
  copy(from, db);
  result.rows = static_cast<std::uint64_t>(
      number(db, "select count(*) from sqlite_master where type = 'table' and name = 'message'") == 0
          ? 0
          : number(db, "select count(*) from message"));
  for (std::size_t known = 1; known <= migrations().size(); ++known) {
    const Migration& step = migrations()[known - 1];
    if (step.version <= result.present) continue;
    const auto begin = std::chrono::steady_clock::now();
    migrate(db, std::span(migrations()).first(known));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    result.steps.push_back({step.version, "migration " + std::to_string(step.version), took.count(), {}});
  }
  migrate(db, migrations());  // refuses a file of a newer program
  return result;
}

}  // namespace

SchemaCheck check_embedded_schema(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "parley.db";
  if (!std::filesystem::exists(file))
    throw std::runtime_error("store: there is no embedded store in " + folder.string() +
                             " yet; the first start makes it");
  try {
    return check(file, folder);
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: ") + error.what() + "; the store itself was not touched");
  }
}

}  // namespace parley::store
