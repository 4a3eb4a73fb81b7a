#include "parley/obs/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>
#include <vector>

#include "obs/log_sink.hpp"

namespace parley::log {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Every test logs into a file of its own, and the log goes back to stderr afterwards.
class Log : public testing::Test {
 protected:
  Log() : folder_(std::filesystem::temp_directory_path() / ("parley-log-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Log() override {
    configure({});
    std::filesystem::remove_all(folder_);
  }
  std::string file(const std::string& name = "log") const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

TEST_F(Log, WritesOneLineWithTimeLevelEventAndPairs) {
  configure({.file = file()});
  info("daemon_started", "port={} name={}", 8080, quote("a b"));
  flush();
  auto lines = lines_of(file());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(std::regex_match(
      lines[0], std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info daemon_started port=8080 name="a b")")))
      << lines[0];
}

TEST_F(Log, DropsWhatIsBelowTheLevelWithoutFormattingIt) {
  configure({.level = Level::kWarn, .file = file()});
  EXPECT_FALSE(enabled(Level::kInfo));
  info("quiet", "a={}", 1);
  warn("loud", "a={}", 2);
  set_level(Level::kOff);
  EXPECT_FALSE(enabled(Level::kOff)) << "off is a threshold, not a level to write at";
  error("silent", "a={}", 3);
  flush();
  auto lines = lines_of(file());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("loud a=2"), std::string::npos);
}

TEST_F(Log, WritesJsonThatAParserTakes) {
  configure({.json = true, .file = file()});
  error("send_refused", "conv={} bytes={} ratio={} ok=false cause={} ref=007 word", "7261402113001122334", 12, 0.5,
        quote("say \"hi\"\n{}"));
  flush();
  auto lines = lines_of(file());
  ASSERT_EQ(lines.size(), 1u);
  auto json = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(json["level"], "error");
  EXPECT_EQ(json["event"], "send_refused");
  EXPECT_EQ(json["conv"], "7261402113001122334") << "64-bit ids stay text, or JavaScript readers would round them";
  EXPECT_EQ(json["bytes"], 12);
  EXPECT_EQ(json["ratio"], 0.5);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["cause"], "say \"hi\"\n{}");
  EXPECT_EQ(json["ref"], "007");
  EXPECT_EQ(json["word"], true);
}

TEST_F(Log, ReconfiguringOpensTheFileAnewSoThatRotationLetsGo) {
  configure({.file = file()});
  info("before", "");
  flush();
  std::filesystem::rename(file(), file("log.1"));
  configure({.json = true, .file = file()});
  info("after", "");
  flush();
  EXPECT_EQ(lines_of(file("log.1")).size(), 1u);
  auto lines = lines_of(file());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["event"], "after");
}

TEST_F(Log, AFileThatCannotBeOpenedIsRefusedAndTheOldOneKept) {
  configure({.file = file()});
  try {
    configure({.level = Level::kError, .file = file("no/such/folder")});
    FAIL() << "opening a file in a missing folder must fail";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("no/such/folder: No such file"), std::string::npos) << e.what();
  }
  info("still_here", "");
  flush();
  EXPECT_EQ(lines_of(file()).size(), 1u);
}

TEST_F(Log, LinesOfManyThreadsStayWhole) {
  configure({.file = file()});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 250; ++i) info("tick", "thread={} i={} end=1", t, i);
    });
  }
  for (auto& thread : threads) thread.join();
  flush();
  auto lines = lines_of(file());
  EXPECT_EQ(lines.size(), 1000u);
  for (const auto& line : lines) EXPECT_TRUE(line.ends_with(" end=1")) << line;
}

TEST_F(Log, AStuckReaderCostsTheOldestLinesAndNeverBlocksTheCaller) {
  ASSERT_EQ(::mkfifo(file("pipe").c_str(), 0600), 0);
  int reader = ::open(file("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  configure({.file = file("pipe")});
  const std::uint64_t before = dropped();
  for (int i = 0; i < 20000; ++i)
    info("flood", "i={} padding={}", i, std::string(100, 'x'));  // would hang here if it blocked
  EXPECT_GT(dropped(), before + 5000) << "8192 lines wait, a pipe holds 64 KiB, the rest is counted as lost";

  ASSERT_EQ(::fcntl(reader, F_SETFL, 0), 0);
  std::string last;
  std::thread drain([&] {
    std::string buffer(65536, '\0');
    for (ssize_t n; (n = ::read(reader, buffer.data(), buffer.size())) > 0;)
      last = buffer.substr(0, static_cast<std::size_t>(n));
  });
  flush();
  configure({});  // closes the pipe, so that the reader ends
  drain.join();
  ::close(reader);
  EXPECT_NE(last.find("i=19999 "), std::string::npos) << "the newest line survives";
}

TEST_F(Log, CutsALineThatIsTooLong) {
  configure({.file = file()});
  info("long", "a={}", std::string(100000, 'a'));
  flush();
  auto lines = lines_of(file());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LT(lines[0].size(), 4200u);
  EXPECT_TRUE(lines[0].ends_with("a cut=true"));
}

TEST(LogText, AControlCharacterCannotForgeALine) {
  EXPECT_EQ(text_line(0, "info", "login name=x\n1970 error forged"),
            "1970-01-01T00:00:00.000Z info login name=x\\x0a1970 error forged\n");
}

TEST(LogText, InvalidUtf8StillMakesValidJson) {
  EXPECT_NO_THROW({
    auto json = nlohmann::json::parse(json_line(1500, "info", "odd value=\xff\xfe"));
    EXPECT_EQ(json["ts"], "1970-01-01T00:00:01.500Z");
  });
}

TEST(LogQuote, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(quote("plain-value/1"), "plain-value/1");
  EXPECT_EQ(quote("你好"), "你好");
  EXPECT_EQ(quote(""), "\"\"");
  EXPECT_EQ(quote("a b"), "\"a b\"");
  EXPECT_EQ(quote("a=b"), "\"a=b\"");
  EXPECT_EQ(quote("\"\\\n\r\t\x01"), R"("\"\\\n\r\t\x01")");
  EXPECT_EQ(quote("\xff"), R"("\xff")");
}

TEST(LogRef, IsEightHexDigitsAndNotTheSameTwice) {
  std::string a = make_ref();
  EXPECT_TRUE(std::regex_match(a, std::regex("[0-9a-f]{8}"))) << a;
  EXPECT_NE(a, make_ref());
}

}  // namespace
}  // namespace parley::log
