#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "connection.hpp"

namespace parley::store {

/// Where this store was moved to (Movable::retire); nothing if it was not, or has no tables yet. Throws SqlError.
std::optional<std::string> moved_to(Connection& db);
/// Notes it in the transaction that is open. Throws SqlError.
void note_moved(Connection& db, const std::string& place);
/// Throws std::runtime_error with one line and its remedy if the store was moved.
void refuse_if_moved(Connection& db, const std::filesystem::path& folder);

}  // namespace parley::store
