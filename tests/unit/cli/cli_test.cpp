#include "app/cli.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "parley/protocol/pack.hpp"

namespace parley::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

/// Runs the command line with everything outside replaced; `out` and `err` hold what it printed.
class Cli : public testing::Test {
 protected:
  Cli() : folder_(std::filesystem::temp_directory_path() / ("parley-cli-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Cli() override { std::filesystem::remove_all(folder_); }

  int run(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    CliHost host{in, out, err, environment_, {}, {}, {}, call_admin};
    host.serve = [this](const config::Settings& settings) {
      served_ = settings;
      return 7;
    };
    host.migrate = migrate_;
    if (answer_) host.admin = answer_;
    int code = run_cli(std::move(arguments), host);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  /// Answers every admin request with this and remembers what was asked.
  void daemon_answers(int status, std::string body) {
    answer_ = [this, status, body](const std::filesystem::path& socket,
                                   const AdminRequest& request) -> Result<AdminReply> {
      socket_ = socket;
      asked_ = request;
      return AdminReply{status, body};
    };
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  bool one_error_line() const { return err_.starts_with("parley: ") && err_.find('\n') == err_.size() - 1; }

  std::filesystem::path folder_;
  config::Environment environment_;
  std::function<void(const config::Settings&)> migrate_;
  std::function<Result<AdminReply>(const std::filesystem::path&, const AdminRequest&)> answer_;
  config::Settings served_;
  std::filesystem::path socket_;
  AdminRequest asked_;
  std::string out_, err_;
};

TEST_F(Cli, ServeGivesTheDaemonTheSettingsAndReturnsItsExitCode) {
  EXPECT_EQ(
      run({"serve", "--port", "0", "--data", "/srv/x", "--listen", "::1", "--ops-port", "9191", "--web-root", "/w"}),
      7);
  EXPECT_EQ(served_.server.port, 0);
  EXPECT_EQ(served_.store.folder, "/srv/x");
  EXPECT_EQ(served_.server.listen, "::1");
  EXPECT_EQ(served_.ops.port, 9191);
  EXPECT_EQ(served_.server.web_root, "/w");
}

TEST_F(Cli, TheCommandLineWinsOverTheEnvironmentAndThatOverTheFile) {
  std::ofstream(path("c.toml")) << "[server]\nport = 1001\nlisten = \"10.0.0.1\"\n[ops]\nport = 1002\n";
  environment_ = [](const char* name) -> const char* {
    return std::string_view(name) == "PARLEY_OPS__PORT" ? "2002" : nullptr;
  };
  EXPECT_EQ(run({"serve", "--config", path("c.toml"), "--port", "3003"}), 7);
  EXPECT_EQ(served_.server.port, 3003);
  EXPECT_EQ(served_.ops.port, 2002);
  EXPECT_EQ(served_.server.listen, "10.0.0.1");
}

TEST_F(Cli, AWrongLineIsOneLineWithTheCommandToAskAndExitCodeTwo) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {},
           {"sreve"},
           {"serve", "--prot", "1"},
           {"tenant"},
           {"tenant", "add"},
           {"serve", "--port"},
           {"agent", "add", "--tenant", "a", "--email", "e", "--name", "n", "--role", "king"}}) {
    EXPECT_EQ(run(arguments), 2);
    EXPECT_TRUE(one_error_line()) << err_;
    EXPECT_THAT(err_, HasSubstr("--help"));
    EXPECT_EQ(out_, "");
  }
  run({"tenant", "add"});
  EXPECT_THAT(err_, HasSubstr("see parley tenant add --help"));
}

TEST_F(Cli, AValueThatIsNotAcceptedNamesItsFlag) {
  EXPECT_EQ(run({"serve", "--port", "99999"}), 2);
  EXPECT_THAT(err_, StartsWith("parley: --port: server.port = \"99999\" is not accepted"));
  EXPECT_EQ(run({"serve", "--port", "9090"}), 2) << "the metrics have that port";
  EXPECT_THAT(err_, HasSubstr("ops.port"));
}

TEST_F(Cli, EveryCommandHasHelp) {
  EXPECT_EQ(run({"--help"}), 0);
  for (const char* name : {"serve", "check-config", "config", "migrate", "tenant", "agent", "site", "token", "demo",
                           "journal", "doctor", "version"}) {
    EXPECT_THAT(out_, HasSubstr(name));
  }
  for (const auto& command : std::vector<std::vector<std::string>>{{"serve"},
                                                                   {"check-config"},
                                                                   {"config", "example"},
                                                                   {"config", "reference"},
                                                                   {"migrate"},
                                                                   {"tenant", "add"},
                                                                   {"tenant", "list"},
                                                                   {"agent", "add"},
                                                                   {"site", "add"},
                                                                   {"token", "add"},
                                                                   {"demo"},
                                                                   {"journal", "cat"},
                                                                   {"doctor"},
                                                                   {"version"}}) {
    auto arguments = command;
    arguments.push_back("--help");
    EXPECT_EQ(run(arguments), 0);
    EXPECT_THAT(out_, HasSubstr("--help")) << command[0];
    EXPECT_EQ(err_, "");
  }
}

TEST_F(Cli, CheckConfigSaysWhetherTheFileWouldBeAccepted) {
  std::ofstream(path("good.toml")) << "[server]\nport = 1\n";
  std::ofstream(path("bad.toml")) << "[server]\nprot = 1\n";
  EXPECT_EQ(run({"check-config", "--config", path("good.toml")}), 0);
  EXPECT_THAT(out_, HasSubstr("good.toml: ok"));
  EXPECT_EQ(run({"check-config", "--config", path("bad.toml")}), 2);
  EXPECT_THAT(err_, HasSubstr("bad.toml:2: there is no option server.prot; did you mean server.port?"));
  EXPECT_EQ(run({"check-config", "--json", "--config", path("good.toml")}), 0);
  EXPECT_EQ(json::parse(out_), (json{{"ok", true}}));
  EXPECT_EQ(run({"check-config", "--json", "--config", path("bad.toml")}), 2);
  EXPECT_EQ(json::parse(out_)["ok"], false);
}

TEST_F(Cli, PrintsTheDocumentsAndTheVersion) {
  EXPECT_EQ(run({"config", "example"}), 0);
  EXPECT_EQ(out_, config::example_toml());
  EXPECT_EQ(run({"config", "reference"}), 0);
  EXPECT_EQ(out_, config::reference_markdown());
  EXPECT_EQ(run({"version"}), 0);
  EXPECT_THAT(out_, StartsWith("parley 0."));
  EXPECT_EQ(run({"version", "--json"}), 0);
  std::string version = json::parse(out_)["version"];
  run({"version"});
  EXPECT_EQ(out_, "parley " + version + "\n");
}

TEST_F(Cli, AdminCommandsAskTheDaemonOfTheDataFolder) {
  daemon_answers(201, R"({"id":"42"})");
  EXPECT_EQ(run({"tenant", "add", "--data", "/srv/p", "--name", "Acme \"Ltd\"", "--slug", "acme"}), 0);
  EXPECT_EQ(socket_, "/srv/p/admin.sock");
  EXPECT_EQ(asked_.method + " " + asked_.target, "POST /admin/v1/tenants");
  EXPECT_EQ(json::parse(asked_.body),
            (json{{"name", "Acme \"Ltd\""}, {"slug", "acme"}, {"locale", "en"}, {"time_zone", "UTC"}}));
  EXPECT_EQ(out_, "tenant: 42\n");

  daemon_answers(201, R"({"id":"43","password":"p w"})");
  EXPECT_EQ(run({"agent", "add", "--tenant", "acme", "--email", "a@b.c", "--name", "A", "--role", "owner"}), 0);
  EXPECT_EQ(json::parse(asked_.body),
            (json{{"tenant", "acme"}, {"email", "a@b.c"}, {"display_name", "A"}, {"role", "owner"}}));
  EXPECT_EQ(out_, "agent: 43\npassword (shown once): p w\n");
  EXPECT_EQ(
      run({"agent", "add", "--tenant", "acme", "--email", "a@b.c", "--name", "A", "--password-stdin"}, "secret one\n"),
      0);
  EXPECT_EQ(json::parse(asked_.body)["password"], "secret one");
  EXPECT_EQ(run({"agent", "add", "--tenant", "acme", "--email", "a@b.c", "--name", "A", "--password-stdin"}), 1)
      << "no password came";

  daemon_answers(201, R"({"id":"44","public_key":"pk_x"})");
  EXPECT_EQ(run({"site", "add", "--tenant", "acme", "--name", "Shop", "--origin", "https://a.example", "--origin",
                 "https://b.example", "--json"}),
            0);
  EXPECT_EQ(asked_.target, "/admin/v1/channels");
  EXPECT_EQ(json::parse(asked_.body)["allowed_origins"], (json{"https://a.example", "https://b.example"}));
  EXPECT_EQ(json::parse(out_)["public_key"], "pk_x");

  daemon_answers(201, R"({"token":"pat_1"})");
  EXPECT_EQ(run({"token", "add", "--tenant", "acme", "--email", "a@b.c", "--name", "ci"}), 0);
  EXPECT_EQ(asked_.target, "/admin/v1/tokens");
  EXPECT_EQ(out_, "token (shown once): pat_1\n");

  daemon_answers(200, R"({"tenant":{"id":"1","slug":"demo"},"channel":{"public_key":"pk_d"},"email":"o@demo"})");
  EXPECT_EQ(run({"demo"}), 0);
  EXPECT_EQ(asked_.target, "/admin/v1/demo");
  EXPECT_EQ(out_, "tenant: demo\nemail: o@demo\nkey: pk_d\n") << "no password the second time";

  daemon_answers(200, R"({"items":[{"id":"1","slug":"demo","name":"Demo"}]})");
  EXPECT_EQ(run({"tenant", "list"}), 0);
  EXPECT_EQ(asked_.method + asked_.body, "GET");
  EXPECT_EQ(out_, "demo\t1\tDemo\n");
}

TEST_F(Cli, ARefusalOfTheDaemonIsOneLineAndExitCodeOne) {
  daemon_answers(409, R"({"status":409,"code":"slug_taken","detail":"the slug is taken","field":"slug"})");
  EXPECT_EQ(run({"tenant", "add", "--name", "A", "--slug", "a"}), 1);
  EXPECT_EQ(err_, "parley: slug: the slug is taken\n");
  daemon_answers(500, "<html>");
  EXPECT_EQ(run({"demo"}), 1);
  EXPECT_EQ(err_, "parley: the daemon answered with status 500\n");
  daemon_answers(200, "nonsense");
  EXPECT_EQ(run({"demo"}), 1);
  EXPECT_TRUE(one_error_line()) << err_;
  daemon_answers(200, "{}");
  EXPECT_EQ(run({"tenant", "list"}), 1);
  EXPECT_TRUE(one_error_line()) << err_;
}

/// A socket that answers each connection once with fixed bytes.
class FakeDaemon {
 public:
  FakeDaemon(const std::string& path, std::string answer) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd_, 1) != 0)
      throw std::runtime_error("bind " + path);
    thread_ = std::thread([this, answer = std::move(answer)] {
      int peer = ::accept(fd_, nullptr, nullptr);
      char bytes[4096];
      ssize_t n = ::read(peer, bytes, sizeof bytes);
      if (n > 0) asked_.assign(bytes, static_cast<std::size_t>(n));
      if (::write(peer, answer.data(), answer.size()) < 0) asked_.clear();
      ::close(peer);
    });
  }
  ~FakeDaemon() {
    if (thread_.joinable()) thread_.join();
    ::close(fd_);
  }
  std::string asked() {
    thread_.join();
    return asked_;
  }

 private:
  int fd_;
  std::string asked_;
  std::thread thread_;
};

