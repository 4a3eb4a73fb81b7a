#pragma once
#include "parley/base/result.hpp"
#include "parley/store/sql.hpp"

namespace parley::store {

/// What a failed statement or commit means for a caller of Database.
Error error_of(const SqlError& error);

}  // namespace parley::store
