#include "migrate/source.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "body_codec.hpp"
#include "message_facts.hpp"
#include "parley/protocol/pack.hpp"
#include "sqlite/moved.hpp"

namespace parley::store::moving {
namespace {

constexpr const char* kFile = "parley.db";
constexpr std::size_t kPage = 4000;

SqlValue num(std::uint64_t value) { return static_cast<std::int64_t>(value); }

SqlValue value_of(const Statement& row, int i) {
  switch (sqlite3_column_type(row.handle(), i)) {
    case SQLITE_INTEGER:
      return row.i64(i);
    case SQLITE_NULL:
      return nullptr;
    case SQLITE_BLOB:
      return Blob{std::string(row.bytes(i))};
    default:
      return std::string(row.bytes(i));
  }
}

void bind_value(Statement& statement, int i, const SqlValue& value) {
  if (auto* number = std::get_if<std::int64_t>(&value)) {
    statement.bind(i, *number);
  } else if (auto* text = std::get_if<std::string>(&value)) {
    statement.bind_text(i, *text);
  } else if (auto* blob = std::get_if<Blob>(&value)) {
    statement.bind_blob(i, blob->bytes);
  } else {
    statement.bind_null(i);
  }
}

/// A body as the archive keeps it.
struct Content {
  SqlValue body = nullptr, sealed = nullptr;
  std::uint64_t key_id = 0;
  std::int64_t codec = 0;
};
Content content_of(const protocol::PackItem& item) {
  Content content;
  if (item.bytes.empty()) return content;  // recalled or erased
  if (item.key_id != 0) {
    content.sealed = Blob{std::string(item.bytes)};
    content.key_id = item.key_id;
    content.codec = static_cast<std::int64_t>(item.codec);
  } else {
    content.body = canonical_json(plain_body(item.codec, item.bytes));
  }
  return content;
}

protocol::PackItem item_of(std::string_view pack, const std::string& where) {
  const Result<std::vector<protocol::PackItem>> items = protocol::read_pack(pack);
  if (!items || items->size() != 1)
    throw std::runtime_error("store: " + where + " cannot be read" + (items ? "" : ": " + items.error().detail));
  return (*items)[0];
}

/// What stands in a row of the target's table message, by the names of its columns.
constexpr std::array<std::string_view, 26> kMessageFields = {
    "pos",  "tenant_id",      "conv",   "seq",   "id",       "ts_ns",     "channel_id", "principal_id", "n",
    "hash", "skip",           "rev",    "claim", "assignee", "erased_at", "key_id",     "flags",        "audience",
    "kind", "principal_kind", "status", "codec", "dev",      "body",      "sealed",     "meta"};
constexpr const char* kMessageColumns = "pos, seq, skip, rev, flags, status, assignee, channel_id, erased_at, item";

class MessageShape {
 public:
  explicit MessageShape(const Table& table) {
    for (const Column& column : table.columns) {
      const auto found = std::find(kMessageFields.begin(), kMessageFields.end(), column.name);
      if (found == kMessageFields.end())
        throw std::runtime_error("store: message." + column.name + " is unknown to this program");
      fields_.push_back(static_cast<std::size_t>(found - kMessageFields.begin()));
    }
  }
  /// From a row of kMessageColumns that has a seq.
  Row row_of(const Statement& from) const {
    const std::string where = "the item at journal position " + std::to_string(from.u64(0));
    const protocol::PackItem item = item_of(from.bytes(9), where);
    try {
      Content content = content_of(item);
      std::array<SqlValue, kMessageFields.size()> all = {
          value_of(from, 0),
          num(item.tenant.value),
          num(item.conv.value),
          value_of(from, 1),
          num(item.id.value),
          item.ts_ns,
          value_of(from, 7),
          num(item.principal.id),
          num(item.n),
          num(item.hash),
          value_of(from, 2),
          value_of(from, 3),
          num(item.claim),
          value_of(from, 6),
          value_of(from, 8),
          num(content.key_id),
          value_of(from, 4),
          static_cast<std::int64_t>(item.audience),
          static_cast<std::int64_t>(item.kind),
          static_cast<std::int64_t>(item.principal.kind),
          value_of(from, 5),
          content.codec,
          Blob{std::string(reinterpret_cast<const char*>(item.dev.bytes.data()), item.dev.bytes.size())},
          std::move(content.body),
          std::move(content.sealed),
          nullptr};
      Row row;
      for (const std::size_t field : fields_) row.push_back(std::move(all[field]));
      return row;
    } catch (const std::runtime_error& error) {
      throw std::runtime_error("store: " + where + ": " + error.what());
    }
  }

