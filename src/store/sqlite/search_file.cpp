#include "search_file.hpp"

#include <array>
#include <charconv>
#include <string_view>

namespace parley::store {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr int kCacheKib = 8192;
constexpr const char* kTables =
    "create table progress (only_row integer primary key check (only_row = 1), pos integer not null, id integer not "
    "null);"
    "insert into progress values (1, 0, 0);"
    "create virtual table pairs using fts5 (tokens, content = '', columnsize = 0, detail = none, tokenize = 'ascii');";

Connection::Options options() {
  Connection::Options options;
  options.cache_kib = kCacheKib;
  return options;
}

std::int64_t format_of(Connection& db) {
  Statement format(db, "pragma user_version");
  format.step();
  return format.i64(0);
}

/// The tokens as words of eight hexadecimal digits with `between` between them.
void write_words(std::string& out, const std::vector<std::int32_t>& tokens, std::string_view between) {
  out.clear();
  for (const std::int32_t token : tokens) {
    if (!out.empty()) out += between;
    std::array<char, 8> digits{};
    digits.fill('0');
    std::array<char, 8> written{};
    const auto end =
        std::to_chars(written.data(), written.data() + written.size(), static_cast<std::uint32_t>(token), 16).ptr;
    const auto count = static_cast<std::size_t>(end - written.data());
    std::copy(written.data(), end, digits.data() + (digits.size() - count));
    out.append(digits.data(), digits.size());
  }
}

}  // namespace

bool SearchFile::available() {
  try {
    Connection db(":memory:", Connection::Options());
    db.execute("create virtual table probe using fts5 (words)");
    return true;
  } catch (const SqlError&) {
    return false;
  }
}

void SearchFile::erase(const std::filesystem::path& file) {
  std::error_code ignored;  // what cannot be removed shows when the file is opened
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix, ignored);
}

SearchFile::SearchFile(const std::filesystem::path& file) : db_(file, options()) {
  db_.execute("pragma synchronous = normal; pragma wal_autocheckpoint = 1000");
  if (const std::int64_t format = format_of(db_); format == 0) {
    Transaction change(db_);
    db_.execute(kTables);
    db_.execute(("pragma user_version = " + std::to_string(kFormat)).c_str());
    change.commit();
  } else if (format != kFormat) {
    throw SqlError(SqlError::Kind::kCorrupt, "the search index has format " + std::to_string(format));
  }
  progress_.emplace(db_, "select pos, id from progress");
  save_.emplace(db_, "update progress set pos = ?, id = ?");
  add_.emplace(db_, "insert into pairs (rowid, tokens) values (?, ?)");
  remove_.emplace(db_, "insert into pairs (pairs, rowid, tokens) values ('delete', ?, ?)");
  find_.emplace(db_, "select rowid from pairs where pairs match ? and rowid < ? order by rowid desc limit ?");
}

SearchFile::Progress SearchFile::progress() {
  ResetAtEnd reset(*progress_);
  if (!progress_->step()) throw SqlError(SqlError::Kind::kCorrupt, "the search index has no progress");
  return {progress_->u64(0), progress_->u64(1)};
}

void SearchFile::commit(const Progress& progress) {
  save_->bind(1, progress.pos);
  save_->bind(2, progress.id);
  save_->run();
  db_.execute("commit");
}

void SearchFile::add(std::uint64_t pos, const std::vector<std::int32_t>& tokens) {
  write_words(words_, tokens, " ");
  add_->bind(1, pos);
  add_->bind_text(2, words_);
  add_->run();
}

void SearchFile::remove(std::uint64_t pos, const std::vector<std::int32_t>& tokens) {
  write_words(words_, tokens, " ");
  remove_->bind(1, pos);
  remove_->bind_text(2, words_);
  remove_->run();
}

std::vector<std::uint64_t> SearchFile::find(const std::vector<std::int32_t>& tokens, std::uint64_t before,
                                            std::size_t limit) {
  // In quotes, since a word of digits only could be taken for something else.
  write_words(words_, tokens, "\" AND \"");
  const std::string expression = '"' + words_ + '"';
  find_->bind_text(1, expression);
  find_->bind(2, before);
  find_->bind(3, static_cast<std::int64_t>(limit));
  ResetAtEnd reset(*find_);
  std::vector<std::uint64_t> found;
  while (find_->step()) found.push_back(find_->u64(0));
  return found;
}

}  // namespace parley::store
