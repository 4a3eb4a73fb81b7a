#include "config/duration.hpp"

#include <gtest/gtest.h>

namespace parley::config {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsWholeNumbersWithAUnit) {
  EXPECT_EQ(parse_duration("0s"), 0ms);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("15s"), 15s);
  EXPECT_EQ(parse_duration("5min"), 5min);
  EXPECT_EQ(parse_duration("12h"), 12h);
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text : {"", "s", "5", "5 s", " 5s", "5s ", "-5s", "+5s", "1.5s", "5sec", "5m", "5S", "0x5s",
                           "4294967296ms", "876001h"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Duration, WritesTheLargestUnitThatFitsAndReadsItBack) {
  EXPECT_EQ(format_duration(0ms), "0s");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(120s), "2min");
  EXPECT_EQ(format_duration(24h), "24h");
  for (auto value : {1ms, 999ms, 60000ms, 61000ms, 3600000ms}) EXPECT_EQ(parse_duration(format_duration(value)), value);
}

}  // namespace
}  // namespace parley::config