TEST_F(Cli, SpeaksHttpOverTheSocket) {
  FakeDaemon daemon(path("admin.sock"), "HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{\"id\":\"42\"}");
  EXPECT_EQ(run({"tenant", "add", "--data", folder_.string(), "--name", "A", "--slug", "a"}), 0) << err_;
  EXPECT_EQ(out_, "tenant: 42\n");
  std::string asked = daemon.asked();
  EXPECT_THAT(asked, StartsWith("POST /admin/v1/tenants HTTP/1.1\r\n"));
  EXPECT_THAT(asked, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(asked, HasSubstr("\"slug\":\"a\""));
}

TEST_F(Cli, SaysWhatToDoWhenNoDaemonAnswers) {
  EXPECT_EQ(run({"demo", "--data", folder_.string()}), 1);
  EXPECT_EQ(err_, "parley: no daemon answers on " + path("admin.sock") + "; start it with: parley serve --data " +
                      folder_.string() + "\n");
  EXPECT_EQ(run({"demo", "--data", "/" + std::string(200, 'x')}), 1);
  EXPECT_THAT(err_, HasSubstr("too long for a socket address"));
  {
    FakeDaemon daemon(path("admin.sock"), "SSH-2.0-nonsense\r\n\r\n");
    EXPECT_EQ(run({"demo", "--data", folder_.string()}), 1);
    EXPECT_THAT(err_, HasSubstr("is not HTTP"));
  }
  std::filesystem::remove(path("admin.sock"));
  FakeDaemon daemon(path("admin.sock"), "");  // dies before it answers
  EXPECT_EQ(run({"demo", "--data", folder_.string()}), 1);
  EXPECT_TRUE(one_error_line()) << err_;
}

class CliStore : public Cli {
 protected:
  void sql(const std::string& statements) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((folder_ / "parley.db").c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, statements.c_str(), nullptr, nullptr, &error), SQLITE_OK) << (error ? error : "");
    sqlite3_close(db);
  }
  static std::string hex(std::string_view bytes) {
    std::string out = "x'";
    for (unsigned char c : bytes) out += fmt::format("{:02x}", c);
    return out + "'";
  }
  static std::string packed(protocol::EntryType kind, std::string_view body,
                            protocol::Codec codec = protocol::Codec::kJson) {
    protocol::PackItem item;
    item.kind = kind;
    item.tenant = TenantId{1};
    item.conv = ConversationId{5};
    item.id = MessageId{9};
    item.ts_ns = 1000;
    item.principal = Principal::visitor(VisitorId{3});
    item.n = 2;
    item.codec = codec;
    item.bytes = body;
    std::string pack;
    protocol::append_pack(pack, &item, 1);
    return pack;
  }
  void journal() {
    std::string refusal(1, static_cast<char>(protocol::Code::kFiltered));
    sql("create table message (pos integer primary key, conv integer, seq integer, item blob);"
        "insert into message values (1, 5, 1, " +
        hex(packed(protocol::EntryType::kText, R"({"text":"hi"})")) +
        "),"
        "(2, 6, 1, x'ff'), (3, 5, null, " +
        hex(packed(protocol::EntryType::kRefusal, refusal)) +
        "),"
        "(4, 7, 1, " +
        hex(packed(protocol::EntryType::kText, "not snappy", protocol::Codec::kSnappy)) + ")");
  }
};

