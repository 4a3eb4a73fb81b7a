#include "parley/net/secret_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "parley/base/bytes.hpp"
#include "parley/config/settings.hpp"
#include "parley/obs/log.hpp"
#include "parley/tenant/secrets.hpp"
#include "parley/tenant/tokens.hpp"

namespace parley::net {
namespace {

namespace fs = std::filesystem;
using config::ConfigError;

std::string reason() { return std::strerror(errno); }

/// A file descriptor that is closed in the end.
struct Fd {
  explicit Fd(int f) : fd(f) {}
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int fd;
};

void private_folder(const fs::path& folder) {
  std::error_code ignored;
  fs::create_directories(folder.parent_path(), ignored);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw ConfigError(folder.string() + ": cannot be made: " + reason());
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    throw ConfigError(folder.string() + ": is not a folder");
  if ((info.st_mode & 077) != 0) {
    throw ConfigError(folder.string() + ": others may look into this folder; run: chmod 700 " + folder.string());
  }
}

/// What the file holds, at most `bytes_max` + 1 bytes; nullopt if there is none.
std::optional<std::string> read_private(const fs::path& file, std::size_t bytes_max) {
  const Fd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (in.fd < 0) {
    if (errno == ENOENT) return std::nullopt;
    throw ConfigError(file.string() + ": cannot be read: " + reason());
  }
  struct stat info {};
  if (::fstat(in.fd, &info) != 0 || !S_ISREG(info.st_mode)) throw ConfigError(file.string() + ": is not a file");
  if ((info.st_mode & 077) != 0) {
    throw ConfigError(file.string() + ": others may read this secret; run: chmod 600 " + file.string() +
                      " (and replace the secret if somebody could have read it)");
  }
  std::string bytes(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t n = ::read(in.fd, bytes.data() + size, bytes.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw ConfigError(file.string() + ": cannot be read: " + reason());
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  bytes.resize(size);
  return bytes;
}

/// Whole or not at all: written beside, synced, then given its name.
void write_private(const fs::path& file, std::string_view bytes) {
  const fs::path beside = file.string() + ".new";
  ::unlink(beside.c_str());
  {
    const Fd out(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    const bool written = out.fd >= 0 &&
                         ::write(out.fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                         ::fsync(out.fd) == 0;
    if (!written) throw ConfigError(file.string() + ": cannot be written: " + reason());
  }
  if (::rename(beside.c_str(), file.c_str()) != 0)
    throw ConfigError(file.string() + ": cannot be written: " + reason());
  const Fd folder(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.fd < 0 || ::fsync(folder.fd) != 0)
    throw ConfigError(file.parent_path().string() + ": cannot be synced: " + reason());
}

}  // namespace

std::string load_master_key(const fs::path& data) {
  const fs::path file = data / "keys" / "master";
  private_folder(file.parent_path());
  std::optional<std::string> key = read_private(file, tenant::TokenSigner::kKeyBytes);
  if (!key) {
    key = random_bytes(tenant::TokenSigner::kKeyBytes);
    write_private(file, *key);
  }
  if (key->size() != tenant::TokenSigner::kKeyBytes) {
    throw ConfigError(file.string() +
                      ": a master key has 32 bytes; restore it from the backup, or remove the file to have a new one "
                      "made (everybody then signs in anew)");
  }
  return std::move(*key);
}

std::string SetupCode::ensure() {
  std::lock_guard lock(mutex_);
  constexpr std::size_t kBytesMax = 100;
  std::string code = read_private(file_, kBytesMax).value_or("");
  code = code.substr(0, code.find_first_of("\r\n"));
  if (code.size() < 8) {  // none, or what a crash or an editor left
    code = tenant::make_setup_code();
    std::error_code ignored;
    fs::create_directories(file_.parent_path(), ignored);
    write_private(file_, code + '\n');
  }
  code_ = code;
  return code;
}

bool SetupCode::matches(std::string_view typed) const {
  std::lock_guard lock(mutex_);
  return tenant::same_setup_code(code_, typed);
}

void SetupCode::remove() {
  std::lock_guard lock(mutex_);
  code_.clear();
  if (::unlink(file_.c_str()) != 0 && errno != ENOENT) {
    log::warn("setup_code_not_removed", "file={} cause={}", log::quote(file_.string()), log::quote(reason()));
  }
}

}  // namespace parley::net
