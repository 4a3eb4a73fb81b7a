#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "flusher_fixture.hpp"

namespace parley::store::standard::test {
namespace {

constexpr ConversationId kConv{64001};
const Principal kSpeaker = Principal::visitor(VisitorId{kConv.value});

/// Everything there, once, in order.
void expect_complete(JournalAndArchive& it, std::int64_t texts) {
  EXPECT_EQ(it.count("message"), texts);
  EXPECT_EQ(it.number("select count(distinct seq) from message"), texts);
  EXPECT_EQ(it.number("select max(seq) from message"), texts);
  EXPECT_EQ(it.number("select archived_seq from conversation"), texts);
  EXPECT_EQ(it.number("select head from conversation"), texts);
  EXPECT_EQ(archive::load(it.sql, kConv)->state.senders[0].second.back().n, static_cast<std::uint64_t>(texts));
}

std::int64_t flusher_backend(JournalAndArchive& it) {
  return it.number(
      "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' limit 1");
}

TEST(FlusherCrash, AConnectionThatDiesBetweenCopyAndCommitLeavesNothing) {
  JournalAndArchive it;
  it.talk(kConv, 30);
  PgConnection blocker(PgOptions{.conninfo = it.conninfo});
  blocker.begin();
  blocker.execute("lock table sender_state in exclusive mode");  // reached after the COPY
  RunningFlusher run(it.options());
  ASSERT_TRUE(eventually([&] { return flusher_backend(it) > 0; }));
  it.sql.query("select pg_terminate_backend(?)", {flusher_backend(it)});
  ASSERT_TRUE(eventually([&] { return run.flusher.stats().failures > 0; }));
  EXPECT_EQ(it.count("message"), 0);
  blocker.rollback();
  ASSERT_TRUE(run.sync());
  expect_complete(it, 30);
  EXPECT_EQ(run.flusher.stats().flushed_items, 30u);
}

/// Stands between the flusher and PostgreSQL. When armed, the answer to the next commit never arrives.
class AnswerThief {
 public:
  explicit AnswerThief(std::string server_socket) : server_socket_(std::move(server_socket)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no loopback port");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int client; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) carry(client);
    });
  }
  ~AnswerThief() {
    ending_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::uint16_t port() const { return port_; }
  std::atomic<bool> armed{false};
  std::atomic<int> stolen{0};

 private:
  void carry(int client) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", server_socket_.c_str());
    if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) exchange(client, server);
    ::close(server);
  }
  void exchange(int client, int server) {
    char buffer[65536];
    for (bool commit = false; !ending_;) {
      pollfd waited[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (::poll(waited, 2, 50) == 0) continue;
      for (int i = 0; i < 2; ++i) {
        if (waited[i].revents == 0) continue;
        const ssize_t got = ::recv(waited[i].fd, buffer, sizeof buffer, 0);
        if (got <= 0) return;
        const std::string_view bytes(buffer, static_cast<std::size_t>(got));
        if (i == 0 && armed && bytes.find("commit") != std::string_view::npos) commit = true;
        if (i == 1 && commit) {
          armed = false;
          ++stolen;
          return;
        }
        if (::send(i == 0 ? server : client, buffer, bytes.size(), MSG_NOSIGNAL) < 0) return;
      }
    }
  }

  const std::string server_socket_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

TEST(FlusherCrash, ACommitWhoseAnswerIsLostCountsOnce) {
  JournalAndArchive it;
  AnswerThief thief((PostgresServer::shared().folder() / ".s.PGSQL.5432").string());
  const std::string database = it.conninfo.substr(it.conninfo.find("dbname="));
  FlusherOptions options = it.options();
  options.postgres = "host=127.0.0.1 port=" + std::to_string(thief.port()) +
                     " sslmode=disable gssencmode=disable user=parley " + database;
  RunningFlusher run(options);
  it.talk(kConv, 10);
  ASSERT_TRUE(run.sync());
  thief.armed = true;
  for (std::uint64_t n = 11; n <= 20; ++n) it.append(text(kConv, n, "x", kSpeaker));
  ASSERT_TRUE(eventually([&] { return thief.stolen > 0; }));
  ASSERT_TRUE(run.sync()) << run.flusher.trouble();
  expect_complete(it, 20);
  EXPECT_EQ(run.head(kConv), 20u) << "what the lost answer told is reported all the same";
  EXPECT_EQ(run.flusher.stats().flushed_items, 20u);
}

TEST(FlusherCrash, PostgresGoesAndComesBack) {
  PostgresServer server;
  JournalAndArchive it(server);
  it.talk(kConv, 5);
  RunningFlusher run(it.options());
  ASSERT_TRUE(run.sync());
  server.kill_hard();
  for (std::uint64_t n = 6; n <= 50; ++n) it.append(text(kConv, n, "x", kSpeaker));
  ASSERT_TRUE(eventually([&] { return run.flusher.trouble().starts_with("PostgreSQL"); }));
  server.start();
  ASSERT_TRUE(run.sync(20s)) << run.flusher.trouble();
  expect_complete(it, 50);
}

#ifdef PARLEY_FAULT_POINTS

/// The flusher of FlusherCrash, in a process of its own: the environment says where everything is and what goes wrong.
TEST(FlusherChild, DISABLED_Flushes) {
  FlusherOptions options;
  options.endpoint.unix_socket = std::getenv("FLUSHER_REDIS");
  options.prefix = "test";
  options.postgres = std::getenv("FLUSHER_POSTGRES");
  options.owner_token = "1:child";
  options.keep_in_log = 0s;
  options.batch_items = 7;
  RunningFlusher run(options);
  run.sync(5s);
  std::this_thread::sleep_for(200ms);  // some rounds more: the log is trimmed in them
}

/// Runs it to its end. True if it was killed.
bool run_child(const JournalAndArchive& it, const char* variable, const std::string& value) {
  parley::test::TemporaryFolder folder;
  ::setenv(variable, value.c_str(), 1);
  ::setenv("FLUSHER_REDIS", it.redis_server.unix_socket().c_str(), 1);
  ::setenv("FLUSHER_POSTGRES", it.conninfo.c_str(), 1);
  parley::test::ChildProcess child;
  parley::test::ChildProcess::Options how;
  how.output = folder.path() / "log";
  child.start({"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_filter=FlusherChild.DISABLED_Flushes"},
              how);
  const bool ended = eventually([&] { return !child.running(); }, 20s);
  ::unsetenv(variable);
  EXPECT_TRUE(ended);
  return child.exit_code() == -1;
}

class FlusherKilled : public ::testing::TestWithParam<const char*> {};

TEST_P(FlusherKilled, LeavesNothingHalfAndLosesNothing) {
  JournalAndArchive it;
  it.talk(kConv, 40);
  for (const char* hits : {"0", "2"}) {
    EXPECT_TRUE(run_child(it, "PARLEY_FAULT", std::string(GetParam()) + ":kill:" + hits))
        << "the point was not reached";
    const std::int64_t there = it.count("message");
    EXPECT_EQ(it.number("select coalesce(max(seq), 0) from message"), there);
    EXPECT_EQ(it.number("select coalesce(max(archived_seq), 0) from conversation"), there);
    for (std::uint64_t n = 41 + 20 * static_cast<std::uint64_t>(hits[0] == '2'), end = n + 20; n < end; ++n)
      it.append(text(kConv, n, "x", kSpeaker));
  }
  RunningFlusher run(it.options("1:after"));
  ASSERT_TRUE(run.sync()) << run.flusher.trouble();
  expect_complete(it, 80);
}

INSTANTIATE_TEST_SUITE_P(AtEachPoint, FlusherKilled,
                         ::testing::Values("flush.after_copy", "flush.before_commit", "flush.after_commit",
                                           "flush.after_trim"));

TEST(FlusherBroken, BeginningAtTheEndOfTheLogLosesWhatWaits) {
  JournalAndArchive it;
  it.talk(kConv, 10);
  EXPECT_FALSE(run_child(it, "PARLEY_BREAK", "flush_from_end"));
  EXPECT_EQ(it.count("message"), 0);
  it.append(text(kConv, 11, "x", kSpeaker));
  RunningFlusher run(it.options("1:after"));
  EXPECT_FALSE(run.sync());
  EXPECT_NE(run.flusher.trouble().find("hole"), std::string::npos)
      << "the sound flusher tells: " << run.flusher.trouble();
}

TEST(FlusherBroken, TrimmingBeforeTheCommitLosesWhatIsNotCommitted) {
  JournalAndArchive it;
  it.talk(kConv, 5);
  PgConnection blocker(PgOptions{.conninfo = it.conninfo});
  blocker.begin();
  blocker.execute("lock table flush_progress in access exclusive mode");
  blocker.rollback();
  ::setenv("PARLEY_FAULT", "flush.before_commit:kill", 1);
  EXPECT_TRUE(run_child(it, "PARLEY_BREAK", "trim_before_flush"));
  ::unsetenv("PARLEY_FAULT");
  EXPECT_EQ(it.count("message"), 0);
  EXPECT_LT(it.log_length(), 5u) << "gone, and archived nowhere";
}

TEST(FlusherBroken, SwallowingAHoleHidesALoss) {
  JournalAndArchive it;
  it.talk(kConv, 5);
  it.ask({"XDEL", it.keys().log, "1-3"});
  EXPECT_FALSE(run_child(it, "PARLEY_BREAK", "flush_swallows"));
  EXPECT_EQ(it.text("select string_agg(seq::text, ',' order by seq) from message"), "1,2,4,5");
}

#endif

}  // namespace
}  // namespace parley::store::standard::test
