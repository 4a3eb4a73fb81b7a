#pragma once
#include <span>
#include <string>

#include "parley/store/schema.hpp"
#include "postgres/migrations.hpp"

namespace parley::store::moving {

/// As store::check_standard_schema(), for the migrations of a test.
SchemaCheck check_postgres_schema(const std::string& conninfo, std::uint64_t rows_max,
                                  std::span<const postgres::Migration> known);

}  // namespace parley::store::moving
