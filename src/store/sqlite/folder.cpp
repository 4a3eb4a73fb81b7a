#include "folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace parley::store {
namespace {

[[noreturn]] void fail(const std::string& what, const std::filesystem::path& path, int error) {
  throw std::runtime_error("store: " + what + " " + path.string() + ": " + std::strerror(error) +
                           "; check that the folder belongs to the user that runs Parley, or set store.folder");
}

}  // namespace

Folder::Folder(const std::filesystem::path& path) : path_(path) {
  std::error_code made;
  if (!path.parent_path().empty()) std::filesystem::create_directories(path.parent_path(), made);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail("cannot make the data folder", path, errno);
  const std::filesystem::path lock = path / "lock";
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) fail("cannot write to the data folder", path, errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    char pid[24] = {};
    [[maybe_unused]] const ssize_t n = ::pread(lock_, pid, sizeof pid - 1, 0);
    ::close(lock_);
    std::string holder(pid);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    throw std::runtime_error("store: another Parley (process " + (holder.empty() ? "unknown" : holder) + ") runs on " +
                             path.string() + "; stop it first, or give this one its own store.folder");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock_, 0) != 0 || ::pwrite(lock_, pid.data(), pid.size(), 0) < 0) {
    const int error = errno;
    ::close(lock_);
    fail("cannot write to the data folder", path, error);
  }
}

Folder::~Folder() { ::close(lock_); }

std::filesystem::path Folder::file(const char* name) const {
  const std::filesystem::path path = path_ / name;
  // SQLite gives its side files the mode of the database file.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fail("cannot open", path, errno);
  ::close(fd);
  return path;
}

}  // namespace parley::store
