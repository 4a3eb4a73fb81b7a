#include "migrations.hpp"

#include <stdexcept>
#include <string>

#include "parley/base/clock.hpp"

namespace parley::store {

void migrate(Connection& db, std::span<const Migration> known) {
  db.execute("create table if not exists schema_version (version integer primary key, applied_ns integer not null)");
  std::int64_t present = 0;
  {
    Statement newest(db, "select coalesce(max(version), 0) from schema_version");
    newest.step();
    present = newest.i64(0);
  }
  const std::int64_t latest = known.empty() ? 0 : known.back().version;
  if (present > latest) {
    throw std::runtime_error("store: the data folder was written by a newer Parley (schema " + std::to_string(present) +
                             ", this program knows " + std::to_string(latest) +
                             "); start that version, or restore a backup made before the upgrade");
  }
  for (const Migration& step : known) {
    if (step.version <= present) continue;
    Transaction change(db);
    db.execute(step.sql);
    Statement note(db, "insert into schema_version (version, applied_ns) values (?, ?)");
    note.bind(1, std::int64_t{step.version});
    note.bind(2, wall_ns());
    note.run();
    change.commit();
  }
}

}  // namespace parley::store
