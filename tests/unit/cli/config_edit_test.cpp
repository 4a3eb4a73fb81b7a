#include "app/cli_config_edit.hpp"

#include <gtest/gtest.h>

namespace parley::app {
namespace {

std::string standard(std::string_view toml) { return with_setting(toml, "store", "mode", "standard"); }

TEST(ConfigEdit, ReplacesTheLineAndKeepsEverythingElse) {
  EXPECT_EQ(standard("# top\n[store]\nfolder = \"data\"\n  mode='embedded'   # for now\n\n[log]\nlevel = \"info\"\n"),
            "# top\n[store]\nfolder = \"data\"\nmode = \"standard\"   # for now\n\n[log]\nlevel = \"info\"\n");
}

TEST(ConfigEdit, LeavesTheSameKeyOfOtherSectionsAndComments) {
  EXPECT_EQ(standard("[log]\nmode = \"x\"\n[store]\n# mode = \"embedded\"\nmodest = 1\n"),
            "[log]\nmode = \"x\"\n[store]\nmode = \"standard\"\n# mode = \"embedded\"\nmodest = 1\n");
}

TEST(ConfigEdit, AddsTheSectionWhereThereIsNone) {
  EXPECT_EQ(standard("[log]\nlevel = \"info\""), "[log]\nlevel = \"info\"\n\n[store]\nmode = \"standard\"\n");
  EXPECT_EQ(standard(""), "\n[store]\nmode = \"standard\"\n");
}

TEST(ConfigEdit, ASignOfACommentInATextIsNone) {
  EXPECT_EQ(standard("[store]\nmode = \"#\" # why\n"), "[store]\nmode = \"standard\" # why\n");
}

}  // namespace
}  // namespace parley::app
