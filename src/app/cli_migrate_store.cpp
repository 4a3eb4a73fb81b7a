#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "cli_commands.hpp"
#include "cli_config_edit.hpp"
#include "parley/store/move.hpp"

namespace parley::app {
namespace {

using nlohmann::json;

/// The configuration file, which the switch may have to change and to change back.
class ConfigFile {
 public:
  explicit ConfigFile(std::filesystem::path path) : path_(std::move(path)) {}
  void switch_to_standard() {
    std::ifstream in(path_, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) throw std::runtime_error(path_.string() + " cannot be read");
    before_ = text.str();
    write(with_setting(*before_, "store", "mode", "standard"));
  }
  void switch_back() {
    if (before_) write(*before_);
    before_.reset();
  }

 private:
  /// Whole or not at all, with the same owner and mode.
  void write(const std::string& text) {
    const std::filesystem::path target = std::filesystem::canonical(path_);
    const std::string fresh = target.string() + ".new";
    struct stat like {};
    ::stat(target.c_str(), &like);
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (std::size_t at = 0; good && at < text.size();) {
      const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
      good = n > 0;
      at += good ? static_cast<std::size_t>(n) : 0;
    }
    good = good && ::fchmod(fd, like.st_mode & 07777) == 0;
    if (good && (like.st_uid != ::geteuid() || like.st_gid != ::getegid())) {
      good = ::fchown(fd, like.st_uid, like.st_gid) == 0;
    }
    good = good && ::fsync(fd) == 0;
    if (fd >= 0) ::close(fd);
    good = good && ::rename(fresh.c_str(), target.c_str()) == 0;
    if (good) return;
    ::unlink(fresh.c_str());
    throw std::runtime_error(path_.string() + " cannot be written; run this as its owner, or without --switch");
  }
  const std::filesystem::path path_;
  std::optional<std::string> before_;
};

class Host final : public store::MoveHost {
 public:
  Host(CliHost& host, const config::Settings& settings, ConfigFile* file, bool quiet)
      : host_(host), socket_(settings.store.folder / "admin.sock"), file_(file), quiet_(quiet) {}

  void say(const std::string& line) override {
    if (!quiet_) host_.out << line << std::endl;
  }
  Result<> daemon() override {
    Result<AdminReply> reply = host_.admin(socket_, {"GET", "/admin/v1/tenants", ""});
    if (!reply) return reply.error();
    return {};
  }
  Result<std::string> freeze(const std::string& token, std::chrono::seconds time) override {
    Result<json> answer = ask("freeze", {{"token", token}, {"seconds", time.count()}});
    if (!answer) return answer.error();
    return answer->value("token", std::string());
  }
  void thaw(const std::string& token) override {
    if (const Result<json> done = ask("thaw", {{"token", token}}); !done)
      host_.err << "parley: the server could not be told to go on (" << done.error().detail
                << "); it does so by itself within a minute\n";
  }
  Result<> retire(const std::string& token, const std::string& place) override {
    Result<json> answer = ask("retire", {{"token", token}, {"moved_to", place}});
    if (!answer) return answer.error();
    return {};
  }
  void before_switch() override {
    if (file_) file_->switch_to_standard();
  }
  void switch_failed() override {
    if (file_) file_->switch_back();
  }

 private:
  Result<json> ask(const char* what, const json& body) {
    Result<AdminReply> reply = host_.admin(socket_, {"POST", std::string("/admin/v1/store/") + what, body.dump()});
    if (!reply) return reply.error();
    json answer = json::parse(reply->body, nullptr, false);
    if (reply->status == 200 && answer.is_object()) return answer;
    const std::string detail = answer.is_object() ? answer.value("detail", std::string()) : std::string();
    return Error(Errc::kConflict, detail.empty() ? "status " + std::to_string(reply->status) : detail);
  }
  CliHost& host_;
  const std::filesystem::path socket_;
  ConfigFile* const file_;
  const bool quiet_;
};

void print_table(std::ostream& out, const store::MoveReport& report) {
  out << fmt::format("{:<20} {:>12}  {}\n", "table", "rows", "checksum of both sides");
  for (const store::MoveReport::Table& table : report.tables)
    out << fmt::format("{:<20} {:>12}  {:016x}\n", table.name, table.rows, table.checksum);
}

/// What the operator has to do now.
void print_next(CliHost& host, const config::Settings& settings, const MoveCommand& command) {
  const std::string where = command.config.empty() ? "the configuration" : command.config;
  int number = 0;
  const bool by_environment = host.environment && host.environment("PARLEY_STORE__MODE");
  if (command.switch_over) {
    host.out << where << " says store.mode = \"standard\" now\n";
  } else if (!settings.store.standard()) {
    host.out << ++number << ". in " << where << " set store.mode = \"standard\"\n";
  }
  if (by_environment) host.out << ++number << ". set PARLEY_STORE__MODE=standard, which goes before the file\n";
  host.out << ++number << ". start the server: systemctl restart parley, or parley serve --config "
           << (command.config.empty() ? "FILE" : command.config) << "\n";
  host.out << ++number << ". keep " << (settings.store.folder / "parley.db").string()
           << " until you have seen that all is well; it is not used any more\n";
}

json json_of(const store::MoveReport& report, bool dry_run) {
  json tables = json::array();
  for (const store::MoveReport::Table& table : report.tables)
    tables.push_back(
        {{"name", table.name}, {"rows", table.rows}, {"checksum", fmt::format("{:016x}", table.checksum)}});
  return {{"dry_run", dry_run},
          {"store_id", report.store_id},
          {"was_done", report.was_done},
          {"server_ran", report.daemon_ran},
          {"frozen_ms", report.frozen.count()},
          {"whole_ms", report.whole.count()},
          {"tables", tables}};
}

}  // namespace

int migrate_store(CliHost& host, const config::Settings& settings, const MoveCommand& command, bool as_json) {
  if (command.switch_over && command.config.empty())
    throw config::ConfigError("--switch: there is no configuration file to change; name it with --config");
  store::MoveOptions options;
  options.folder = settings.store.folder;
  options.redis_url = settings.redis.url;
  options.redis_prefix = settings.redis.prefix;
  options.shards = settings.redis.shards;
  options.postgres = settings.postgres.url;
  options.dry_run = command.dry_run;
  options.freeze = std::chrono::seconds(command.freeze_s);
  std::optional<ConfigFile> file;
  if (command.switch_over) file.emplace(command.config);
  Host move_host(host, settings, file ? &*file : nullptr, as_json);
  const store::MoveReport report = store::move_store(options, move_host);
  // The earlier run may have ended before it came to that.
  if (report.was_done && file && !command.dry_run) file->switch_to_standard();
  if (as_json) {
    host.out << json_of(report, command.dry_run).dump() << "\n";
    return 0;
  }
  if (command.dry_run) {
    host.out << (report.was_done ? "it has been moved to the standard store " + report.store_id + " already"
                                 : "nothing was changed")
             << "\n";
    return 0;
  }
  if (report.was_done) {
    host.out << "it has been moved to the standard store " << report.store_id << " already\n";
  } else {
    print_table(host.out, report);
    host.out << fmt::format("moved to the standard store {} in {:.1f} s; it stood still for {:.2f} s\n",
                            report.store_id, static_cast<double>(report.whole.count()) / 1000,
                            static_cast<double>(report.frozen.count()) / 1000);
  }
  print_next(host, settings, command);
  return 0;
}

}  // namespace parley::app
