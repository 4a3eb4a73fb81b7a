#pragma once
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

/// Secrets kept as files in the data folder: readable by the daemon's user only.
namespace parley::net {

/// The 32 bytes of <data>/keys/master, from which every signing key is derived; made at the first start (file 0600,
/// folder 0700, synced before use). Throws config::ConfigError, in one line with the remedy, if the file or its folder
/// can be read by others, has another size, or cannot be read or made.
std::string load_master_key(const std::filesystem::path& data);

/// The one-time code in <data>/setup-code (0600) that whoever sets the installation up must know. Threads: any.
class SetupCode {
 public:
  explicit SetupCode(const std::filesystem::path& data) : file_(data / "setup-code") {}
  /// The code in the file; makes one if there is none. Call it at start while no tenant exists, and print it. Throws
  /// config::ConfigError as above.
  std::string ensure();
  /// False also if there is no code.
  bool matches(std::string_view typed) const;
  /// It was used, or is not needed any more. A file that cannot be removed is named in the log; it opens nothing, since
  /// a tenant exists.
  void remove();
  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  std::filesystem::path file_;
  mutable std::mutex mutex_;  // leaf lock
  std::string code_;
};

}  // namespace parley::net
