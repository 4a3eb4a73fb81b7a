#pragma once
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

/// Private Redis and PostgreSQL servers for tests. Each has a temporary folder of its own, dies with the test program
/// (even if that is killed) and is ended by its pid. Everything throws std::runtime_error, with the end of the server's
/// log, if a server does not do what it was asked for. Start servers from the main thread: the kernel ends a child when
/// the *thread* that started it ends.
namespace parley::test {

/// Calls `ready` every few milliseconds until it is true; false if that took longer than `limit`.
template <class Ready>
bool eventually(Ready ready, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// A folder under $TMPDIR or /tmp that goes with its owner. The name is short: unix socket paths end at 107 characters.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* const base = std::getenv("TMPDIR");
    std::string name = std::string(base && *base ? base : "/tmp") + "/parley-test-XXXXXX";
    if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary folder " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// A loopback TCP port that was free a moment ago.
inline std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool found = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!found) throw std::runtime_error("no free loopback port");
  return ntohs(address.sin_port);
}

/// One child process with its output in a file.
class ChildProcess {
 public:
  struct Options {
    int death_signal = SIGKILL;    ///< what it gets when the test program ends
    std::filesystem::path output;  ///< appended to
    uid_t uid = ::getuid();        ///< other than ours only for root
    gid_t gid = ::getgid();
    std::filesystem::path folder = "/";  ///< working folder
  };
  ChildProcess() = default;
  ~ChildProcess() { end(SIGKILL); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void start(const std::vector<std::string>& arguments, const Options& options) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const std::string output = options.output.string(), folder = options.folder.string();
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork: " + std::string(std::strerror(errno)));
    if (pid_ > 0) return;
    // Only async-signal-safe calls from here on: other threads of the test may hold any lock.
    const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int none = ::open("/dev/null", O_RDONLY);
    if (log < 0 || none < 0 || ::dup2(none, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(125);
    if (options.uid != ::getuid() &&
        (::setgroups(0, nullptr) != 0 || ::setgid(options.gid) != 0 || ::setuid(options.uid) != 0))
      ::_exit(126);
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    // After setuid, which would clear it again.
    ::prctl(PR_SET_PDEATHSIG, options.death_signal);
    if (::getppid() != parent) ::_exit(124);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }

  pid_t pid() const noexcept { return pid_; }
  /// Not yet ended; collects it if it has.
  bool running() {
    if (pid_ <= 0) return false;
    if (::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
  }
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  /// Sends the signal and waits; SIGKILL follows if it does not end within `limit`. True if it ended by itself with 0.
  bool end(int number, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    if (pid_ <= 0) return exit_code() == 0;
    ::kill(pid_, number);
    if (!eventually([this] { return !running(); }, limit)) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status_, 0);
      pid_ = -1;
      return false;
    }
    return exit_code() == 0;
  }
  /// Of the last process that ended; -1 if a signal ended it.
  int exit_code() const noexcept { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; }

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

inline std::string file_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

inline std::runtime_error server_error(const std::string& what, const std::filesystem::path& log) {
  const std::string text = file_text(log);
  return std::runtime_error(what + "; end of its log:\n" + text.substr(text.size() > 1500 ? text.size() - 1500 : 0));
}

/// A redis-server on a loopback port and on a unix socket in its folder. Durable by default, as in production.
class RedisServer {
 public:
  struct Options {
    Options() {}  // NOLINT: lets it be a default argument inside its own class
    bool appendonly = true;
    std::string appendfsync = "always";
    std::vector<std::string> arguments;  ///< further ones, for example {"--requirepass", "secret"}
    bool start = true;
  };

  explicit RedisServer(Options options = Options()) : options_(std::move(options)) {
    if (options_.start) start();
  }

  /// Starts it and waits until it answers. The first start chooses the port; later ones keep it.
  void start() {
    for (int attempt = 0;; ++attempt) {
      const bool chosen = port_ != 0;
      if (!chosen) port_ = free_port();
      std::vector<std::string> command = {"redis-server",
                                          "--port",
                                          std::to_string(port_),
                                          "--bind",
                                          "127.0.0.1",
                                          "--unixsocket",
                                          unix_socket(),
                                          "--dir",
                                          folder_.path().string(),
                                          "--save",
                                          "",
                                          "--appendonly",
                                          options_.appendonly ? "yes" : "no",
                                          "--appendfsync",
                                          options_.appendfsync};
      command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
      ChildProcess::Options how;
      how.output = log();
      process_.start(command, how);
      // A test must not go on with a Redis that still loads its file: PING answers -LOADING until then.
      if (eventually([this] { return !process_.running() || answers(); }, std::chrono::seconds(20)) &&
          process_.running())
        return;
      process_.end(SIGKILL);
      if (attempt >= 4 || file_text(log()).find("Address already in use") == std::string::npos)
        throw server_error("redis-server did not start", log());
      // Somebody else took the port in between: another one at the first start, a little patience at a later one.
      if (!chosen) port_ = 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  void stop() { process_.end(SIGTERM); }       ///< orderly: everything is written first
  void kill_hard() { process_.end(SIGKILL); }  ///< as a crash does
  void pause() const { process_.signal(SIGSTOP); }
  void resume() const { process_.signal(SIGCONT); }
  /// Same port, socket and folder; after stop() or kill_hard(), or ends it in order first.
  void restart() {
    if (process_.running()) stop();
    start();
  }
  /// Further arguments for the next start, after those of the options, which they override.
  void add_arguments(const std::vector<std::string>& more) {
    options_.arguments.insert(options_.arguments.end(), more.begin(), more.end());
  }

  std::uint16_t port() const noexcept { return port_; }
  std::string unix_socket() const { return (folder_.path() / "redis.sock").string(); }
  std::filesystem::path folder() const { return folder_.path(); }
  std::filesystem::path log() const { return folder_.path() / "redis.log"; }
  pid_t pid() const noexcept { return process_.pid(); }

 private:
  /// PONG, or the refusals of a server that is up but wants a password.
  bool answers() const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = unix_socket();
    std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
    char answer[64] = {};
    ssize_t got = 0;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6) {
      pollfd waited{fd, POLLIN, 0};
      if (::poll(&waited, 1, 1000) == 1) got = ::recv(fd, answer, sizeof answer, 0);
    }
    ::close(fd);
    const std::string_view text(answer, got > 0 ? static_cast<std::size_t>(got) : 0);
    return text.starts_with("+PONG") || text.starts_with("-NOAUTH") || text.starts_with("-NOPERM");
  }

  TemporaryFolder folder_;
  Options options_;
  std::uint16_t port_ = 0;
  ChildProcess process_;
};

/// A PostgreSQL server on a unix socket in its folder; superuser "parley", no password. PostgreSQL refuses to run as
/// root, so then it runs as nobody. Starting takes a second or two: tests of one binary share one server and each makes
/// a database of its own (see shared()).
class PostgresServer {
 public:
  struct Options {
    Options() {}                         // NOLINT: lets it be a default argument inside its own class
    bool fsync = false;                  ///< only tests that cut the power need it
    std::vector<std::string> arguments;  ///< further ones for postgres, for example {"-c", "max_connections=5"}
    bool start = true;
  };

  explicit PostgresServer(Options options = Options()) : options_(std::move(options)) {
    if (::geteuid() == 0) {
      const passwd* const nobody = ::getpwnam("nobody");
      if (!nobody) throw std::runtime_error("PostgreSQL refuses root and there is no user nobody");
      uid_ = nobody->pw_uid;
      gid_ = nobody->pw_gid;
      if (::chown(folder_.path().c_str(), uid_, gid_) != 0) throw std::runtime_error("chown: no right to");
    }
    std::vector<std::string> arguments = {"-D",    data(), "-U",   "parley",           "-A",
                                          "trust", "-E",   "UTF8", "--locale=C.UTF-8", "--no-sync"};
    run("initdb", std::move(arguments));
    if (options_.start) start();
  }
  ~PostgresServer() {
    if (process_.running()) kill_hard();
  }

  /// One server for the whole test program, made at the first call and ended at its end.
  static PostgresServer& shared() {
    static PostgresServer server;
    return server;
  }

  /// Starts it and waits until it takes connections.
  void start() {
    std::vector<std::string> command = {binary("postgres"),
                                        "-D",
                                        data(),
                                        "-c",
                                        "listen_addresses=",
                                        "-c",
                                        "unix_socket_directories=" + folder_.path().string(),
                                        "-c",
                                        std::string("fsync=") + (options_.fsync ? "on" : "off")};
    command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
    process_.start(command, child_options(SIGQUIT));
    if (!eventually([this] { return !process_.running() || ready(); }, std::chrono::seconds(30)) ||
        !process_.running()) {
      process_.end(SIGKILL);
      throw server_error("postgres did not start", log());
    }
  }
  /// Orderly ("fast"): running transactions are rolled back, then a checkpoint.
  void stop() { process_.end(SIGINT); }
  /// As a crash: the server and all its backends at once, and waits until they are gone.
  void kill_hard() {
    if (!process_.running()) return;
    process_.signal(SIGSTOP);  // so that it starts no further backend while we look for them
    const std::vector<pid_t> backends = children_of(process_.pid());
    process_.end(SIGKILL);
    for (const pid_t backend : backends) ::kill(backend, SIGKILL);
    eventually([&] {
      for (const pid_t backend : backends)
        if (alive(backend)) return false;
      return true;
    });
  }
  /// Stops and continues the server and all its backends: connections stay open and nothing answers.
  void pause() {
    process_.signal(SIGSTOP);
    for (const pid_t backend : children_of(process_.pid())) ::kill(backend, SIGSTOP);
  }
  void resume() {
    for (const pid_t backend : children_of(process_.pid())) ::kill(backend, SIGCONT);
    process_.signal(SIGCONT);
  }
  /// Same folder; after stop() or kill_hard(), or ends it in order first.
  void restart() {
    if (process_.running()) stop();
    start();
  }

  /// libpq's words for connecting to `database`.
  std::string conninfo(const std::string& database = "postgres") const {
    return "host=" + folder_.path().string() + " user=parley dbname=" + database;
  }
  /// Makes an empty database (lower-case letters, digits, underscores) and returns its conninfo.
  std::string create_database(const std::string& name) {
    std::vector<std::string> arguments = {"-h", folder_.path().string(), "-U", "parley", name};
    run("createdb", std::move(arguments));
    return conninfo(name);
  }
  /// The same with a name of its own.
  std::string create_database() { return create_database("test_" + std::to_string(++databases_)); }

  std::filesystem::path folder() const { return folder_.path(); }
  std::filesystem::path log() const { return folder_.path() / "postgres.log"; }
  pid_t pid() const noexcept { return process_.pid(); }

 private:
  std::string data() const { return (folder_.path() / "data").string(); }

  static std::string binary(const std::string& name) {
    const char* const folder = std::getenv("PARLEY_POSTGRES_BIN");
    return std::string(folder && *folder ? folder : "/usr/lib/postgresql/15/bin") + "/" + name;
  }

  ChildProcess::Options child_options(int death_signal) const {
    ChildProcess::Options how;
    how.output = log();
    how.death_signal = death_signal;
    how.folder = folder_.path();
    if (uid_ != 0) {
      how.uid = uid_;
      how.gid = gid_;
    }
    return how;
  }

  void run(const std::string& program, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), binary(program));
    ChildProcess child;
    child.start(arguments, child_options(SIGKILL));
    if (!eventually([&] { return !child.running(); }, std::chrono::seconds(60)) || child.exit_code() != 0)
      throw server_error(program + " failed", log());
  }

