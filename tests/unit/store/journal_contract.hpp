// What every journal does, compiled into the tests of each store: first say which Fixture opens it.
#pragma once
#include "unit/store/journal_calls.hpp"

namespace parley::store::test {
namespace {

using protocol::Status;
using JournalTest = Fixture;
constexpr ConversationId kConv{7001};

TEST_F(JournalTest, OpensAConversationWithItsFirstEntry) {
  const Appended answer = append(home, journal(), opening(kConv, "Hello"));
  EXPECT_EQ(answer.code, Code::kOk);
  EXPECT_EQ(answer.seq, 1u);
  EXPECT_EQ(answer.number, 1u);
  EXPECT_GE(answer.epoch.size(), 4u);
  EXPECT_FALSE(answer.dup);

  const auto state = load(home, journal(), kConv);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->meta.visitor, kVisitor);
  EXPECT_EQ(state->meta.channel, kChannel);
  EXPECT_EQ(state->meta.status, Status::kWaiting);
  EXPECT_EQ(state->meta.preview, "Hello");
  EXPECT_EQ(state->meta.epoch, answer.epoch);
  ASSERT_EQ(state->senders.size(), 1u);
  EXPECT_EQ(state->senders[0].second.at(0).seq, 1u);

  const Appended second = append(home, journal(), opening(ConversationId{7002}, "Hi", VisitorId{32}));
  EXPECT_EQ(second.number, 2u) << "numbers count per tenant";
  EXPECT_NE(second.epoch, answer.epoch);
}

TEST_F(JournalTest, GivesTheFirstAnswerToARepeat) {
  const Appended first = append(home, journal(), opening(kConv, "Hello"));
  for (bool restarted : {false, true}) {
    if (restarted) reopen();
    Append again = opening(kConv, "Hello");
    again.ts_ns += 5;
    again.id = MessageId{999};
    const Appended answer = append(home, journal(), again);
    EXPECT_TRUE(answer.dup);
    EXPECT_EQ(answer.code, Code::kOk);
    EXPECT_EQ(answer.seq, 1u);
    EXPECT_EQ(answer.id, first.id);
    EXPECT_EQ(answer.ts_ns, first.ts_ns);
    EXPECT_EQ(answer.epoch, first.epoch);
    EXPECT_EQ(read_all(home, journal(), kConv).size(), 1u);
  }
}

TEST_F(JournalTest, RefusesOtherContentUnderAUsedNumberAndGaps) {
  append(home, journal(), opening(kConv, "Hello"));
  EXPECT_EQ(append(home, journal(), text(kConv, 1, "Other")).code, Code::kIdConflict);
  const Appended gap = append(home, journal(), text(kConv, 3, "Three"));
  EXPECT_EQ(gap.code, Code::kOutOfOrder);
  EXPECT_EQ(gap.expected, 2u);
  const Appended stranger = append(home, journal(), text(kConv, 2, "Two", Principal::visitor(kVisitor), dev(5)));
  EXPECT_EQ(stranger.code, Code::kOutOfOrder) << "a new sender begins with 1";
  EXPECT_EQ(stranger.expected, 1u);
  EXPECT_EQ(append(home, journal(), text(kConv, 2, "Two")).seq, 2u);
}

TEST_F(JournalTest, ForgetsAnswersOlderThanSixteen) {
  append(home, journal(), opening(kConv, "1"));
  for (std::uint64_t n = 2; n <= 20; ++n) ASSERT_EQ(append(home, journal(), text(kConv, n, std::to_string(n))).seq, n);
  for (bool restarted : {false, true}) {
    if (restarted) reopen();
    EXPECT_EQ(append(home, journal(), text(kConv, 4, "4")).code, Code::kTooOld);
    EXPECT_EQ(append(home, journal(), text(kConv, 5, "5")).seq, 5u);
  }
}

TEST_F(JournalTest, RefusesWhatHasNoConversation) {
  EXPECT_EQ(append(home, journal(), text(kConv, 1, "Hello")).code, Code::kUnknownConv);
  EXPECT_FALSE(load(home, journal(), kConv));
}

TEST_F(JournalTest, HandlesOneBatchInOrder) {
  std::vector<Append> batch;
  batch.push_back(opening(kConv, "one"));
  batch.push_back(text(kConv, 2, "two"));
  batch.push_back(text(kConv, 2, "two"));
  batch.push_back(text(kConv, 4, "four"));
  batch.push_back(text(kConv, 3, "three"));
  const auto answers = append(home, journal(), batch);
  EXPECT_EQ(answers[0].seq, 1u);
  EXPECT_EQ(answers[1].seq, 2u);
  EXPECT_TRUE(answers[2].dup);
  EXPECT_EQ(answers[2].seq, 2u);
  EXPECT_EQ(answers[3].code, Code::kOutOfOrder);
  EXPECT_EQ(answers[4].seq, 3u);
  EXPECT_LT(answers[0].pos, answers[1].pos);
}

TEST_F(JournalTest, AnswersEachItemOnceAndThoseOfAConversationInTheirOrder) {
  constexpr std::uint64_t kConversations = 5, kBatches = 40;
  std::vector<std::uint64_t> expected(kConversations, 1);  // the next n that is answered
  std::size_t left = kConversations * kBatches;
  std::promise<void> all;
  home.reactor().post([&] {
    for (std::uint64_t n = 1; n <= kBatches; ++n) {
      std::vector<Append> batch;
      for (std::uint64_t id = 1; id <= kConversations; ++id) {
        const VisitorId who{id};
        Append first = opening(ConversationId{id}, "1", who);
        batch.push_back(n == 1 ? first : text(first.conv, n, std::to_string(n), first.principal));
      }
      const bool taken = journal().submit(std::move(batch), [&, n](std::span<Journal::Answer> part) {
        for (const Journal::Answer& answer : part) {
          ASSERT_LT(answer.index, kConversations);
          EXPECT_EQ(expected[answer.index]++, n) << "of item " << answer.index;
          EXPECT_EQ(answer.result.seq, n);
          if (--left == 0) all.set_value();
        }
      });
      EXPECT_TRUE(taken);
      EXPECT_EQ(left, kConversations * kBatches) << "nothing is answered inside submit()";
    }
  });
  ASSERT_EQ(all.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(JournalTest, KeepsOneOpenConversationPerVisitorAndChannel) {
  append(home, journal(), opening(kConv, "Hello"));
  const Appended second = append(home, journal(), opening(ConversationId{7002}, "Again"));
  EXPECT_EQ(second.code, Code::kClosed);
  EXPECT_EQ(second.other, kConv);
  EXPECT_FALSE(load(home, journal(), ConversationId{7002}));

  Append close = by_agent(text(kConv, 1, "done"), EntryType::kClose, R"({"reason":"done"})");
  close.change.status = Status::kClosed;
  ASSERT_EQ(append(home, journal(), close).code, Code::kOk);
  EXPECT_EQ(append(home, journal(), opening(ConversationId{7002}, "Again")).code, Code::kOk);

  Append reopen = by_agent(text(kConv, 2, ""), EntryType::kReopen, "{}");
  reopen.change = {Status::kActive, kAgent, true};
  const Appended refused = append(home, journal(), reopen);
  EXPECT_EQ(refused.code, Code::kClosed) << "reopening would make two";
  EXPECT_EQ(refused.other, ConversationId{7002});
  const Appended repeated = append(home, journal(), reopen);
  EXPECT_TRUE(repeated.dup);
  EXPECT_EQ(repeated.code, Code::kClosed);
  EXPECT_EQ(repeated.other, ConversationId{7002});
}

TEST_F(JournalTest, RemembersALostClaim) {
  append(home, journal(), opening(kConv, "Hello"));
  Append claim = by_agent(text(kConv, 1, ""), EntryType::kClaim, "{}");
  claim.change = {Status::kActive, kAgent, true};
  claim.if_claim = 0;
  const Appended won = append(home, journal(), claim);
  EXPECT_EQ(won.code, Code::kOk);
  EXPECT_EQ(won.claim, 1u);
  EXPECT_EQ(won.assignee, kAgent);

  Append late = by_agent(text(kConv, 1, ""), EntryType::kClaim, "{}", AgentId{42});
  late.change = {Status::kActive, AgentId{42}, true};
  late.if_claim = 0;
  for (bool repeated : {false, true}) {
    if (repeated) reopen();
    const Appended lost = append(home, journal(), late);
    EXPECT_EQ(lost.code, Code::kClaimed);
    EXPECT_EQ(lost.dup, repeated);
    EXPECT_EQ(lost.claim, 1u);
    EXPECT_EQ(lost.assignee, kAgent);
    EXPECT_EQ(lost.seq, 0u);
  }
  Append next = by_agent(text(kConv, 2, "x"), EntryType::kText, R"({"text":"x"})", AgentId{42});
  EXPECT_EQ(append(home, journal(), next).seq, 3u) << "the refusal consumed n, but no seq";
}

TEST_F(JournalTest, VoidsAndRefusalsConsumeNumbersWithoutSeq) {
  append(home, journal(), opening(kConv, "Hello"));
  Append hole = text(kConv, 2, "");
  hole.kind = EntryType::kVoid;
  hole.bytes.clear();
  const Appended closed = append(home, journal(), hole);
  EXPECT_EQ(closed.code, Code::kOk);
  EXPECT_EQ(closed.seq, 0u);

  Append refusal = text(kConv, 3, "bad words");
  refusal.kind = EntryType::kRefusal;
  refusal.bytes = std::string(1, static_cast<char>(Code::kFiltered));
  refusal.text.clear();
  EXPECT_EQ(append(home, journal(), refusal).code, Code::kFiltered);
  reopen();
  const Appended again = append(home, journal(), text(kConv, 3, "bad words"));
  EXPECT_TRUE(again.dup);
  EXPECT_EQ(again.code, Code::kFiltered);
  EXPECT_EQ(append(home, journal(), text(kConv, 4, "good words")).seq, 2u);

  Append question = text(kConv, 4, "");
  question.kind = EntryType::kVoid;
  question.hash = 0;
  const Appended stored = append(home, journal(), question);
  EXPECT_TRUE(stored.dup) << "a void for something stored gets its answer";
  EXPECT_EQ(stored.seq, 2u);
}

TEST_F(JournalTest, RemembersARefusalBeforeThereIsAConversation) {
  Append refusal = text(kConv, 1, "bad words");
  refusal.kind = EntryType::kRefusal;
  refusal.bytes = std::string(1, static_cast<char>(Code::kFiltered));
  EXPECT_EQ(append(home, journal(), refusal).code, Code::kFiltered);
  reopen();
  const auto state = load(home, journal(), kConv);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->meta.status, Status::kNew);
  EXPECT_EQ(state->meta.head, 0u);
  EXPECT_EQ(state->meta.visitor, kVisitor);
  EXPECT_EQ(state->meta.tenant, kTenant);
  Append first = opening(kConv, "good words");
  first.n = 2;
  EXPECT_EQ(append(home, journal(), first).seq, 1u);

  Append by_stranger = refusal;
  by_stranger.conv = ConversationId{7002};
  by_stranger.principal = Principal::agent(kAgent);
  EXPECT_EQ(append(home, journal(), by_stranger).code, Code::kUnknownConv);
}

TEST_F(JournalTest, CountsTheHomesOwnEntries) {
  append(home, journal(), opening(kConv, "Hello"));
  Append event = text(kConv, 1, "");
  event.kind = EntryType::kEvent;
  event.principal = {PrincipalKind::kSystem, 77};
  event.dev = {};
  EXPECT_EQ(append(home, journal(), event).seq, 2u);
  EXPECT_TRUE(append(home, journal(), event).dup);
  event.n = 0;
  EXPECT_EQ(append(home, journal(), event).seq, 3u) << "without a number there is nothing to compare";
  EXPECT_EQ(append(home, journal(), event).seq, 4u);
  Append visitor = text(kConv, 2, "x");
  visitor.n = 0;
  EXPECT_EQ(append(home, journal(), visitor).code, Code::kTooOld);
}

TEST_F(JournalTest, TellsVisitorsHowManyInternalEntriesTheyDoNotSee) {
  append(home, journal(), opening(kConv, "one"));
  append(home, journal(), note(kConv, 1, "secret"));
  append(home, journal(), note(kConv, 2, "secret too"));
  const Appended answer = append(home, journal(), text(kConv, 2, "two"));
  EXPECT_EQ(answer.seq, 4u);
  EXPECT_EQ(answer.skip, 2u);
  append(home, journal(), note(kConv, 3, "secret"));
  EXPECT_EQ(load(home, journal(), kConv)->meta.public_head, 4u);
  EXPECT_EQ(load(home, journal(), kConv)->meta.head, 5u);

  const auto seen = read_all(home, journal(), kConv, false);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].seq, seen[0].seq + 1 + seen[1].skip);
  for (const StoredEntry& entry : seen) EXPECT_EQ(entry.body.find("secret"), std::string::npos);
  EXPECT_EQ(read_all(home, journal(), kConv, true).size(), 5u);
}

