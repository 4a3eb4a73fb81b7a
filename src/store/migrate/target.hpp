#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrate/row.hpp"
#include "postgres/pg_bulk.hpp"
#include "postgres/pg_connection.hpp"

/// The tables of PostgreSQL that a move fills. Everything throws PgError.
namespace parley::store::moving {

/// Columns in their order, and the primary key. Throws std::runtime_error if there is no such table or a column has a
/// type that is not known here.
Table describe(PgConnection& session, const std::string& name);

/// Rows one after the other.
class RowStream {
 public:
  virtual ~RowStream() = default;
  virtual bool next(Row& row) = 0;  ///< false: there are no more
};

/// The rows of a query, whose columns are those of `table`, a few thousand at a time. Opens a transaction in `session`,
/// which serves nothing else meanwhile, and ends it with itself.
class TargetRows final : public RowStream {
 public:
  /// `rest` follows "select … from <table> ", for example "where … order by …".
  TargetRows(PgConnection& session, const Table& table, const std::string& rest);
  bool next(Row& row) override;

 private:
  PgConnection& session_;
  const Table& table_;
  PgTransaction snapshot_;
  std::optional<PgRows> page_;
  int at_ = 0;
};
Row row_of(const PgRows& rows, int row, const Table& table);
/// "order by <key>", with texts by their bytes.
std::string in_key_order(const Table& table);

/// A binary COPY stream of rows of `table`.
std::string copy_stream(const Table& table, const std::vector<Row>& rows);
/// In the transaction that is open: adds the rows, or puts them in the place of those with the same key. Answers the
/// rows as they stand there then.
std::vector<Row> upsert(PgConnection& session, const Table& table, const std::vector<Row>& rows);
/// In the transaction that is open: takes away the rows with these keys.
void erase(PgConnection& session, const Table& table, const std::vector<Row>& rows);
/// In the transaction that is open: a temporary table "moving_<name>" with these rows only.
void stage(PgConnection& session, const Table& table, const std::vector<Row>& rows);

}  // namespace parley::store::moving
