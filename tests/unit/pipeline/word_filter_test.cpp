#include "parley/pipeline/word_filter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "parley/base/bytes.hpp"
#include "pipeline/word_engine.hpp"

namespace parley::pipeline {
namespace {

class WordFilterTest : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    if (GetParam() == EngineKind::kHyperscan && make_hyperscan({U"x"}) == nullptr) GTEST_SKIP() << "no Hyperscan here";
  }
  std::shared_ptr<const WordFilter> compile(const std::vector<WordListSource>& lists) {
    auto filter = compile_words(lists, GetParam());
    EXPECT_TRUE(filter) << (filter ? "" : filter.error().detail);
    return filter ? *filter : nullptr;
  }
  std::shared_ptr<const WordFilter> words(std::vector<std::string> list, WordAction action = WordAction::kMask) {
    return compile({{"list", action, std::move(list)}});
  }
  /// What was found, as it stands in the text.
  static std::vector<std::string> found(const WordFilter& filter, std::string_view text) {
    std::vector<std::string> out;
    for (const auto& hit : filter.find(text)) out.emplace_back(text.substr(hit.start, hit.end - hit.start));
    return out;
  }
  using Found = std::vector<std::string>;
};

TEST_P(WordFilterTest, FindsWhateverTheCaseAndWidth) {
  const auto filter = words({"Viagra", "敏感词", "straße", "ガス", "VX加我"});
  EXPECT_EQ(found(*filter, "buy vIaGrA now"), Found{"vIaGrA"});
  EXPECT_EQ(found(*filter, "ＶＩＡＧＲＡ"), Found{"ＶＩＡＧＲＡ"});
  EXPECT_EQ(found(*filter, "这是敏感词吗"), Found{"敏感词"});
  EXPECT_EQ(found(*filter, "STRASSE, Straße"), (Found{"STRASSE", "Straße"}));
  EXPECT_EQ(found(*filter, "ｶﾞｽ"), Found{"ｶﾞｽ"});
  EXPECT_EQ(found(*filter, "請vx加我啊"), Found{"vx加我"});
  EXPECT_TRUE(found(*filter, "敏感 viagr 感词").empty());
  EXPECT_TRUE(found(*filter, "").empty());
}

TEST_P(WordFilterTest, UpToThreeSeparatorsAndNoLineBreakBetweenTwoCharacters) {
  const auto filter = words({"敏感词", "bad"});
  EXPECT_EQ(found(*filter, "敏.感-词"), Found{"敏.感-词"});
  EXPECT_EQ(found(*filter, "敏。。。感   词"), Found{"敏。。。感   词"});
  EXPECT_EQ(found(*filter, "x 敏\u200b感\u200d词!"), Found{"敏\u200b感\u200d词"});
  EXPECT_EQ(found(*filter, "敏+感~词"), Found{"敏+感~词"});
  EXPECT_EQ(found(*filter, "敏\u0336感\u0336词\u0336。"), Found{"敏\u0336感\u0336词\u0336"});
  EXPECT_EQ(found(*filter, "b.a.d b - a - d"), (Found{"b.a.d", "b - a - d"}));
  EXPECT_TRUE(found(*filter, "敏....感词").empty());
  EXPECT_TRUE(found(*filter, "敏 \u200b \u200b感词").empty()) << "what cannot be seen counts";
  EXPECT_TRUE(found(*filter, "敏\n感词 敏\r\n感词 敏 \u2028 感词").empty());
  EXPECT_TRUE(found(*filter, "敏x感词 敏😀感词").empty());
  EXPECT_EQ(found(*filter, "敏\n敏感词\n词"), Found{"敏感词"});
}

TEST_P(WordFilterTest, WordsOfLettersAreWholeWords) {
  const auto filter = words({"ass", "мат", "110", "a级"});
  EXPECT_TRUE(found(*filter, "class classic assess Ass1 1ass матрас 1100 2110").empty());
  EXPECT_EQ(found(*filter, "Ass! (ass) ass, ass_ 资ass料"), (Found{"Ass", "ass", "ass", "ass", "ass"}));
  EXPECT_EQ(found(*filter, "это МАТ."), Found{"МАТ"});
  EXPECT_EQ(found(*filter, "打110吧"), Found{"110"});
  EXPECT_EQ(found(*filter, "这是a级片 xa级"), Found{"a级"});
  EXPECT_TRUE(found(*filter, "cl\u00adass cl\u200bass as\u00adsess").empty()) << "a soft hyphen ends no word";
  EXPECT_EQ(found(*filter, "a.s.s a s s"), (Found{"a.s.s", "a s s"}));
  EXPECT_TRUE(found(*filter, "as soon as some").empty());
  EXPECT_EQ(found(*filter, "line\nass\nline"), Found{"ass"});
}