TEST_F(JournalTest, PagesInBothDirections) {
  append(home, journal(), opening(kConv, "1"));
  for (std::uint64_t n = 2; n <= 10; ++n) append(home, journal(), text(kConv, n, std::to_string(n)));
  auto seqs = [&](Journal::Range range) {
    const Journal::Page page = read(home, journal(), kConv, range);
    std::string out;
    for (const StoredEntry& entry : page.entries) out += std::to_string(entry.seq) + " ";
    return out + (page.more ? "more" : "end");
  };
  EXPECT_EQ(seqs({.after = {}, .before = {}, .limit = 3}), "8 9 10 more");
  EXPECT_EQ(seqs({.after = {}, .before = {}, .limit = 10}), "1 2 3 4 5 6 7 8 9 10 end");
  EXPECT_EQ(seqs({.after = {}, .before = 4, .limit = 2}), "2 3 more");
  EXPECT_EQ(seqs({.after = {}, .before = 4, .limit = 3}), "1 2 3 end");
  EXPECT_EQ(seqs({.after = {}, .before = 1, .limit = 3}), "end");
  EXPECT_EQ(seqs({.after = 7, .before = {}, .limit = 2}), "8 9 more");
  EXPECT_EQ(seqs({.after = 8, .before = {}, .limit = 2}), "9 10 end");
  EXPECT_EQ(seqs({.after = 10, .before = {}, .limit = 2}), "end");
  EXPECT_EQ(seqs({.after = 0, .before = {}, .limit = 50, .internal = false, .bytes_max = 30}), "1 2 more")
      << "bodies of 12 bytes";
  EXPECT_EQ(seqs({.after = 0, .before = {}, .limit = 50, .internal = false, .bytes_max = 1}), "1 more")
      << "one entry always";
  EXPECT_EQ(seqs({.after = {}, .before = {}, .limit = 50, .internal = false, .bytes_max = 30}), "9 10 more");
}

