#include "pipeline/word_beginnings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "pipeline/word_engine.hpp"

namespace parley::pipeline {
namespace {

std::u32string random_word(std::mt19937& random) {
  // Few different characters of each kind, so that words share beginnings with each other and with the texts.
  constexpr std::u32string_view letters = U"abcд", dense = U"敏感词语あ😀";
  const std::u32string_view alphabet = random() % 2 == 0 ? letters : dense;
  std::u32string word;
  for (std::size_t left = 1 + random() % 9; left > 0; --left) {
    word += random() % 8 == 0 ? dense[random() % dense.size()] : alphabet[random() % alphabet.size()];
  }
  return word;
}

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> pieces{"a", "b",  "c", "д", "敏", "感", "词", "语", "あ",
                                               "😀", "Ａ", " ", ".", "\n", "…",  "ﬃ",  "x",  "好"};
  std::string text;
  for (std::size_t left = random() % 60; left > 0; --left) text += pieces[random() % pieces.size()];
  return text;
}

TEST(WordBeginnings, NeverLeaveOutAWordThatAnEngineFinds) {
  std::mt19937 random(77);
  std::size_t found = 0, spared = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::u32string> forms;
    for (std::size_t left = 1 + random() % 30; left > 0; --left) {
      std::u32string word = random_word(random);
      // Words of one character are rare in lists, and would be found in nearly every one of these texts.
      if (word.size() == 1 && round % 4 != 0) continue;
      if (std::find(forms.begin(), forms.end(), word) == forms.end()) forms.push_back(word);
    }
    if (forms.empty()) continue;
    const WordBeginnings beginnings(forms);
    const auto engine = make_aho_corasick(forms);
    for (int i = 0; i < 50; ++i) {
      const std::string text = random_text(random);
      const Contents walked(text);
      const auto contents = walked.all();
      const WordBeginnings::Range range = beginnings.range_in(contents);
      ASSERT_LE(range.first + range.size, contents.size());
      spared += range.size == 0;
      std::vector<RawHit> hits;
      engine->find(contents, hits);
      for (const RawHit& hit : hits) {
        const std::size_t first = hit.last + 1 - forms[hit.word].size();
        if (first > 0 && in_one_word(contents[first - 1], contents[first])) continue;
        ++found;
        EXPECT_GE(first, range.first) << text;
        EXPECT_LT(hit.last, range.first + range.size) << text;
      }
    }
  }
  EXPECT_GT(found, 1000u);
  EXPECT_GT(spared, 1000u);
}

TEST(WordBeginnings, SpareTextsThatOnlyResembleWords) {
  const WordBeginnings beginnings({U"敏感词", U"敏捷", U"bitcoin", U"买"});
  const auto searched = [&](std::string_view text) { return beginnings.range_in(Contents(text).all()).size; };
  EXPECT_EQ(searched("这敏感词啊"), 4u) << "from the word on, as far as the longest word would reach";
  EXPECT_EQ(searched("bitcoin"), 7u);
  EXPECT_EQ(searched("买"), 1u);
  EXPECT_EQ(searched("敏感"), 0u);
  EXPECT_EQ(searched("敏\n感词"), 0u) << "no word goes across a line break";
  EXPECT_EQ(searched("xbitcoin bitco"), 0u) << "no word begins inside another";
  EXPECT_EQ(searched(""), 0u);
  EXPECT_EQ(WordBeginnings().range_in(Contents("敏感词").all()).size, 0u);
}

}  // namespace
}  // namespace parley::pipeline
