#pragma once
#include <unistd.h>

#include <filesystem>

#include "journal_calls.hpp"
#include "parley/store/sqlite_store.hpp"

namespace parley::store::test {

/// A folder that is gone after the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "parley-store-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A store in a temporary folder that can be closed and opened again.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { options.folder = folder.path() / "data"; }
  void SetUp() override { open(); }
  void open() { store = open_sqlite_store(options); }
  void reopen() {
    store.reset();
    open();
  }
  Journal& journal() { return store->journal(); }
  /// Until lists have what was appended: here at once.
  void settle() {}

  TempFolder folder;
  SqliteOptions options;
  Home home;
  std::unique_ptr<Store> store;
};

}  // namespace parley::store::test