TEST_F(JournalTest, FoldsEditsAndRecalls) {
  append(home, journal(), opening(kConv, "Helo"));
  Append edit = text(kConv, 2, "Hello");
  edit.kind = EntryType::kEdit;
  edit.target = 1;
  edit.bytes = R"({"target":1,"text":"Hello"})";
  EXPECT_EQ(append(home, journal(), edit).seq, 2u);
  auto entries = read_all(home, journal(), kConv);
  EXPECT_EQ(entries[0].body, R"({"text":"Hello"})");
  EXPECT_EQ(entries[0].rev, 2u);
  EXPECT_EQ(entries[1].body, edit.bytes);
  EXPECT_EQ(load(home, journal(), kConv)->meta.preview, "Hello");

  Append second = text(kConv, 3, "Hello!");
  second.kind = EntryType::kEdit;
  second.target = 1;
  second.bytes = R"({"target":1,"text":"Hello!"})";
  append(home, journal(), second);
  entries = read_all(home, journal(), kConv);
  EXPECT_EQ(entries[0].body, R"({"text":"Hello!"})");
  EXPECT_EQ(entries[0].rev, 3u);
  EXPECT_TRUE(entries[1].recalled) << "the first edit still held the text before";
  EXPECT_EQ(entries[1].body, "");
  EXPECT_EQ(entries[1].rev, 3u);

  Append recall = text(kConv, 4, "");
  recall.kind = EntryType::kRecall;
  recall.target = 1;
  recall.bytes = R"({"target":1})";
  append(home, journal(), recall);
  entries = read_all(home, journal(), kConv);
  ASSERT_EQ(entries.size(), 4u) << "seqs stay as tombstones";
  EXPECT_TRUE(entries[0].recalled);
  EXPECT_EQ(entries[0].rev, 4u);
  for (const StoredEntry& entry : entries) EXPECT_EQ(entry.body.find("Hel"), std::string::npos) << entry.seq;
  for (bool restarted : {false, true}) {
    if (restarted) reopen();
    EXPECT_EQ(load(home, journal(), kConv)->meta.preview, "");
  }

  append(home, journal(), [&] {
    Append late = text(kConv, 5, "Back");
    late.kind = EntryType::kEdit;
    late.target = 1;
    late.bytes = R"({"target":1,"text":"Back"})";
    return late;
  }());
  EXPECT_TRUE(read_all(home, journal(), kConv)[0].recalled) << "an edit does not bring back what was recalled";
}