TEST_P(WordFilterTest, ReportsOverlapsListsActionsAndSpellings) {
  const auto filter =
      compile({{"one", WordAction::kFlag, {"敏感", "敏感词", "敏 感"}}, {"two", WordAction::kBlock, {"感词", "敏感"}}});
  EXPECT_EQ(filter->words(), 4u) << "two spellings of one word in one list";
  const auto hits = filter->find("x敏感词");
  ASSERT_EQ(hits.size(), 4u);
  EXPECT_EQ(hits[0].word, "敏感");
  EXPECT_EQ(hits[0].list, "one");
  EXPECT_EQ(hits[0].action, WordAction::kFlag);
  EXPECT_EQ(hits[1].word, "敏感");
  EXPECT_EQ(hits[1].list, "two");
  EXPECT_EQ(hits[1].action, WordAction::kBlock);
  EXPECT_EQ(hits[2].word, "敏感词");
  EXPECT_EQ(hits[2].start, 1u);
  EXPECT_EQ(hits[2].end, 10u);
  EXPECT_EQ(hits[3].word, "感词");
  EXPECT_EQ(hits[3].start, 4u);
}

TEST_P(WordFilterTest, SeparatorsInListedWordsAreLeftOut) {
  const auto filter = words({"  f.u.c.k \n", "t-shirt sale"});
  EXPECT_EQ(found(*filter, "fuck f u c k"), (Found{"fuck", "f u c k"}));
  EXPECT_EQ(found(*filter, "T-Shirt  Sale"), Found{"T-Shirt  Sale"});
  EXPECT_EQ(filter->find("fuck")[0].word, "  f.u.c.k \n") << "as listed";
}

TEST_P(WordFilterTest, NoWordsFindNothing) {
  EXPECT_EQ(compile({})->words(), 0u);
  EXPECT_TRUE(compile({})->find("anything").empty());
  EXPECT_TRUE(compile({{"empty", WordAction::kBlock, {}}})->find("anything").empty());
}

TEST_P(WordFilterTest, FourThousandTimesTheSameCharacter) {
  const auto filter = words({"啊", "啊啊", "啊啊啊啊啊啊啊啊"});
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "啊";
  EXPECT_EQ(filter->find(text).size(), 4000u + 3999u + 3993u);
}

TEST_P(WordFilterTest, FindsFromManyThreadsAtOnce) {
  const auto filter = words({"敏感词", "bad"});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) right += filter->find("a bad 敏感词 here").size() == 2;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 12 * 300);
}

// ---- against a matcher that is slow and simple, and knows a small alphabet by heart ----

enum class Kind { kLetter, kOther, kSeparator, kInvisible, kBreak };
struct Sign {
  std::string bytes;
  std::u32string folded;
  Kind kind;
  bool attaches = false;  ///< belongs to what stands before it
};
const std::vector<Sign> kSigns{
    {"a", U"a", Kind::kLetter},
    {"A", U"a", Kind::kLetter},
    {"Ａ", U"a", Kind::kLetter},
    {"s", U"s", Kind::kLetter},
    {"S", U"s", Kind::kLetter},
    {"ß", U"ss", Kind::kLetter},
    {"f", U"f", Kind::kLetter},
    {"i", U"i", Kind::kLetter},
    {"ﬁ", U"fi", Kind::kLetter},
    {"1", U"1", Kind::kLetter},
    {"１", U"1", Kind::kLetter},
    {"я", U"я", Kind::kLetter},
    {"𝐚", U"a", Kind::kLetter},
    {"敏", U"敏", Kind::kOther},
    {"感", U"感", Kind::kOther},
    {"词", U"词", Kind::kOther},
    {"ｶ", U"カ", Kind::kOther},
    {"カ", U"カ", Kind::kOther},
    {"😀", U"😀", Kind::kOther},
    {"$", U"$", Kind::kOther},
    {".", U"", Kind::kSeparator},
    {" ", U"", Kind::kSeparator},
    {"　", U"", Kind::kSeparator},
    {"*", U"", Kind::kSeparator},
    {"+", U"", Kind::kSeparator},
    {"\u200b", U"", Kind::kInvisible},
    {"\u00ad", U"", Kind::kInvisible},
    {"\n", U"", Kind::kBreak},
    {"\u0336", U"", Kind::kInvisible, true},
};

