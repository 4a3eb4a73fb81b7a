#include "store/body_codec.hpp"

#include <gtest/gtest.h>

namespace parley::store {
namespace {

TEST(TextField, IsTheStringOfThatName) {
  EXPECT_EQ(text_field(R"({"ref":7,"text":"one \"two\" \u00e9\n"})", "text"), "one \"two\" \u00e9\n");
  EXPECT_EQ(text_field(R"({"reason":"done","text":"x"})", "reason"), "done");
}

TEST(TextField, OfEqualKeysIsTheLast) {
  EXPECT_EQ(text_field(R"({"text":"a","text":"b"})", "text"), "b");
  EXPECT_EQ(text_field(R"({"text":"a","text":1})", "text"), "");
}

TEST(TextField, IsEmptyWhereThereIsNone) {
  for (const char* json : {"", "{}", "[]", "null", "\"text\"", R"({"text":null})", R"({"text":{"text":"x"}})",
                           R"({"texts":"x"})", R"({"text":"cut)", "{\"text\":\"\xff\"}"}) {
    EXPECT_EQ(text_field(json, "text"), "") << json;
  }
}

TEST(TextField, TakesTextsOfAllSizesOneAfterTheOther) {
  for (const std::size_t size : {0u, 1u, 300u, 65'000u, 5u}) {
    const std::string text(size, 'x');
    EXPECT_EQ(text_field("{\"text\":\"" + text + "\"}", "text"), text);
  }
}

TEST(WithTextOf, ReplacesTheTextAndKeepsTheRest) {
  EXPECT_EQ(with_text_of(R"({"ref":7,"text":"old"})", R"({"text":"new","to":1})"), R"({"ref":7,"text":"new"})");
  EXPECT_EQ(with_text_of("damaged", R"({"text":"new"})"), R"({"text":"new"})");
}

}  // namespace
}  // namespace parley::store