 private:
  std::vector<std::size_t> fields_;
};

/// Gives rows that are read a page at a time, so that no reading holds up the write-ahead log for long.
class PagedRows : public RowStream {
 public:
  bool next(Row& row) final {
    if (at_ == page_.size()) {
      page_.clear();
      at_ = 0;
      read(page_);
      if (page_.empty()) return false;
    }
    row = std::move(page_[at_++]);
    return true;
  }

 protected:
  /// The next page; none: the end.
  virtual void read(std::vector<Row>& page) = 0;

 private:
  std::vector<Row> page_;
  std::size_t at_ = 0;
};

class AllMessages final : public PagedRows {
 public:
  AllMessages(Connection& db, const Table& table, std::uint64_t upto)
      : shape_(table),
        upto_(upto),
        select_(db, std::string("select ") + kMessageColumns +
                        " from message where pos > ? and pos <= ? and seq is not null order by pos limit ?") {}

 protected:
  void read(std::vector<Row>& page) override {
    select_.bind(1, after_);
    select_.bind(2, upto_);
    select_.bind(3, static_cast<std::uint64_t>(kPage));
    ResetAtEnd reset(select_);
    while (select_.step()) {
      page.push_back(shape_.row_of(select_));
      after_ = select_.u64(0);
    }
  }

 private:
  const MessageShape shape_;
  const std::uint64_t upto_;
  std::uint64_t after_ = 0;
  Statement select_;
};

class SomeMessages final : public PagedRows {
 public:
  SomeMessages(Connection& db, const Table& table, std::vector<std::uint64_t> conversations, std::uint64_t upto)
      : shape_(table),
        conversations_(std::move(conversations)),
        upto_(upto),
        select_(db, std::string("select ") + kMessageColumns +
                        " from message where conv = ? and seq is not null and pos <= ?") {}

 protected:
  void read(std::vector<Row>& page) override {
    for (; next_ < conversations_.size() && page.size() < kPage; ++next_) {
      select_.bind(1, conversations_[next_]);
      select_.bind(2, upto_);
      ResetAtEnd reset(select_);
      while (select_.step()) page.push_back(shape_.row_of(select_));
    }
  }

 private:
  const MessageShape shape_;
  const std::vector<std::uint64_t> conversations_;
  const std::uint64_t upto_;
  std::size_t next_ = 0;
  Statement select_;
};

/// A table with the same columns on both sides.
class PlainRows : public PagedRows {
 public:
  PlainRows(Connection& db, const Table& table, const std::string& columns) : table_(table) {
    std::string keys, marks;
    for (const std::size_t column : table.key) {
      keys += (keys.empty() ? "" : ", ") + table.columns[column].name;
      marks += marks.empty() ? "?" : ", ?";
    }
    const std::string head = "select " + columns + " from " + table.name;
    const std::string tail = " order by " + keys + " limit " + std::to_string(kPage);
    first_.emplace(db, head + tail);
    further_.emplace(db, head + " where (" + keys + ") > (" + marks + ")" + tail);
  }

