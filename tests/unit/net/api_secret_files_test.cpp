#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <regex>

#include "parley/config/settings.hpp"
#include "parley/net/secret_files.hpp"
#include "unit/store/store_fixture.hpp"

namespace parley::net {
namespace {

namespace fs = std::filesystem;

class SecretFiles : public testing::Test {
 protected:
  static unsigned mode_of(const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777;
  }
  static void put(const fs::path& file, const std::string& bytes, mode_t mode) {
    std::ofstream(file, std::ios::binary) << bytes;
    ::chmod(file.c_str(), mode);
  }
  std::string refusal() {
    try {
      load_master_key(data_);
      return "";
    } catch (const config::ConfigError& error) {
      return error.what();
    }
  }
  void make_keys_folder() {
    fs::create_directories(data_ / "keys");
    ::chmod((data_ / "keys").c_str(), 0700);
  }
  store::test::TempFolder folder_;
  fs::path data_ = folder_.path() / "data";
  fs::path master_ = data_ / "keys" / "master";
};

TEST_F(SecretFiles, TheMasterKeyIsMadeOnceAndReadableByTheOwnerOnly) {
  const std::string key = load_master_key(data_);
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(mode_of(master_), 0600u);
  EXPECT_EQ(mode_of(data_ / "keys"), 0700u);
  EXPECT_EQ(load_master_key(data_), key) << "the same after a restart";
  EXPECT_FALSE(fs::exists(master_.string() + ".new"));
  EXPECT_NE(load_master_key(folder_.path() / "other"), key);
}

TEST_F(SecretFiles, AMasterKeyOthersCouldReadStopsTheStart) {
  make_keys_folder();
  for (const mode_t mode : {0640, 0604, 0660, 0644}) {
    put(master_, std::string(32, 'k'), mode);
    EXPECT_NE(refusal().find("chmod 600 " + master_.string()), std::string::npos) << refusal();
  }
  put(master_, std::string(32, 'k'), 0600);
  EXPECT_EQ(refusal(), "");
  ::chmod((data_ / "keys").c_str(), 0755);
  EXPECT_NE(refusal().find("chmod 700"), std::string::npos) << refusal();
}

TEST_F(SecretFiles, AMasterKeyOfAnotherSizeStopsTheStartAndIsLeftAlone) {
  make_keys_folder();
  for (const std::size_t size : {0u, 31u, 33u, 5000u}) {
    put(master_, std::string(size, 'k'), 0600);
    EXPECT_NE(refusal().find("32 bytes"), std::string::npos) << size;
    EXPECT_EQ(fs::file_size(master_), size);
  }
}

TEST_F(SecretFiles, WhatIsNoFileStopsTheStart) {
  make_keys_folder();
  fs::create_directory(master_);
  EXPECT_NE(refusal(), "");
  fs::remove(master_);
  put(data_ / "elsewhere", std::string(32, 'k'), 0600);
  fs::create_symlink(data_ / "elsewhere", master_);
  EXPECT_NE(refusal(), "") << "a link could point to what others may change";
}

TEST_F(SecretFiles, ADataFolderThatIsAFileStopsTheStart) {
  put(data_, "x", 0600);
  EXPECT_NE(refusal(), "");
}

TEST_F(SecretFiles, TheSetupCodeIsKeptUntilItIsUsed) {
  SetupCode first(data_);
  EXPECT_FALSE(first.matches("")) << "before there is one";
  const std::string code = first.ensure();
  EXPECT_TRUE(std::regex_match(code, std::regex("([A-Z2-9]{4}-){2}[A-Z2-9]{4}"))) << code;
  EXPECT_EQ(mode_of(first.file()), 0600u);
  SetupCode restarted(data_);
  EXPECT_EQ(restarted.ensure(), code);
  EXPECT_TRUE(restarted.matches(code));
  EXPECT_FALSE(restarted.matches("AAAA-BBBB-CCCC"));
  restarted.remove();
  EXPECT_FALSE(fs::exists(restarted.file()));
  EXPECT_FALSE(restarted.matches(code)) << "used up";
  restarted.remove();
}

TEST_F(SecretFiles, ADamagedSetupCodeIsReplacedAndAPublicOneRefused) {
  fs::create_directories(data_);
  put(data_ / "setup-code", "\n", 0600);
  EXPECT_EQ(SetupCode(data_).ensure().size(), 14u);
  ::chmod((data_ / "setup-code").c_str(), 0644);
  EXPECT_THROW(SetupCode(data_).ensure(), config::ConfigError);
}

}  // namespace
}  // namespace parley::net