struct Cell {
  char32_t c;
  bool letter;
  std::size_t begin, end;
  int between;       // separators before it
  bool broke, seen;  // a break, something visible before it
};

std::vector<Cell> cells_of(const std::vector<std::size_t>& signs) {
  std::vector<Cell> cells;
  int between = 0;
  bool broke = true, seen = true;
  std::size_t at = 0;
  for (std::size_t i = 0; i < signs.size(); ++i) {
    const Sign& sign = kSigns[signs[i]];
    std::size_t end = at + sign.bytes.size();
    for (std::size_t j = i + 1; j < signs.size() && kSigns[signs[j]].attaches; ++j)
      end += kSigns[signs[j]].bytes.size();
    for (const char32_t c : sign.folded) {
      cells.push_back({c, sign.kind == Kind::kLetter, at, end, between, broke, seen});
      between = 0;
      broke = seen = false;
    }
    between += sign.kind == Kind::kSeparator || sign.kind == Kind::kInvisible;
    seen |= sign.kind == Kind::kSeparator || sign.kind == Kind::kBreak;
    broke |= sign.kind == Kind::kBreak;
    at += sign.bytes.size();
  }
  return cells;
}

using Place = std::tuple<std::size_t, std::size_t, std::string>;

std::multiset<Place> naive(const std::vector<std::pair<std::string, std::u32string>>& words,
                           const std::vector<std::size_t>& signs) {
  const std::vector<Cell> cells = cells_of(signs);
  std::multiset<Place> places;
  for (const auto& [word, form] : words) {
    for (std::size_t first = 0; first + form.size() <= cells.size(); ++first) {
      bool good = true;
      for (std::size_t i = 0; i < form.size() && good; ++i) {
        const Cell& cell = cells[first + i];
        good = cell.c == form[i] && (i == 0 || (!cell.broke && cell.between <= 3));
      }
      const std::size_t last = first + form.size() - 1;
      if (good && first > 0)
        good = !(cells[first - 1].letter && cells[first].letter && !cells[first].broke && !cells[first].seen);
      if (good && last + 1 < cells.size())
        good = !(cells[last].letter && cells[last + 1].letter && !cells[last + 1].broke && !cells[last + 1].seen);
      if (good) places.insert({cells[first].begin, cells[last].end, word});
    }
  }
  return places;
}

TEST_P(WordFilterTest, EqualsASimpleMatcherOnRandomTexts) {
  std::mt19937 random(2024);
  std::size_t hits = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<std::pair<std::string, std::u32string>> list;
    std::vector<std::string> texts;
    std::set<std::u32string> known;
    const auto count = 1 + random() % 12;
    while (list.size() < count) {
      std::string word;
      std::u32string form;
      const auto length = 1 + random() % 4;
      for (std::size_t i = 0; i < length; ++i) {
        const Sign& sign = kSigns[random() % 20];  // those that count
        word += sign.bytes;
        form += sign.folded;
      }
      if (!known.insert(form).second) continue;
      list.emplace_back(word, form);
      texts.push_back(word);
    }
    const auto filter = words(texts);
    ASSERT_NE(filter, nullptr);
    for (int t = 0; t < 100; ++t) {
      std::vector<std::size_t> signs;
      std::string text;
      const auto length = random() % 60;
      const std::size_t favourite = random() % 20;
      for (std::size_t i = 0; i < length; ++i) {
        std::size_t sign = random() % 3 == 0 ? 20 + random() % (kSigns.size() - 20) : random() % 20;
        if (random() % 4 == 0) sign = favourite;
        signs.push_back(sign);
        text += kSigns[sign].bytes;
      }
      std::multiset<Place> got;
      for (const auto& hit : filter->find(text)) got.insert({hit.start, hit.end, std::string(hit.word)});
      const auto expected = naive(list, signs);
      ASSERT_EQ(got, expected) << "round " << round << " text \"" << text << "\"";
      hits += expected.size();
    }
  }
  EXPECT_GT(hits, 10'000u) << "the texts must be such that something is found";
}

