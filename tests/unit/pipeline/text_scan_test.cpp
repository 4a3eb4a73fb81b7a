#include "pipeline/text_scan.hpp"

#include <gtest/gtest.h>
#include <unicode/normalizer2.h>

#include <random>
#include <string>
#include <vector>

namespace parley::pipeline {
namespace {

std::vector<Content> scan(std::string_view text) {
  TextScan scan(text);
  std::vector<Content> out;
  for (Content content; scan.next(content);) out.push_back(content);
  return out;
}
std::u32string characters(std::string_view text) {
  std::u32string out;
  for (const Content& content : scan(text)) out += content.c;
  return out;
}

TEST(TextScan, FoldsCaseAndWidth) {
  EXPECT_EQ(characters("AbC"), U"abc");
  EXPECT_EQ(characters("ＡｂＣ１"), U"abc1");
  EXPECT_EQ(characters("ÄÖ"), U"äö");
  EXPECT_EQ(characters("A\u0308"), U"ä") << "composed, as NFKC wants it";
  EXPECT_EQ(characters("ß"), U"ss");
  EXPECT_EQ(characters("ﬁ"), U"fi");
  EXPECT_EQ(characters("㎏"), U"kg");
  EXPECT_EQ(characters("ｶﾞ"), U"ガ") << "two half-width characters make one";
  EXPECT_EQ(characters("ПРИВЕТ"), U"привет");
  EXPECT_EQ(characters("敏感"), U"敏感");
  EXPECT_EQ(characters("\uf900"), U"豈") << "a compatibility ideograph";
  EXPECT_EQ(characters("😀$"), U"😀$");
  EXPECT_EQ(characters("𝐀𝒃"), U"ab") << "mathematical letters, outside the basic plane";
  EXPECT_EQ(characters("①"), U"1");
  EXPECT_EQ(characters(""), U"");
}

TEST(TextScan, KnowsWhereEachCharacterCameFrom) {
  const auto content = scan("aß 敏e\u0301!");
  ASSERT_EQ(content.size(), 5u);
  EXPECT_EQ(content[0].begin, 0u);
  EXPECT_EQ(content[0].end, 1u);
  for (const std::size_t i : {1u, 2u}) {
    EXPECT_EQ(content[i].c, U's');
    EXPECT_EQ(content[i].begin, 1u);
    EXPECT_EQ(content[i].end, 3u);
  }
  EXPECT_EQ(content[3].begin, 4u);
  EXPECT_EQ(content[3].end, 7u);
  EXPECT_EQ(content[4].c, U'é');
  EXPECT_EQ(content[4].begin, 7u);
  EXPECT_EQ(content[4].end, 10u);
}

TEST(TextScan, SaysWhatStandsBetween) {
  const auto second = [](std::string_view between) {
    const auto content = scan("a" + std::string(between) + "b");
    EXPECT_EQ(content.size(), 2u) << between;
    return content.back();
  };
  EXPECT_TRUE(second("").joined);
  EXPECT_TRUE(second("").adjacent);
  EXPECT_TRUE(second("...").joined);
  EXPECT_FALSE(second("...").adjacent);
  EXPECT_FALSE(second("....").joined);
  EXPECT_TRUE(second("\u200b\u00ad\u200d").joined);
  EXPECT_TRUE(second("\u200b\u00ad\u200d").adjacent) << "nothing that can be seen";
  EXPECT_FALSE(second("\u200b\u200b\u200b\u200b").joined);
  EXPECT_TRUE(second("\u0336").adjacent) << "a stroke through the letter";
  EXPECT_FALSE(second(" ").adjacent);
  EXPECT_FALSE(second("\t").adjacent);
  EXPECT_TRUE(second("　·~").joined);
  for (const char* line_break : {"\n", "\r", "\r\n", "\u0085", "\u2028", "\u2029", "\v", "\f"}) {
    EXPECT_FALSE(second(line_break).joined);
    EXPECT_FALSE(second(line_break).adjacent);
  }
  EXPECT_FALSE(scan("a").front().joined) << "there is nothing before the first";
  EXPECT_FALSE(scan("a").front().adjacent);
}

TEST(TextScan, Classes) {
  const auto expect = [](std::u32string_view characters_of_it, CharClass type) {
    for (const char32_t c : characters_of_it) EXPECT_EQ(classify(c), type) << static_cast<unsigned>(c);
  };
  expect(U"azé1яαא", CharClass::kLetter);
  expect(U"敏々ひカー한😀$\U00020000ก", CharClass::kOther);
  expect(U" .,*_-+~|^`=。，、\u3000\t#@", CharClass::kSeparator);
  expect(U"\u200b\u200d\u2060\ufeff\u00ad\x01\x7f\u0301\u20dd\ufe0f", CharClass::kInvisible);
}

TEST(TextScan, SurvivesAHeapOfMarksAndKeepsGoing) {
  std::string text = "a";
  for (int i = 0; i < 3000; ++i) text += "\u0300\u0316";
  text += "b";
  const auto content = scan(text);
  ASSERT_GE(content.size(), 2u);
  EXPECT_EQ(content.back().c, U'b');
  EXPECT_EQ(content.back().end, text.size());
  EXPECT_FALSE(content.back().joined);
}

/// The short cut for ideographs and the table against ICU itself, for every code point there is.
TEST(TextScan, AgreesWithIcuOnEveryCodePoint) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* folding = icu::Normalizer2::getNFKCCasefoldInstance(status);
  ASSERT_TRUE(U_SUCCESS(status));
  for (UChar32 c = 1; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string text;
    icu::UnicodeString(c).toUTF8String(text);
    icu::UnicodeString folded;
    folding->normalize(icu::UnicodeString(c), folded, status);
    std::u32string expected;
    for (int i = 0; i < folded.length(); i += U16_LENGTH(folded.char32At(i))) {
      const auto f = static_cast<char32_t>(folded.char32At(i));
      const CharClass type = classify(f);
      if (type == CharClass::kLetter || type == CharClass::kOther) expected += f;
    }
    ASSERT_EQ(characters(text), expected) << std::hex << c;
  }
}

TEST(Contents, AreWhatAScanGivesOneByOne) {
  // Runs of the common kinds, cut by all that may end one; U+FDFA folds to 18 characters.
  const std::vector<std::string> pieces{"a",  "Z",      "7",  "$",       " ",        ",",       "\n", "你",
                                        "好", "㐀",     "é",  "e\u0301", "你\u0301", "，",      "ﬃ",  "\ufdfa",
                                        "😀",  "\u200b", "Ａ", "한",      "が",       "か\u3099"};
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    std::size_t same = random() % pieces.size();
    for (std::size_t left = random() % 40; left > 0; --left) {
      if (random() % 4 == 0) same = random() % pieces.size();
      text += pieces[same];
    }
    const std::vector<Content> expected = scan(text);
    const Contents walked(text);
    const auto got = walked.all();
    ASSERT_EQ(got.size(), expected.size()) << text;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const Content &a = got[i], &b = expected[i];
      ASSERT_TRUE(a.c == b.c && a.begin == b.begin && a.end == b.end && a.letter == b.letter && a.joined == b.joined &&
                  a.adjacent == b.adjacent)
          << text << " at " << i;
    }
  }
}

}  // namespace
}  // namespace parley::pipeline
