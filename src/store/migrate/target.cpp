#include "migrate/target.hpp"

#include <stdexcept>

namespace parley::store::moving {
namespace {

constexpr const char* kFetch = "fetch 4000 from moving_rows";

Type type_of(std::string_view name, const std::string& where) {
  if (name == "bigint") return Type::kI64;
  if (name == "integer") return Type::kI32;
  if (name == "smallint") return Type::kI16;
  if (name == "text") return Type::kText;
  if (name == "bytea") return Type::kBytes;
  if (name == "jsonb") return Type::kJson;
  throw std::runtime_error("store: the column " + where + " has the type " + std::string(name) +
                           ", which this program does not move");
}

std::string join_keys(const Table& table, const char* before, const char* between) {
  std::string list;
  for (const std::size_t column : table.key) {
    if (!list.empty()) list += between;
    list += before + table.columns[column].name;
  }
  return list;
}

}  // namespace

Table describe(PgConnection& session, const std::string& name) {
  Table table;
  table.name = name;
  const PgRows columns = session.run(
      "select a.attname::text, format_type(a.atttypid, null), a.attnum from pg_attribute a where a.attrelid = "
      "to_regclass($1) and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum",
      {name});
  if (columns.size() == 0) throw std::runtime_error("store: PostgreSQL has no table " + name);
  const PgRows key = session.run(
      "select a.attname::text from pg_index i cross join lateral unnest(i.indkey) with ordinality as k (attnum, place) "
      "join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where i.indrelid = to_regclass($1) and "
      "i.indisprimary order by k.place",
      {name});
  for (int i = 0; i < columns.size(); ++i) {
    const std::string column(columns.text(i, 0));
    table.columns.push_back({column, type_of(columns.text(i, 1), name + "." + column)});
  }
  for (int i = 0; i < key.size(); ++i) {
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      if (table.columns[column].name == key.text(i, 0)) table.key.push_back(column);
    }
  }
  return table;
}

TargetRows::TargetRows(PgConnection& session, const Table& table, const std::string& rest)
    : session_(session), table_(table), snapshot_(session) {
  const std::string cursor =
      "declare moving_rows no scroll cursor for select " + table.column_list() + " from " + table.name + " " + rest;
  session_.run(cursor);
}

bool TargetRows::next(Row& row) {
  if (!page_ || at_ == page_->size()) {
    page_.emplace(session_.run(kFetch));
    at_ = 0;
    if (page_->size() == 0) return false;
  }
  row = row_of(*page_, at_, table_);
  ++at_;
  return true;
}

Row row_of(const PgRows& rows, int number, const Table& table) {
  Row row;
  for (int i = 0; i < static_cast<int>(table.columns.size()); ++i) {
    const Type type = table.columns[static_cast<std::size_t>(i)].type;
    if (rows.null(number, i)) {
      row.emplace_back(nullptr);
    } else if (type == Type::kBytes) {
      row.emplace_back(Blob{rows.bytes(number, i)});
    } else if (type == Type::kText) {
      row.emplace_back(std::string(rows.text(number, i)));
    } else if (type == Type::kJson) {
      row.emplace_back(canonical_json(rows.text(number, i)));
    } else {
      row.emplace_back(rows.i64(number, i));
    }
  }
  return row;
}

std::string in_key_order(const Table& table) {
  std::string order;
  for (const std::size_t column : table.key) {
    order += (order.empty() ? "order by " : ", ") + table.columns[column].name;
    if (table.columns[column].type == Type::kText) order += " collate \"C\"";
  }
  return order;
}

std::string copy_stream(const Table& table, const std::vector<Row>& rows) {
  CopyRows out;
  for (const Row& row : rows) {
    out.row(static_cast<std::int16_t>(row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (auto* number = std::get_if<std::int64_t>(&row[i])) {
        switch (table.columns[i].type) {
          case Type::kI32:
            out.i32(static_cast<std::int32_t>(*number));
            break;
          case Type::kI16:
            out.i16(static_cast<std::int16_t>(*number));
            break;
          default:
            out.i64(*number);
        }
      } else if (auto* text = std::get_if<std::string>(&row[i])) {
        table.columns[i].type == Type::kJson ? out.json(*text) : out.bytes(*text);
      } else if (auto* blob = std::get_if<Blob>(&row[i])) {
        out.bytes(blob->bytes);
      } else {
        out.null();
      }
    }
  }
  return std::string(out.finish());
}

void stage(PgConnection& session, const Table& table, const std::vector<Row>& rows) {
  const std::string staged = "moving_" + table.name;
  const std::string make = "create temp table if not exists " + staged + " (like " + table.name +
                           ") on commit delete rows; truncate " + staged;
  session.run(make);
  const std::string copy = "copy " + staged + " (" + table.column_list() + ") from stdin (format binary)";
  session.copy_in(copy, copy_stream(table, rows));
}

std::vector<Row> upsert(PgConnection& session, const Table& table, const std::vector<Row>& rows) {
  if (rows.empty()) return {};
  stage(session, table, rows);
  std::string changes;
  for (const Column& column : table.columns)
    changes += (changes.empty() ? "" : ", ") + column.name + " = excluded." + column.name;
  const std::string insert = "insert into " + table.name + " (" + table.column_list() + ") select " +
                             table.column_list() + " from moving_" + table.name + " on conflict (" +
                             join_keys(table, "", ", ") + ") do update set " + changes;
  session.run(insert);
  const std::string look = "select " + table.column_list() + " from " + table.name + " where (" +
                           join_keys(table, "", ", ") + ") in (select " + join_keys(table, "", ", ") + " from moving_" +
                           table.name + ")";
  const PgRows found = session.run(look);
  std::vector<Row> present;
  for (int i = 0; i < found.size(); ++i) present.push_back(row_of(found, i, table));
  return present;
}

void erase(PgConnection& session, const Table& table, const std::vector<Row>& rows) {
  if (rows.empty()) return;
  stage(session, table, rows);
  const std::string statement = "delete from " + table.name + " where (" + join_keys(table, "", ", ") +
                                ") in (select " + join_keys(table, "", ", ") + " from moving_" + table.name + ")";
  session.run(statement);
}

}  // namespace parley::store::moving
