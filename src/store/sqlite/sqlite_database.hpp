#pragma once
#include <memory>

#include "parley/store/database.hpp"
#include "sql_error.hpp"

namespace parley::store {

class Writer;
class Readers;

/// Database over the writer thread and the readers.
class SqliteDatabase final : public Database {
 public:
  using Database::Job;
  SqliteDatabase(Writer& writer, Readers& readers) : writer_(writer), readers_(readers) {}

 protected:
  bool enqueue(bool write, std::unique_ptr<Job> job) override;

 private:
  Writer& writer_;
  Readers& readers_;
};

}  // namespace parley::store
