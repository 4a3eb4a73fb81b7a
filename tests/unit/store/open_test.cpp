#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "store/sqlite/migrations.hpp"
#include "store_fixture.hpp"

namespace parley::store::test {
namespace {

using OpenTest = StoreTest;

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}
mode_t mode_of(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST_F(OpenTest, KeepsTheFolderToItself) {
  append(home, journal(), opening(ConversationId{1}, "Hello"));
  EXPECT_EQ(mode_of(options.folder), 0700u);
  for (const char* file : {"parley.db", "parley.db-wal", "parley.db-shm", "lock"}) {
    EXPECT_EQ(mode_of(options.folder / file), 0600u) << file;
  }
}

TEST_F(OpenTest, ASecondDaemonIsToldWhoRuns) {
  const std::string message = message_of([&] { open_sqlite_store(options); });
  EXPECT_NE(message.find(std::to_string(::getpid())), std::string::npos) << message;
  EXPECT_NE(message.find("store.folder"), std::string::npos) << "the remedy";
  EXPECT_EQ(message.find('\n'), std::string::npos) << "one line";
  store.reset();
  EXPECT_NO_THROW(open()) << "free again";
}

TEST_F(OpenTest, RefusesAFolderThatIsAFile) {
  SqliteOptions other;
  other.folder = folder.path() / "file";
  std::ofstream(other.folder) << "x";
  EXPECT_NE(message_of([&] { open_sqlite_store(other); }).find("store.folder"), std::string::npos);
}

TEST_F(OpenTest, RefusesAFileThatIsNoDatabase) {
  store.reset();
  std::filesystem::remove(options.folder / "parley.db-wal");
  std::ofstream(options.folder / "parley.db") << std::string(8192, 'x');
  EXPECT_NE(message_of([&] { open(); }).find("restore a backup"), std::string::npos);
}

TEST_F(OpenTest, RefusesASchemaNewerThanItself) {
  store.reset();
  {
    Connection db(options.folder / "parley.db", {});
    db.execute("insert into schema_version (version, applied_ns) values (999, 1)");
  }
  const std::string message = message_of([&] { open(); });
  EXPECT_NE(message.find("999"), std::string::npos) << message;
  EXPECT_NE(message.find("start that version"), std::string::npos) << "the remedy";
}

TEST(Migrations, AreNumberedWithoutGaps) {
  int expected = 0;
  for (const Migration& step : migrations()) EXPECT_EQ(step.version, ++expected);
  EXPECT_GE(expected, 1);
}

TEST(Migrations, ApplyEachOnceAndAFailedOneLeavesNothing) {
  TempFolder folder;
  Connection db(folder.path() / "x.db", {});
  auto count = [&](const char* sql) {
    Statement statement(db, sql);
    statement.step();
    return statement.i64(0);
  };
  const std::vector<Migration> first = {{1, "create table a (x); insert into a values (1)"}};
  migrate(db, first);
  migrate(db, first);
  EXPECT_EQ(count("select count(*) from a"), 1);

  const std::vector<Migration> broken = {first[0], {2, "create table b (x); insert into nowhere values (1)"}};
  EXPECT_THROW(migrate(db, broken), SqlError);
  EXPECT_EQ(count("select count(*) from sqlite_master where name = 'b'"), 0);
  EXPECT_EQ(count("select max(version) from schema_version"), 1);

  const std::vector<Migration> good = {first[0], {2, "create table b (x)"}, {3, "insert into b values (7)"}};
  migrate(db, good);
  EXPECT_EQ(count("select x from b"), 7);
  EXPECT_EQ(count("select max(version) from schema_version"), 3);
}

TEST_F(OpenTest, SnowflakesStartAboveTheReservedTime) {
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  EXPECT_LE(store->snowflake_floor_ms(), now_ms) << "a new folder has no past";
  reopen();
  EXPECT_GE(store->snowflake_floor_ms(), now_ms) << "the first run reserved some seconds ahead";
}

TEST_F(OpenTest, WritesRollBackWhenTheClosureFailsOrThrows) {
  auto write = [this](bool fail, bool clash) {
    return home.run<Result<>>([this, fail, clash]() {
      return store->database().write([fail, clash](Sql& sql) -> Result<> {
        sql.query("insert into tenant (id, slug, name, created_ns) values (?, ?, 'A', 1)",
                  {std::int64_t{fail ? 2 : 1}, fail ? "b" : "a"});
        if (clash)
          sql.query("insert into tenant (id, slug, name, created_ns) values (3, ?, 'A', 1)", {fail ? "b" : "a"});
        if (fail) return Error(Errc::kForbidden, "no");
        return {};
      });
    });
  };
  EXPECT_EQ(write(true, false).error().code, Errc::kForbidden);
  EXPECT_EQ(write(true, true).error().code, Errc::kConflict);
  EXPECT_TRUE(write(false, false));
  EXPECT_EQ(write(false, false).error().code, Errc::kConflict);
  auto count = home.run<Result<std::int64_t>>([this]() {
    return store->database().read(
        [](Sql& sql) -> Result<std::int64_t> { return sql.query("select count(*) from tenant", {})[0].i64(0); });
  });
  EXPECT_EQ(*count, 1);
}

TEST_F(OpenTest, ReadersCannotWrite) {
  auto result = home.run<Result<>>([this]() {
    return store->database().read([](Sql& sql) -> Result<> {
      sql.query("delete from tenant", {});
      return {};
    });
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace parley::store::test