 protected:
  void read(std::vector<Row>& page) override {
    if (done_) return;
    Statement& select = last_.empty() ? *first_ : *further_;
    if (!last_.empty()) {
      int i = 0;
      for (const std::size_t column : table_.key) bind_value(select, ++i, last_[column]);
    }
    ResetAtEnd reset(select);
    while (select.step()) page.push_back(row_of(select));
    done_ = page.size() < kPage;
    if (!page.empty()) last_ = page.back();
  }
  virtual Row row_of(const Statement& from) const {
    Row row;
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      try {
        row.push_back(canonical(value_of(from, static_cast<int>(i)), table_.columns[i].type));
      } catch (const std::runtime_error& error) {
        throw std::runtime_error("store: " + table_.name + "." + table_.columns[i].name + ": " + error.what());
      }
    }
    return row;
  }
  const Table& table_;

 private:
  std::optional<Statement> first_, further_;
  Row last_;
  bool done_ = false;
};

/// Everything that is moved counts as archived.
class ConversationRows final : public PlainRows {
 public:
  ConversationRows(Connection& db, const Table& table, const std::string& columns) : PlainRows(db, table, columns) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].name == "archived_seq") archived_ = i;
      if (table.columns[i].name == "head") head_ = i;
    }
  }

 protected:
  Row row_of(const Statement& from) const override {
    Row row = PlainRows::row_of(from);
    row[archived_] = row[head_];
    return row;
  }

 private:
  std::size_t archived_ = 0, head_ = 0;
};

class OriginalRows final : public PlainRows {
 public:
  OriginalRows(Connection& db, const Table& table)
      : PlainRows(db, table, "conv, seq, replaced_by, tenant_id, replaced_ns, item") {
    for (const Column& column : table.columns) names_.push_back(column.name);
  }

 protected:
  Row row_of(const Statement& from) const override {
    const std::string where =
        "what entry " + std::to_string(from.u64(2)) + " of conversation " + std::to_string(from.u64(0)) + " replaced";
    Content content = content_of(item_of(from.bytes(5), where));
    Row row;
    for (const std::string& name : names_) {
      if (name == "conv")
        row.push_back(value_of(from, 0));
      else if (name == "seq")
        row.push_back(value_of(from, 1));
      else if (name == "replaced_by")
        row.push_back(value_of(from, 2));
      else if (name == "tenant_id")
        row.push_back(value_of(from, 3));
      else if (name == "replaced_ns")
        row.push_back(value_of(from, 4));
      else if (name == "key_id")
        row.push_back(num(content.key_id));
      else if (name == "codec")
        row.emplace_back(content.codec);
      else if (name == "body")
        row.push_back(std::move(content.body));
      else if (name == "sealed")
        row.push_back(std::move(content.sealed));
      else
        throw std::runtime_error("store: message_original." + name + " is unknown to this program");
    }
    return row;
  }

 private:
  std::vector<std::string> names_;
};

std::filesystem::path file_in(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kFile;
  if (!std::filesystem::exists(file))
    throw std::runtime_error("store: there is no embedded store in " + folder.string() +
                             "; give its folder as store.folder or with --data");
  return file;
}

Connection::Options reading() {
  Connection::Options options;
  options.read_only = true;
  return options;
}

}  // namespace

Source::Source(const std::filesystem::path& folder) : db_(file_in(folder), reading()) {}

std::string Source::identity() {
  Statement made(db_, "select applied_ns from schema_version where version = 1");
  return made.step() ? "embedded:" + std::to_string(made.i64(0)) : std::string();
}

std::int64_t Source::schema_version() {
  Statement known(db_, "select 1 from sqlite_master where type = 'table' and name = 'schema_version'");
  if (!known.step()) return 0;
  Statement newest(db_, "select coalesce(max(version), 0) from schema_version");
  return newest.step() ? newest.i64(0) : 0;
}

std::optional<std::string> Source::moved_to() { return store::moved_to(db_); }

std::int64_t Source::meta(const char* key) {
  Statement value(db_, "select value from store_meta where key = ?");
  value.bind_text(1, key);
  return value.step() ? value.i64(0) : 0;
}

