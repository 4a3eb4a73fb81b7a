#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "parley/config/settings.hpp"

namespace parley::config {
namespace {

std::string committed(const char* file) {
  auto top = std::filesystem::path(PARLEY_SOURCE_DIR);
  std::ifstream in(top / file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Documents, TheCommittedExampleIsWhatTheTableSays) {
  EXPECT_EQ(committed("config/parley.toml"), example_toml())
      << "write it again: parley config example > config/parley.toml";
}

TEST(Documents, TheCommittedReferenceIsWhatTheTableSays) {
  EXPECT_EQ(committed("docs/configuration.md"), reference_markdown())
      << "write it again: parley config reference > docs/configuration.md";
}

TEST(Documents, TheExampleIsAcceptedAsItStandsAndWithEveryKeyTurnedOn) {
  EXPECT_NO_THROW(load_text("example", example_toml()));
  std::string on = std::regex_replace(example_toml(), std::regex("\n#([a-z_]+ = )"), "\n$1");
  EXPECT_NE(on, example_toml());
  EXPECT_NO_THROW(load_text("example", on));
}

TEST(Documents, BothNameEveryOption) {
  std::string example = example_toml(), reference = reference_markdown();
  for (const OptionInfo& info : options()) {
    EXPECT_NE(reference.find("| `" + info.key + "` |"), std::string::npos) << info.key;
    EXPECT_NE(example.find("\n#" + info.key.substr(info.key.find('.') + 1) + " = "), std::string::npos) << info.key;
  }
}

}  // namespace
}  // namespace parley::config
