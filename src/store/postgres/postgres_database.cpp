#include "postgres_database.hpp"

#include "pg_workers.hpp"

namespace parley::store {
namespace {

class Impl final : public PostgresDatabase {
 public:
  explicit Impl(const PostgresDatabaseOptions& options) : Impl(options, std::make_shared<PgWatchdog>()) {}
  Impl(const PostgresDatabaseOptions& options, const std::shared_ptr<PgWatchdog>& watchdog)
      : writer_(options, watchdog, true, 1), readers_(options, watchdog, false, options.readers) {}
  ~Impl() override { stop(); }

  Health health() const override {
    std::string reason = writer_.trouble();
    if (reason.empty()) reason = readers_.trouble();
    return {reason.empty(), std::move(reason)};
  }
  void stop() override {
    writer_.stop();
    readers_.stop();
  }

 protected:
  bool enqueue(bool write, std::unique_ptr<Job> job) override {
    return write ? writer_.enqueue(std::move(job)) : readers_.enqueue(std::move(job));
  }

 private:
  PgWorkers writer_, readers_;
};

}  // namespace

std::unique_ptr<PostgresDatabase> make_postgres_database(const PostgresDatabaseOptions& options) {
  return std::make_unique<Impl>(options);
}

}  // namespace parley::store