std::uint64_t Source::last_pos() {
  Statement last(db_, "select coalesce(max(pos), 0) from message");
  return last.step() ? last.u64(0) : 0;
}

std::uint64_t Source::messages_after(std::uint64_t pos) {
  const std::uint64_t last = last_pos();
  return last > pos ? last - pos : 0;
}

std::vector<std::string> Source::plain_tables() {
  std::vector<std::string> tables = {"tenant", "account", "agent", "channel"};
  Statement all(db_,
                "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not in "
                "('store_meta', 'schema_version', 'message') order by name");
  while (all.step()) {
    const std::string name(all.bytes(0));
    if (std::find(tables.begin(), tables.end(), name) == tables.end()) tables.push_back(name);
  }
  return tables;
}

Batch Source::batch(const Table& message, std::uint64_t after, std::size_t limit) {
  const MessageShape shape(message);
  Batch batch;
  batch.upto = after;
  db_.execute("begin");
  struct End {
    Connection& db;
    ~End() { db.rollback(); }
  } end{db_};
  {
    Statement rows(db_, std::string("select ") + kMessageColumns + " from message where pos > ? order by pos limit ?");
    rows.bind(1, after);
    rows.bind(2, static_cast<std::uint64_t>(limit));
    for (; rows.step(); ++batch.seen) {
      batch.upto = rows.u64(0);
      if (!rows.null(1)) batch.messages.push_back(shape.row_of(rows));
    }
  }
  // Every change of an entry keeps what was there, under the seq of the entry that did it.
  Statement changes(db_,
                    "select o.conv, o.seq from message m cross join message_original o on o.conv = m.conv and "
                    "o.replaced_by = m.seq where m.pos > ? and m.pos <= ? and m.kind in (?, ?)");
  changes.bind(1, after);
  changes.bind(2, batch.upto);
  changes.bind(3, static_cast<std::int64_t>(protocol::EntryType::kEdit));
  changes.bind(4, static_cast<std::int64_t>(protocol::EntryType::kRecall));
  Statement one(db_,
                std::string("select ") + kMessageColumns + " from message where conv = ? and seq = ? and pos <= ?");
  while (changes.step()) {
    one.bind(1, changes.u64(0));
    one.bind(2, changes.u64(1));
    one.bind(3, after);
    ResetAtEnd reset(one);
    if (one.step()) batch.changed.push_back(shape.row_of(one));
  }
  return batch;
}

std::unique_ptr<RowStream> Source::messages(const Table& message, const std::vector<std::uint64_t>* conversations,
                                            std::uint64_t upto) {
  if (conversations) return std::make_unique<SomeMessages>(db_, message, *conversations, upto);
  return std::make_unique<AllMessages>(db_, message, upto);
}

std::unique_ptr<RowStream> Source::rows(const Table& table) {
  if (table.name == "message_original") return std::make_unique<OriginalRows>(db_, table);
  std::vector<std::string> here, there;
  Statement columns(db_, "select name from pragma_table_info(?)");
  columns.bind_text(1, table.name);
  while (columns.step()) here.emplace_back(columns.bytes(0));
  for (const Column& column : table.columns) there.push_back(column.name);
  std::sort(here.begin(), here.end());
  std::sort(there.begin(), there.end());
  if (here != there)
    throw std::runtime_error("store: the table " + table.name +
                             " has other columns in PostgreSQL; this program cannot move it");
  if (table.name == "conversation") return std::make_unique<ConversationRows>(db_, table, table.column_list());
  return std::make_unique<PlainRows>(db_, table, table.column_list());
}

std::unordered_set<std::uint64_t> Source::conversations_after(std::uint64_t pos) {
  Statement rows(db_, "select distinct conv from message where pos > ? and seq is not null");
  rows.bind(1, pos);
  std::unordered_set<std::uint64_t> found;
  while (rows.step()) found.insert(rows.u64(0));
  return found;
}

}  // namespace parley::store::moving
