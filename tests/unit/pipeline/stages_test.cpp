#include <gtest/gtest.h>

#include "parley/pipeline/pipeline.hpp"
#include "parley/pipeline/word_filter.hpp"

namespace parley::pipeline {
namespace {

using protocol::Code;
using protocol::Codec;
using protocol::EntryType;

StageResult run(Draft& draft, const TenantPolicy& policy, const std::vector<std::string>& names) {
  return run_stages(draft, policy, names, nullptr);
}

StageResult validate(std::string& text, EntryType type = EntryType::kText) {
  Draft draft;
  draft.type = type;
  draft.text = text;
  const StageResult result = run(draft, {}, {"validate"});
  text = draft.text;
  return result;
}

TEST(Validate, RefusesTextThatShowsNothing) {
  for (const auto type : {EntryType::kText, EntryType::kNote, EntryType::kEdit}) {
    for (const char* blank : {"", " ", "\n\t ", "\u3000", "\u200b\u200d", "\x01\x02", "\u2800", "\u00ad", "\ufeff"}) {
      std::string text = blank;
      const StageResult result = validate(text, type);
      EXPECT_EQ(result.code, Code::kBadFrame) << blank;
      EXPECT_EQ(result.field, "body.text");
      EXPECT_FALSE(result.message.empty());
    }
  }
  std::string none;
  EXPECT_EQ(validate(none, EntryType::kClose).code, Code::kOk) << "other types have no text";
}

TEST(Validate, StripsControlCharactersAndNothingElse) {
  std::string text = std::string("a\0b", 3) + "\x01\r\n\tc\x7f\xc2\x80\xc2\x9f\xc2\xa0 \xe4\xbd\xa0 ";
  EXPECT_EQ(validate(text).code, Code::kOk);
  EXPECT_EQ(text, "ab\n\tc\xc2\xa0 \xe4\xbd\xa0 ") << "not trimmed either";
}

TEST(Validate, StripsControlCharactersWhereverTheyStand) {
  for (const std::string& control : std::vector<std::string>{"\x01", "\x1f", "\x7f", "\u0080", "\u009f"}) {
    for (std::size_t at = 0; at <= 20; ++at) {
      const std::string kept = "0123456\t\u00a0你好\n\u00e9z!";  // 20 bytes; U+00A0 begins as U+0080 does
      if (at < kept.size() && (static_cast<unsigned char>(kept[at]) & 0xc0) == 0x80) continue;
      std::string text = kept.substr(0, at) + control + kept.substr(at) + control + control;
      EXPECT_EQ(validate(text).code, Code::kOk);
      EXPECT_EQ(text, kept) << at;
    }
  }
}

TEST(Validate, RefusesWhatIsTooLongOrNoText) {
  for (const std::string& piece : std::vector<std::string>{"x", "你", "😀"}) {
    std::string text;
    for (int i = 0; i < 4000; ++i) text += piece;
    EXPECT_EQ(validate(text).code, Code::kOk);
    text += piece;
    EXPECT_EQ(validate(text).code, Code::kTooLarge);
  }
  for (const char* bad : {"\xff", "a\xc2", "\xed\xa0\x80"}) {
    std::string text = bad;
    EXPECT_EQ(validate(text).code, Code::kBadFrame);
  }
}

TenantPolicy policy_with(const std::vector<WordListSource>& lists) {
  TenantPolicy policy;
  policy.filter = *WordFilter::compile(lists);
  return policy;
}

TEST(Filter, MasksFlagsAndBlocks) {
  const TenantPolicy policy = policy_with(
      {{"m", WordAction::kMask, {"darn"}}, {"f", WordAction::kFlag, {"refund"}}, {"b", WordAction::kBlock, {"bomb"}}});
  const auto filtered = [&](std::string text, EntryType type = EntryType::kText) {
    Draft draft;
    draft.type = type;
    draft.text = std::move(text);
    StageResult result = run(draft, policy, {"filter"});
    return std::make_pair(draft, result);
  };
  auto [plain, ok] = filtered("hello");
  EXPECT_EQ(ok.code, Code::kOk);
  EXPECT_EQ(plain.text, "hello");
  EXPECT_FALSE(plain.flagged);
  auto [both, fine] = filtered("darn, refund!");
  EXPECT_EQ(fine.code, Code::kOk);
  EXPECT_EQ(both.text, "****, refund!");
  EXPECT_TRUE(both.flagged);
  auto [masked, also] = filtered("darn");
  EXPECT_FALSE(masked.flagged);
  auto [blocked, no] = filtered("darn bomb", EntryType::kEdit);
  EXPECT_EQ(no.code, Code::kFiltered);
  EXPECT_EQ(no.field, "body.text");
  EXPECT_EQ(no.message.find("bomb"), std::string::npos);
  EXPECT_EQ(filtered("bomb", EntryType::kClose).second.code, Code::kOk);
  Draft draft;
  draft.text = "bomb";
  EXPECT_EQ(run(draft, {}, {"filter"}).code, Code::kOk) << "no words, no filter";
}

TEST(Compress, OnlyWhatIsLongAndGetsShorter) {
  const auto stored = [](std::string body) {
    Draft draft;
    draft.body = std::move(body);
    EXPECT_EQ(run(draft, {}, {"compress"}).code, Code::kOk);
    return draft;
  };
  const std::string repetitive(600, 'x');
  EXPECT_EQ(stored(std::string(511, 'x')).codec, Codec::kJson);
  const Draft small = stored(repetitive);
  EXPECT_EQ(small.codec, Codec::kSnappy);
  EXPECT_LT(small.body.size(), 100u);
  EXPECT_EQ(*restore_body(small.codec, small.body, 600), repetitive);
  std::string noise;
  std::uint32_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    state = state * 1664525u + 1013904223u;
    noise += static_cast<char>(state >> 24);
  }
  const Draft unchanged = stored(noise);
  EXPECT_EQ(unchanged.codec, Codec::kJson);
  EXPECT_EQ(unchanged.body, noise);
  Draft twice = small;
  EXPECT_EQ(run(twice, {}, {"compress"}).code, Code::kOk);
  EXPECT_EQ(twice.body, small.body) << "never twice";
}

TEST(RestoreBody, RefusesBombsAndDamage) {
  EXPECT_EQ(*restore_body(Codec::kJson, "{}", 2), "{}");
  EXPECT_EQ(restore_body(Codec::kJson, "{ }", 2).error().code, Errc::kTooLarge);
  Draft draft;
  draft.body = std::string(60'000, 'x');
  run(draft, {}, {"compress"});
  ASSERT_EQ(draft.codec, Codec::kSnappy);
  EXPECT_TRUE(restore_body(Codec::kSnappy, draft.body, 60'000));
  EXPECT_EQ(restore_body(Codec::kSnappy, draft.body, 59'999).error().code, Errc::kTooLarge);
  EXPECT_EQ(restore_body(Codec::kSnappy, "\xff\xff\xff\xff\x0f", 65536).error().code, Errc::kTooLarge)
      << "announces 4 GiB";
  EXPECT_EQ(restore_body(Codec::kSnappy, "", 65536).error().code, Errc::kBadInput);
  EXPECT_EQ(restore_body(Codec::kSnappy, "\xff\xff\xff\xff\xff\xff", 65536).error().code, Errc::kBadInput);
  for (const std::size_t size : {draft.body.size() / 2, draft.body.size() - 1}) {
    EXPECT_EQ(restore_body(Codec::kSnappy, std::string_view(draft.body).substr(0, size), 65536).error().code,
              Errc::kBadInput);
  }
  EXPECT_EQ(restore_body(static_cast<Codec>(9), "x", 65536).error().code, Errc::kBadInput);
}

TEST(Policy, IsCheckedBeforeItIsUsed) {
  EXPECT_TRUE(check_policy({}));
  TenantPolicy policy;
  policy.text_stages = {"filter", "validate"};
  EXPECT_TRUE(check_policy(policy));
  for (const char* bad : {"compress", "translate", ""}) {
    policy.text_stages = {"validate", bad};
    ASSERT_FALSE(check_policy(policy));
    EXPECT_EQ(check_policy(policy).error().code, Errc::kBadInput);
    EXPECT_EQ(check_policy(policy).error().field, "text_stages");
  }
  policy.text_stages = {};
  for (const char* bad : {"validate", "zip"}) {
    policy.stored_stages = {bad};
    ASSERT_FALSE(check_policy(policy));
    EXPECT_EQ(check_policy(policy).error().field, "stored_stages");
  }
}

TEST(RunStages, RunsInTheOrderGivenTellsOfEachAndStopsAtARefusal) {
  const TenantPolicy policy = policy_with({{"b", WordAction::kBlock, {"bomb"}}});
  std::vector<std::string> seen;
  const auto on_stage = [&](std::size_t index, std::chrono::nanoseconds took) {
    seen.emplace_back(all_stages()[index].name);
    EXPECT_GE(took.count(), 0);
  };
  Draft draft;
  draft.text = "hello";
  const std::vector<std::string> order{"filter", "validate"};
  EXPECT_EQ(run_stages(draft, policy, order, on_stage).code, Code::kOk);
  EXPECT_EQ(seen, order);
  seen.clear();
  draft.text = "bomb";
  EXPECT_EQ(run_stages(draft, policy, order, on_stage).code, Code::kFiltered);
  EXPECT_EQ(seen, std::vector<std::string>{"filter"});
  const std::vector<std::string> unknown{"validate", "filtre"};
  draft.text = "hello";
  EXPECT_EQ(run_stages(draft, policy, unknown, on_stage).code, Code::kInternal)
      << "a misspelt filter lets nothing through";
}

}  // namespace
}  // namespace parley::pipeline