TEST_F(CliStore, JournalCatPrintsOneJsonLinePerItem) {
  journal();
  EXPECT_EQ(run({"journal", "cat", "--data", folder_.string(), "--conv", "5"}), 0) << err_;
  std::istringstream lines(out_);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  json first = json::parse(line);
  EXPECT_EQ(first["pos"], 1);
  EXPECT_EQ(first["seq"], 1);
  EXPECT_EQ(first["type"], "text");
  EXPECT_EQ(first["from"], "v:3");
  EXPECT_EQ(first["body"], (json{{"text", "hi"}}));
  ASSERT_TRUE(std::getline(lines, line));
  json second = json::parse(line);
  EXPECT_EQ(second["seq"], 0);
  EXPECT_EQ(second["code"], "filtered");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(CliStore, JournalCatNamesADamagedRowAndGoesOn) {
  journal();
  EXPECT_EQ(run({"journal", "cat", "--data", folder_.string()}), 1);
  EXPECT_THAT(err_, StartsWith("parley: position 2: "));
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 3);
  EXPECT_THAT(out_, HasSubstr("\"damaged\":"));
  EXPECT_EQ(run({"journal", "cat", "--data", folder_.string(), "--after", "2", "--limit", "1"}), 0);
  EXPECT_EQ(json::parse(out_)["pos"], 3);
}

