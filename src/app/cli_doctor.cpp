#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli_commands.hpp"

namespace parley::app {
namespace {

enum class Verdict { kOk, kWarn, kFail };
struct Finding {
  Verdict verdict;
  std::string what;
  std::string text;  // what is there, and the remedy if it is not well
};

constexpr const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      break;
  }
  return "fail";
}

constexpr std::uint64_t kFreeMin = 256u << 20, kFreeWish = 2ull << 30;
constexpr std::uint64_t kFilesWish = 65536;

Finding look_at_folder(const std::filesystem::path& folder) {
  std::error_code ec;
  if (!std::filesystem::exists(folder, ec)) {
    std::filesystem::path parent = std::filesystem::absolute(folder, ec).parent_path();
    if (::access(parent.c_str(), W_OK) == 0)
      return {Verdict::kOk, "data folder", folder.string() + " will be made at the first start"};
    return {Verdict::kFail, "data folder",
            folder.string() + " does not exist and " + parent.string() +
                " may not be written; make it, or give another with --data"};
  }
  if (!std::filesystem::is_directory(folder, ec))
    return {Verdict::kFail, "data folder", folder.string() + " is not a folder; give another with --data"};
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0)
    return {Verdict::kFail, "data folder",
            folder.string() + ": " + std::strerror(errno) + "; run as its owner, or change its owner"};
  auto space = std::filesystem::space(folder, ec);
  std::string free = std::to_string(space.available >> 20) + " MiB free in " + folder.string();
  if (ec || space.available < kFreeMin)
    return {Verdict::kFail, "data folder", free + "; messages are refused when the disk is full, so make room"};
  return {space.available < kFreeWish ? Verdict::kWarn : Verdict::kOk, "data folder", free};
}

Finding look_at_files() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  std::string text = std::to_string(limit.rlim_cur) + " open files";
  if (limit.rlim_cur >= kFilesWish) return {Verdict::kOk, "limits", text};
  return {Verdict::kWarn, "limits",
          text + ", one per connection; raise it with ulimit -n or LimitNOFILE to serve more"};
}

/// Can somebody listen there? Leaves nothing behind.
Finding look_at_port(const std::string& what, const std::string& address, std::uint16_t port, bool daemon_alive) {
  std::string place = address + " port " + std::to_string(port);
  if (port == 0) return {Verdict::kOk, what, place + ": any free port"};
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (auto* v4 = reinterpret_cast<sockaddr_in*>(&storage); inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    storage = {};
    inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof(sockaddr_in6);
  }
  int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&storage), size) == 0 && ::listen(fd, 1) == 0;
  int error = errno;
  ::close(fd);
  if (free) return {Verdict::kOk, what, place + " is free"};
  if (error == EADDRINUSE && daemon_alive)
    return {Verdict::kOk, what, place + " is in use, and a daemon runs on this data folder"};
  return {Verdict::kFail, what, place + ": " + std::strerror(error) + "; choose another port or address"};
}

Finding look_at_pages(const std::string& web_root) {
  if (web_root.empty()) return {Verdict::kOk, "pages", "looked for beside the program"};
  std::error_code ec;
  if (std::filesystem::exists(std::filesystem::path(web_root) / "widget.js", ec))
    return {Verdict::kOk, "pages", web_root};
  return {Verdict::kFail, "pages",
          web_root + " has no widget.js; build the pages, or give another folder with --web-root"};
}

}  // namespace

int run_doctor(CliHost& host, const config::Settings& settings, bool json) {
  const std::filesystem::path socket = settings.store.folder / "admin.sock";
  AdminRequest probe{"GET", "/admin/v1/tenants", ""};
  Result<AdminReply> reply = host.admin(socket, probe);
  const bool alive = reply && reply->status == 200;

  std::vector<Finding> findings;
  findings.push_back({Verdict::kOk, "configuration", "accepted"});  // or we would not be here
  findings.push_back(look_at_folder(settings.store.folder));
  findings.push_back(look_at_files());
  if (alive) {
    findings.push_back({Verdict::kOk, "daemon", "answers on " + socket.string()});
  } else if (reply) {
    findings.push_back(
        {Verdict::kFail, "daemon", "answers with status " + std::to_string(reply->status) + "; look into its log"});
  } else if (reply.error().code == Errc::kUnavailable) {
    findings.push_back({Verdict::kOk, "daemon", "not running"});
  } else {
    findings.push_back({Verdict::kFail, "daemon", reply.error().detail});
  }
  findings.push_back(look_at_port("port", settings.server.listen, settings.server.port, alive));
  findings.push_back(look_at_port("metrics port", settings.ops.listen, settings.ops.port, alive));
  findings.push_back(look_at_pages(settings.server.web_root));

  int code = 0;
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    if (finding.verdict == Verdict::kFail) code = 1;
    if (json) {
      list.push_back({{"verdict", name_of(finding.verdict)}, {"what", finding.what}, {"text", finding.text}});
    } else {
      std::string verdict = name_of(finding.verdict);
      verdict.resize(5, ' ');
      host.out << verdict << finding.what << ": " << finding.text << "\n";
    }
  }
  if (json)
    host.out << nlohmann::json{{"ok", code == 0}, {"findings", list}}.dump(-1, ' ', false,
                                                                           nlohmann::json::error_handler_t::replace)
             << "\n";
  return code;
}

}  // namespace parley::app
