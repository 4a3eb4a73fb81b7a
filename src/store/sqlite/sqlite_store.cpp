#include "parley/store/sqlite_store.hpp"

#include <sys/stat.h>

#include <stdexcept>

#include "folder.hpp"
#include "migrations.hpp"
#include "moved.hpp"
#include "parley/store/movable.hpp"
#include "readers.hpp"
#include "search_file.hpp"
#include "search_index.hpp"
#include "sqlite_database.hpp"
#include "sqlite_journal.hpp"
#include "writer.hpp"
#ifdef PARLEY_FAULT_POINTS
#include <cstdlib>

#include "testing/power_loss_vfs.hpp"
#endif

namespace parley::store {
namespace {

constexpr int kWriterCacheKib = 65536;
constexpr int kReaderCacheKib = 8192;

Connection::Options connection_options(const SqliteOptions& options) {
  Connection::Options out;
  out.vfs = options.testing.vfs;
  out.synchronous_off = options.testing.synchronous_off;
#ifdef PARLEY_FAULT_POINTS
  const char* vfs = std::getenv("PARLEY_TEST_VFS");
  if (out.vfs.empty() && vfs && std::string_view(vfs) == "power_loss") out.vfs = testing::PowerLossVfs::get().name();
#endif
  return out;
}

class SqliteStore final : public Store, public Movable {
 public:
  explicit SqliteStore(const SqliteOptions& options) : folder_(options.folder), file_(folder_.file("parley.db")) {
    Connection::Options connection = connection_options(options);
    {
      Connection schema(file_, connection);
      refuse_if_moved(schema, options.folder);
      migrate(schema, migrations());
    }
    connection.cache_kib = kWriterCacheKib;
    writer_ = std::make_unique<Writer>(file_, connection, options);
    connection.cache_kib = kReaderCacheKib;
    readers_ = std::make_unique<Readers>(file_, connection, options.readers);
    database_ = std::make_unique<SqliteDatabase>(*writer_, *readers_);
    journal_ = std::make_unique<SqliteJournal>(*writer_, *database_);
    writer_->start();
    if (options.search && SearchFile::available()) {
      SearchIndexOptions search;
      search.log = file_;
      search.log_options = connection_options(options);
      search.log_options.read_only = true;
      search.index = folder_.file("search.db");
      search_ = std::make_unique<SearchIndex>(std::move(search));
      search_->start();
    }
  }
  ~SqliteStore() override { stop(); }

  Journal& journal() override { return *journal_; }
  Database& database() override { return *database_; }
  void attach(const std::vector<Reactor*>&) override {}
  void drain() override {}
  std::int64_t snowflake_floor_ms() const override { return writer_->snowflake_floor_ms(); }
  void reserve_snowflakes(std::int64_t ms) override { writer_->reserve_snowflakes(ms); }
  void stop() override {
    if (search_) search_->stop();
    readers_->stop();
    writer_->stop();
  }
  Stats stats() const override {
    Stats stats = writer_->stats();
    if (search_) stats.search_lag_seconds = search_->lag_seconds();
    return stats;
  }
  MessageSearch* search() override { return search_.get(); }

  Movable* movable() override { return this; }
  asio::awaitable<Result<std::uint64_t>> freeze(std::uint64_t token, std::chrono::milliseconds time) override {
    using R = Result<std::uint64_t>;
    return call_on<R, WriterView>(*writer_,
                                  [this, token, time](WriterView&) -> R { return writer_->freeze(token, time); });
  }
  asio::awaitable<Result<>> thaw(std::uint64_t token) override {
    return call_on<Result<>, WriterView>(*writer_,
                                         [this, token](WriterView&) -> Result<> { return writer_->thaw(token); });
  }
  asio::awaitable<Result<>> retire(std::uint64_t token, std::string place) override {
    return call_on<Result<>, WriterView>(*writer_, [this, token, place = std::move(place)](WriterView&) -> Result<> {
      return writer_->retire(token, place);
    });
  }

 private:
  Folder folder_;
  std::filesystem::path file_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<SqliteDatabase> database_;
  std::unique_ptr<SqliteJournal> journal_;
  std::unique_ptr<SearchIndex> search_;
};

}  // namespace

bool SqliteDatabase::enqueue(bool write, std::unique_ptr<Job> job) {
  return write ? writer_.enqueue_job(std::move(job)) : readers_.enqueue(std::move(job));
}

std::unique_ptr<Store> open_sqlite_store(const SqliteOptions& options) {
  try {
    return std::make_unique<SqliteStore>(options);
  } catch (const SqlError& error) {
    throw std::runtime_error(
        "store: cannot open " + (options.folder / "parley.db").string() + ": " + error.what() +
        "; check that the folder is on a local, writable disk with free space, or restore a backup");
  }
}

}  // namespace parley::store