TEST_F(CliStore, JournalCatSaysWhatIsMissing) {
  EXPECT_EQ(run({"journal", "cat", "--data", folder_.string()}), 1);
  EXPECT_THAT(err_, HasSubstr("does not exist; give the data folder with --data"));
  sql("create table other (x)");
  EXPECT_EQ(run({"journal", "cat", "--data", folder_.string()}), 1);
  EXPECT_TRUE(one_error_line()) << err_;
}

TEST_F(CliStore, MigrateSaysBothVersions) {
  migrate_ = [&](const config::Settings& settings) {
    EXPECT_EQ(settings.store.folder, folder_);
    sql("create table schema_version (version integer); insert into schema_version values (1), (2)");
  };
  EXPECT_EQ(run({"migrate", "--data", folder_.string()}), 0) << err_;
  EXPECT_EQ(out_, "schema 0 -> 2\n");
  migrate_ = [](const config::Settings&) {};
  EXPECT_EQ(run({"migrate", "--data", folder_.string()}), 0);
  EXPECT_EQ(out_, "schema 2: nothing to do\n");
  EXPECT_EQ(run({"migrate", "--json", "--data", folder_.string()}), 0);
  EXPECT_EQ(json::parse(out_), (json{{"from", 2}, {"to", 2}}));
  migrate_ = [](const config::Settings&) { throw std::runtime_error("another daemon runs on this folder"); };
  EXPECT_EQ(run({"migrate", "--data", folder_.string()}), 1);
  EXPECT_EQ(err_, "parley: another daemon runs on this folder\n");
}

