#ifdef PARLEY_FAULT_POINTS
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "parley/base/fault_point.hpp"
#include "store_fixture.hpp"

namespace parley::store::test {
namespace {

constexpr ConversationId kConv{7001};

/// Runs in a process of its own (see below): appends 1, 2, 3 … and notes each acknowledged n in a file.
TEST(FaultChild, DISABLED_AppendsUntilKilled) {
  const char* folder = std::getenv("PARLEY_FAULT_TEST_FOLDER");
  ASSERT_TRUE(folder);
  SqliteOptions options;
  options.folder = std::filesystem::path(folder) / "data";
  Home home;
  auto store = open_sqlite_store(options);
  for (std::uint64_t n = 1; n <= 50; ++n) {
    const Appended answer =
        append(home, store->journal(), n == 1 ? opening(kConv, "1") : text(kConv, n, std::to_string(n)));
    if (answer.code == Code::kOk) std::ofstream(std::filesystem::path(folder) / "acked") << n;
  }
}

class FaultTest : public StoreTest {
 protected:
  void SetUp() override {}
  /// Starts the test above with `environment` and returns the last acknowledged n; expects that it is killed.
  std::uint64_t run_child(std::initializer_list<std::pair<const char*, const char*>> environment) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("PARLEY_FAULT_TEST_FOLDER", folder.path().c_str(), 1);
      for (const auto& [name, value] : environment) ::setenv(name, value, 1);
      ::execl("/proc/self/exe", "unit_store", "--gtest_filter=FaultChild.*", "--gtest_also_run_disabled_tests",
              "--gtest_brief=1", nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    std::uint64_t acked = 0;
    std::ifstream(folder.path() / "acked") >> acked;
    return acked;
  }
  std::size_t stored() {
    open();
    return read_all(home, journal(), kConv).size();
  }
};

TEST_F(FaultTest, AKillBeforeTheCommitLosesNothingAcknowledged) {
  const std::uint64_t acked =
      run_child({{"PARLEY_FAULT", "journal.before_commit:kill:20"}, {"PARLEY_TEST_VFS", "power_loss"}});
  EXPECT_EQ(acked, 20u);
  EXPECT_EQ(stored(), 20u);
}

TEST_F(FaultTest, AKillBehindTheCommitLeavesOneWithoutAnswer) {
  const std::uint64_t acked =
      run_child({{"PARLEY_FAULT", "other:kill,journal.after_commit:kill:20"}, {"PARLEY_TEST_VFS", "power_loss"}});
  EXPECT_EQ(acked, 20u);
  EXPECT_EQ(stored(), 21u);
  EXPECT_TRUE(append(home, journal(), text(kConv, 21, "21")).dup) << "asked again it is answered, not stored twice";
}

TEST_F(FaultTest, AnswersBeforeTheFsyncAreNoticed) {
  // The control: the same kill, with time for an answer before it, shows that a store which answers too early loses
  // what it acknowledged.
  const char* kill = "journal.before_commit:sleep_ms=20,journal.before_commit:kill:10";
  const std::uint64_t right = run_child({{"PARLEY_FAULT", kill}, {"PARLEY_TEST_VFS", "power_loss"}});
  EXPECT_EQ(right, stored());
  store.reset();
  std::filesystem::remove_all(folder.path() / "data");
  const std::uint64_t broken =
      run_child({{"PARLEY_BREAK", "ack_before_fsync"}, {"PARLEY_FAULT", kill}, {"PARLEY_TEST_VFS", "power_loss"}});
  EXPECT_GT(broken, stored());
}

TEST(FaultPoint, CountsHitsAndReadsItsOwnPartOnly) {
  ::setenv("PARLEY_FAULT", "a.b:kill:2,c:sleep_ms=30", 1);
  fault::Point other("a");
  other.hit();
  fault::Point slow("c");
  const auto begin = std::chrono::steady_clock::now();
  slow.hit();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
  EXPECT_EXIT(
      {
        fault::Point point("a.b");
        point.hit();
        point.hit();
        std::fputs("two", stderr);
        point.hit();
      },
      ::testing::KilledBySignal(SIGKILL), "two");
  ::unsetenv("PARLEY_FAULT");
  ::setenv("PARLEY_BREAK", "x,y", 1);
  EXPECT_TRUE(fault::is_broken("y"));
  EXPECT_FALSE(fault::is_broken("z"));
  ::unsetenv("PARLEY_BREAK");
}

}  // namespace
}  // namespace parley::store::test
#endif