  /// postmaster.pid names the pid in its first line and the state in its eighth.
  bool ready() const {
    std::istringstream lines(file_text(data() + "/postmaster.pid"));
    std::vector<std::string> line(8);
    for (std::string& text : line) std::getline(lines, text);
    return line[0] == std::to_string(process_.pid()) && line[7].starts_with("ready");
  }

  /// Fields of /proc/<pid>/stat after the name, which may hold spaces: state, parent, ...
  static std::pair<char, pid_t> state_and_parent(const std::string& pid) {
    const std::string stat = file_text("/proc/" + pid + "/stat");
    const std::size_t end = stat.rfind(')');
    if (end == std::string::npos || end + 4 >= stat.size()) return {'X', 0};
    return {stat[end + 2], static_cast<pid_t>(std::atol(stat.c_str() + end + 4))};
  }
  static bool alive(pid_t pid) {
    const char state = state_and_parent(std::to_string(pid)).first;
    return state != 'X' && state != 'Z';
  }
  static std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> found;
    if (parent <= 0) return found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (std::isdigit(static_cast<unsigned char>(name[0])) && state_and_parent(name).second == parent)
        found.push_back(static_cast<pid_t>(std::stol(name)));
    }
    return found;
  }

  TemporaryFolder folder_;
  Options options_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  ChildProcess process_;
  int databases_ = 0;
};

}  // namespace parley::test
