#include "moved.hpp"

#include <stdexcept>

#include "parley/base/clock.hpp"

namespace parley::store {

std::optional<std::string> moved_to(Connection& db) {
  Statement table(db, "select 1 from sqlite_master where type = 'table' and name = 'store_meta'");
  if (!table.step()) return std::nullopt;
  table.reset();
  Statement place(db, "select value from store_meta where key = 'moved_to'");
  if (!place.step()) return std::nullopt;
  return std::string(place.bytes(0));
}

void note_moved(Connection& db, const std::string& place) {
  Statement note(db, "insert into store_meta (key, value) values ('moved_to', ?), ('moved_ns', ?)");
  note.bind_text(1, place);
  note.bind(2, wall_ns());
  note.run();
}

void refuse_if_moved(Connection& db, const std::filesystem::path& folder) {
  if (const std::optional<std::string> place = moved_to(db)) {
    throw std::runtime_error("store: what was in " + folder.string() + " has been moved to the standard store " +
                             *place + "; set store.mode = \"standard\", or give another store.folder");
  }
}

}  // namespace parley::store
