#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "parley/store/database.hpp"

namespace parley::store {

struct PostgresDatabaseOptions {
  std::string conninfo;  ///< as libpq understands it
  unsigned readers = 2;
  std::size_t queue_max = 16384;               ///< jobs that wait for a reader, and for the writer
  std::chrono::milliseconds patience{10'000};  ///< a job that waited longer fails
  std::chrono::milliseconds connect{4000};
  std::chrono::milliseconds statement{6000};
  std::chrono::milliseconds retry_min{100}, retry_max{2000};  ///< between two attempts to connect
  std::chrono::milliseconds probe{2000};                      ///< idle connections are tried this often
};

/// Database over PostgreSQL: `readers` threads "store-pg-read" and one "store-pg-write", with a connection each. A read
/// sees one snapshot; a write is one transaction, and writes do not run beside each other.
/// Down:   what runs, waits or comes while there is no connection fails with kUnavailable, without waiting for more
/// than
///         one attempt to connect. A connection that died while it was idle costs nothing but a new one.
/// Errors: as Database. kUnavailable of a write: its outcome is unknown.
/// Plans:  readers never read a whole table and never sort where an index gives the order. A statement that finds its
///         rows by one index and orders them by a column of another must therefore hide that column (`order by x + 0`).
class PostgresDatabase : public Database {
 public:
  using Database::Job;
  struct Health {
    bool ok = true;
    std::string reason;  ///< one line for people
  };
  virtual Health health() const = 0;  ///< any thread; at most `probe` old
  /// Finishes what was accepted, as far as connections are there; then everything is refused.
  virtual void stop() = 0;
};

/// Does not connect before the first job or probe: an unreachable PostgreSQL is no error here.
std::unique_ptr<PostgresDatabase> make_postgres_database(const PostgresDatabaseOptions& options);

}  // namespace parley::store