TEST_F(JournalTest, StoresCompressedBodies) {
  // A valid Snappy block that is one literal: length 12, tag (12 - 1) << 2, the bytes.
  const std::string json = R"({"text":"x"})";
  Append item = opening(kConv, "x");
  item.codec = Codec::kSnappy;
  item.bytes = std::string{static_cast<char>(json.size()), static_cast<char>((json.size() - 1) << 2)} + json;
  append(home, journal(), item);
  EXPECT_EQ(read_all(home, journal(), kConv)[0].body, json);
  Append edit = text(kConv, 2, "y");
  edit.kind = EntryType::kEdit;
  edit.target = 1;
  edit.bytes = R"({"target":1,"text":"y"})";
  append(home, journal(), edit);
  EXPECT_EQ(read_all(home, journal(), kConv)[0].body, R"({"text":"y"})");
}

TEST_F(JournalTest, ShowsTheStateAfterEntriesThatChangeIt) {
  append(home, journal(), opening(kConv, "Hello"));
  Append claim = by_agent(text(kConv, 1, ""), EntryType::kClaim, "{}");
  claim.change = {Status::kActive, kAgent, true};
  append(home, journal(), claim);
  append(home, journal(), text(kConv, 2, "Hi"));
  const auto entries = read_all(home, journal(), kConv);
  EXPECT_EQ(entries[0].status, Status::kWaiting);
  EXPECT_EQ(entries[1].status, Status::kActive);
  EXPECT_EQ(entries[1].claim, 1u);
  EXPECT_EQ(entries[1].assignee, kAgent);
  EXPECT_EQ(entries[1].from, Principal::agent(kAgent));
  EXPECT_EQ(entries[1].dev, dev(9));
  EXPECT_EQ(entries[1].n, 1u);
  EXPECT_FALSE(entries[2].status);
}

}  // namespace
}  // namespace parley::store::test
