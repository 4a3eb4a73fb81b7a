#pragma once
#include <filesystem>

namespace parley::store {

/// The data folder, made (0700) if missing, and held by a flock on the file `lock` while this object lives. Throws
/// std::runtime_error with one line and its remedy.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& path);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  /// A file in it, made empty with mode 0600 if missing.
  std::filesystem::path file(const char* name) const;

 private:
  const std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace parley::store