TEST_P(WordFilterTest, AHundredThousandWords) {
  std::mt19937 random(5);
  std::vector<std::string> list;
  const auto ideograph = [&] {
    const auto c = static_cast<unsigned>(0x4e00 + random() % 3000);
    return std::string{static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                       static_cast<char>(0x80 | (c & 63))};
  };
  std::set<std::string> unique;
  while (unique.size() < 100'000) {
    std::string word;
    const auto length = 2 + random() % 4;
    if (random() % 10 < 7) {
      for (std::size_t i = 0; i < length; ++i) word += ideograph();
    } else {
      for (std::size_t i = 0; i < length + 4; ++i) word += static_cast<char>('a' + random() % 26);
    }
    unique.insert(word);
  }
  list.assign(unique.begin(), unique.end());
  std::shuffle(list.begin(), list.end(), random);
  const auto filter = words(list);
  ASSERT_EQ(filter->words(), 100'000u);
  for (int i = 0; i < 2000; ++i) {
    const std::string& word = list[random() % list.size()];
    const auto hits = filter->find("前 " + word + " 后");
    ASSERT_TRUE(std::any_of(hits.begin(), hits.end(), [&](const auto& hit) {
      return hit.word == word && hit.start == 4;
    })) << word;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, WordFilterTest, testing::Values(EngineKind::kPortable, EngineKind::kHyperscan),
                         [](const auto& engine) {
                           return engine.param == EngineKind::kPortable ? "AhoCorasick" : "Hyperscan";
                         });

TEST(WordFilter, RefusesWordsThatCannotBeMeant) {
  const auto refused = [](std::string word) {
    const auto filter = WordFilter::compile({{"mine", WordAction::kMask, {"fine", std::move(word)}}});
    EXPECT_FALSE(filter);
    if (filter) return std::string();
    EXPECT_EQ(filter.error().code, Errc::kBadInput);
    EXPECT_EQ(filter.error().field, "words[1]");
    EXPECT_NE(filter.error().detail.find("\"mine\""), std::string::npos);
    return filter.error().detail;
  };
  for (const char* empty : {"", " ", "...", "\u200b", "\n", "*＊*"})
    EXPECT_NE(refused(empty).find("invisible"), std::string::npos) << empty;
  EXPECT_NE(refused("\xff").find("UTF-8"), std::string::npos);
  EXPECT_NE(refused(std::string(65, 'x')).find("64"), std::string::npos);
  EXPECT_NE(refused(std::string(5000, 'x')).find("64"), std::string::npos);
  EXPECT_NE(refused("c#").find("single letter"), std::string::npos);
  EXPECT_NE(refused("+1").find("single letter"), std::string::npos);
  EXPECT_TRUE(WordFilter::compile({{"l", WordAction::kMask, {std::string(64, 'x'), "c", " c ", "敏。"}}}));
  std::vector<std::string> many(200'001, "word");
  const auto filter = WordFilter::compile({{"l", WordAction::kMask, many}});
  ASSERT_FALSE(filter);
  EXPECT_EQ(filter.error().code, Errc::kBadInput);
}

TEST(Mask, HidesEachCharacterOfAMaskedHitAndNothingElse) {
  const auto filter =
      *WordFilter::compile({{"m", WordAction::kMask, {"敏感", "感词", "bad"}}, {"f", WordAction::kFlag, {"fine"}}});
  const auto masked = [&](std::string_view text) { return mask(text, filter->find(text)); };
  EXPECT_EQ(masked("这敏感词!"), "这***!") << "overlapping hits";
  EXPECT_EQ(masked("a b.a.d fine ＢＡＤ"), "a ***** fine ***");
  EXPECT_EQ(masked("nothing"), "nothing");
  EXPECT_EQ(mask("", {}), "");
  EXPECT_EQ(code_points(masked("x敏 感y")), 5u) << "as long as before";
}

}  // namespace
}  // namespace parley::pipeline