TEST_F(Cli, DoctorFindsWhatStopsTheServer) {
  answer_ = [](const std::filesystem::path&, const AdminRequest&) -> Result<AdminReply> {
    return Error(Errc::kUnavailable, "nobody");
  };
  EXPECT_EQ(run({"doctor", "--data", folder_.string(), "--port", "0", "--ops-port", "0"}), 0) << out_;
  EXPECT_THAT(out_, HasSubstr("ok   daemon: not running\n"));

  EXPECT_EQ(run({"doctor", "--json", "--data", path("no/such"), "--port", "0", "--ops-port", "0", "--web-root",
                 folder_.string()}),
            1);
  json report = json::parse(out_);
  EXPECT_EQ(report["ok"], false);
  int failed = 0;
  for (const json& finding : report["findings"]) failed += finding["verdict"] == "fail";
  EXPECT_EQ(failed, 2) << out_ << "the folder and the pages";

  std::ofstream(path("file")) << "x";
  EXPECT_EQ(run({"doctor", "--data", path("file"), "--port", "0", "--ops-port", "0"}), 1);
  EXPECT_THAT(out_, HasSubstr("is not a folder"));

  std::ofstream(path("widget.js")) << "x";
  daemon_answers(200, R"({"items":[]})");
  EXPECT_EQ(
      run({"doctor", "--data", folder_.string(), "--port", "0", "--ops-port", "0", "--web-root", folder_.string()}), 0)
      << out_;
  EXPECT_THAT(out_, HasSubstr("ok   daemon: answers on "));
  daemon_answers(500, "");
  EXPECT_EQ(run({"doctor", "--data", folder_.string(), "--port", "0", "--ops-port", "0"}), 1);
}

TEST_F(Cli, DoctorNoticesATakenPort) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::string port = std::to_string(ntohs(address.sin_port));
  answer_ = [](const std::filesystem::path&, const AdminRequest&) -> Result<AdminReply> {
    return Error(Errc::kUnavailable, "nobody");
  };
  EXPECT_EQ(run({"doctor", "--data", folder_.string(), "--port", port, "--ops-port", "0"}), 1);
  EXPECT_THAT(out_, HasSubstr("port " + port + ": Address already in use; choose another"));
  daemon_answers(200, "{}");
  EXPECT_EQ(run({"doctor", "--data", folder_.string(), "--port", port, "--ops-port", "0"}), 0)
      << "it is our own daemon's";
  ::close(fd);
}

}  // namespace
}  // namespace parley::app
