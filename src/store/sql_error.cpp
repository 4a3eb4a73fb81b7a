#include "sql_error.hpp"

namespace parley::store {

Error error_of(const SqlError& error) {
  switch (error.kind) {
    case SqlError::Kind::kUnique:
      return Error(Errc::kConflict, error.what());
    case SqlError::Kind::kFull:
      return Error(Errc::kStorageFull, error.what());
    default:
      return Error(Errc::kUnavailable, error.what());
  }
}

}  // namespace parley::store
