#include <gtest/gtest.h>

#include "store/bigrams.hpp"

namespace parley::store {
namespace {

std::u32string folded(std::string_view text) { return fold_text(text).text; }
std::size_t tokens(std::string_view text) { return tokens_of(TenantId{1}, folded(text)).size(); }

TEST(Bigrams, FoldCasesWidthsAndWhatIsBetweenWords) {
  EXPECT_EQ(folded("Hello,  World!"), U"hello world");
  EXPECT_EQ(folded("ＡＢＣ１２３"), U"abc123");
  EXPECT_EQ(folded("Straße"), U"strasse");
  EXPECT_EQ(folded("e\u0301te\u0301"), folded("été"));
  EXPECT_EQ(folded("ﾊﾟﾝ"), U"パン");
  EXPECT_EQ(folded("退款，什么时候到账？"), U"退款 什么时候到账");
  EXPECT_EQ(folded("…!?"), U"");
  EXPECT_EQ(folded("a\xFF"
                   "b"),
            U"a b")
      << "what is no UTF-8 only separates";
}

TEST(Bigrams, AreTheNeighboursWithinAWord) {
  EXPECT_EQ(tokens("退款"), 1u);
  EXPECT_EQ(tokens("我要退款"), 3u);
  EXPECT_EQ(tokens("ab cd"), 2u);
  EXPECT_EQ(tokens("a b"), 0u);
  EXPECT_EQ(tokens("abababab"), 2u) << "each once";
  EXPECT_NE(tokens_of(TenantId{1}, U"ab"), tokens_of(TenantId{2}, U"ab"));
}

TEST(Bigrams, TellAPhraseFromItsWords) {
  EXPECT_EQ(match(folded("The REFUND, policy is long"), folded("refund policy")), Match::kPhrase);
  EXPECT_EQ(match(folded("policy for a refund"), folded("refund policy")), Match::kWords);
  EXPECT_EQ(match(folded("policy"), folded("refund policy")), Match::kNone);
  EXPECT_EQ(match(folded("我要退款了"), folded("退款")), Match::kPhrase);
  EXPECT_EQ(match(folded("anything"), folded("?")), Match::kNone);
}

TEST(Bigrams, SnippetsShowThePlaceInTheOriginalText) {
  const std::string text = std::string(300, 'x') + " 您好，我要退款！ " + std::string(300, 'y');
  const FoldedText of = fold_text(text);
  const std::string snippet = snippet_of(text, of, folded("退款"));
  EXPECT_NE(snippet.find("我要退款！"), std::string::npos) << snippet;
  EXPECT_TRUE(snippet.starts_with("…") && snippet.ends_with("…")) << snippet;
  EXPECT_EQ(snippet_of("short", fold_text("short"), folded("short")), "short");
}

TEST(Bigrams, MatchesAreTheCharactersOfASnippetThatAnswer) {
  using Ranges = std::vector<SearchHit::Range>;
  EXPECT_EQ(matches_in("我要退款，退款！", folded("退款")), (Ranges{{2, 4}, {5, 7}}));
  EXPECT_EQ(matches_in("policy of refund", folded("refund policy")), (Ranges{{0, 6}, {10, 16}})) << "the words";
  EXPECT_EQ(matches_in("policy: refund, policy", folded("refund policy")), (Ranges{{8, 22}})) << "rather the phrase";
  EXPECT_EQ(matches_in("aaaa", folded("aaa")), (Ranges{{0, 4}})) << "places that lie over each other are one";
  EXPECT_EQ(matches_in("ﾊﾟﾝ", folded("パン")), (Ranges{{0, 3}}));
  EXPECT_EQ(matches_in("nothing", folded("else")), Ranges{});
}

}  // namespace
}  // namespace parley::store
