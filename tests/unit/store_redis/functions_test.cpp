#include "functions_fixture.hpp"

namespace parley::store::redis::test {
namespace {

using Kind = Outcome::Kind;
constexpr ConversationId kConv{4711}, kOther{4712};

class FunctionsAppend : public FunctionsTest {};

TEST_F(FunctionsAppend, OpensAConversationAndNumbersItsEntries) {
  const AppendReply reply = append({opening(kConv, "hello"), text(kConv, 2, "again")});
  EXPECT_EQ(reply.counter, 1u);
  const Appended& first = reply.outcomes[0].answer;
  EXPECT_EQ(first.code, Code::kOk);
  EXPECT_EQ(first.seq, 1u);
  EXPECT_EQ(first.pos, position(1, 0));
  EXPECT_EQ(first.number, number_of(kConv));
  EXPECT_EQ(first.epoch, epoch_of(kConv));
  const Appended& second = reply.outcomes[1].answer;
  EXPECT_EQ(second.seq, 2u);
  EXPECT_EQ(second.pos, position(1, 1));
  EXPECT_EQ(second.number, first.number);
  EXPECT_EQ(second.epoch, "") << "only openings learn it";

  const LoadedConversation loaded = load(kConv);
  ASSERT_TRUE(loaded.core);
  EXPECT_EQ(loaded.core->tenant, kTenant);
  EXPECT_EQ(loaded.core->channel, kChannel);
  EXPECT_EQ(loaded.core->visitor, kVisitor);
  EXPECT_EQ(loaded.core->head, 2u);
  EXPECT_EQ(loaded.core->public_head, 2u);
  EXPECT_EQ(loaded.core->status, protocol::Status::kWaiting);
  EXPECT_EQ(loaded.core->created_ns, first.ts_ns);
  EXPECT_EQ(loaded.core->touched, 1u);
  ASSERT_EQ(loaded.senders.size(), 1u);
  EXPECT_EQ(loaded.senders[0].second.size(), 2u);
  ASSERT_TRUE(pointer());
  EXPECT_EQ(pointer()->conv, kConv);
  EXPECT_TRUE(pointer()->open);
  EXPECT_TRUE(is_open(kConv));
  EXPECT_FALSE(is_closed(kConv));
}

TEST_F(FunctionsAppend, KeepsTheBatchInTheLogWithWhatBecameOfIt) {
  append({opening(kConv, "hello"), text(kConv, 5, "too early"), void_of(kConv, 2)});
  append(note(kConv, 1, "for us"));
  const std::vector<LogEntry> entries = log();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].incarnation, 1u);
  EXPECT_EQ(entries[0].counter, 1u);
  ASSERT_EQ(entries[0].items.size(), 3u);
  EXPECT_EQ(entries[0].items[0].conv, kConv);
  EXPECT_EQ(entries[0].results[0].outcome, Kind::kEntry);
  EXPECT_EQ(entries[0].results[0].flags, kStatusChanged | kHasText);
  EXPECT_EQ(entries[0].results[1].outcome, Kind::kNothing);
  EXPECT_EQ(entries[0].results[1].code, Code::kOutOfOrder);
  EXPECT_EQ(entries[0].results[2].outcome, Kind::kRemembered);
  EXPECT_EQ(entries[0].results[2].seq, 0u);
  ASSERT_EQ(entries[0].openings.size(), 1u);
  EXPECT_EQ(entries[0].openings[0].conv, kConv);
  EXPECT_EQ(entries[0].openings[0].visitor, kVisitor);
  EXPECT_EQ(entries[0].openings[0].number, number_of(kConv));
  EXPECT_EQ(entries[0].openings[0].epoch, epoch_of(kConv));
  EXPECT_TRUE(entries[1].openings.empty());
  EXPECT_EQ(entries[1].results[0].seq, 2u);
}

TEST_F(FunctionsAppend, WritesNothingIfNothingWasStored) {
  append(opening(kConv, "hello"));
  const std::string before = everything();
  const AppendReply reply = append({opening(kConv, "hello"), text(kConv, 7, "gap"), text(kOther, 1, "where")});
  EXPECT_EQ(reply.counter, 0u);
  EXPECT_EQ(everything(), before);
}

TEST_F(FunctionsAppend, AnswersARepeatedSendAsTheFirstTime) {
  Append item = opening(kConv, "hello");
  const Appended first = append(item).answer;
  item.id = MessageId{99};
  item.ts_ns += 5;
  const Outcome again = append(item);
  EXPECT_EQ(again.kind, Kind::kDuplicate);
  EXPECT_TRUE(again.answer.dup);
  EXPECT_EQ(again.answer.seq, first.seq);
  EXPECT_EQ(again.answer.id, first.id);
  EXPECT_EQ(again.answer.ts_ns, first.ts_ns);
  EXPECT_EQ(again.answer.epoch, first.epoch);
  EXPECT_FALSE(again.own_replay);
}

TEST_F(FunctionsAppend, RunTwiceTheSameBatchChangesNothingAndIsKnownAsAReplay) {
  const std::vector<Append> batch = {opening(kConv, "hello"), note(kConv, 1, "who is that"), claim(kConv, 2, 0),
                                     refusal(kConv, 2, Code::kFiltered)};
  const AppendReply first = append(batch);
  const std::string before = everything();
  const AppendReply again = append(batch);
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(again.counter, 0u);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    EXPECT_EQ(again.outcomes[i].kind, Kind::kDuplicate) << i;
    EXPECT_TRUE(again.outcomes[i].own_replay) << i;
    EXPECT_EQ(again.outcomes[i].answer.seq, first.outcomes[i].answer.seq) << i;
    EXPECT_EQ(again.outcomes[i].answer.code, first.outcomes[i].answer.code) << i;
  }
}

TEST_F(FunctionsAppend, RefusesOtherContentUnderAUsedNumber) {
  append(opening(kConv, "hello"));
  const Outcome outcome = append(text(kConv, 1, "something else"));
  EXPECT_EQ(outcome.kind, Kind::kNothing);
  EXPECT_EQ(outcome.answer.code, Code::kIdConflict);
}

TEST_F(FunctionsAppend, NamesTheNumberThatComesFirst) {
  append(opening(kConv, "hello"));
  EXPECT_EQ(append(text(kConv, 4, "later")).answer.code, Code::kOutOfOrder);
  EXPECT_EQ(append(text(kConv, 4, "later")).answer.expected, 2u);
  EXPECT_EQ(append(text(kConv, 3, "new tab", Principal::visitor(kVisitor), dev(2))).answer.expected, 1u);
}

TEST_F(FunctionsAppend, RemembersSixteenAnswersAndCallsOlderOnesTooOld) {
  append(opening(kConv, "1"));
  for (std::uint64_t n = 2; n <= 40; ++n) EXPECT_EQ(append(text(kConv, n, std::to_string(n))).answer.seq, n);
  EXPECT_EQ(append(text(kConv, 24, "24")).answer.code, Code::kTooOld);
  for (std::uint64_t n = 25; n <= 40; ++n) {
    const Outcome outcome = append(text(kConv, n, std::to_string(n)));
    EXPECT_EQ(outcome.kind, Kind::kDuplicate) << n;
    EXPECT_EQ(outcome.answer.seq, n);
  }
  EXPECT_EQ(load(kConv).senders.at(0).second.size(), 16u);
}

TEST_F(FunctionsAppend, RefusesZeroAsANumberUnlessTheSystemSpeaks) {
  append(opening(kConv, "hello"));
  EXPECT_EQ(append(text(kConv, 0, "zero")).answer.code, Code::kTooOld);
  Append line = text(kConv, 0, "somebody came", Principal{PrincipalKind::kSystem, 0});
  line.kind = EntryType::kEvent;
  EXPECT_EQ(append(line).answer.seq, 2u);
  EXPECT_EQ(append(line).answer.seq, 3u) << "nothing remembers it";
  EXPECT_EQ(load(kConv).senders.size(), 1u);
}

TEST_F(FunctionsAppend, AVoidUsesUpItsNumberAndLaterMatchesTheOvertakenSend) {
  append(opening(kConv, "hello"));
  EXPECT_EQ(append(void_of(kConv, 1)).answer.seq, 1u) << "a void of something stored gets its answer";
  const Outcome given_up = append(void_of(kConv, 2));
  EXPECT_EQ(given_up.kind, Kind::kRemembered);
  EXPECT_EQ(given_up.answer.code, Code::kOk);
  EXPECT_EQ(given_up.answer.seq, 0u);
  const Outcome overtaken = append(text(kConv, 2, "late"));
  EXPECT_EQ(overtaken.kind, Kind::kDuplicate);
  EXPECT_EQ(overtaken.answer.seq, 0u);
  EXPECT_EQ(append(text(kConv, 3, "next")).answer.seq, 2u);
}

TEST_F(FunctionsAppend, RemembersRefusalsWithoutASeq) {
  append(opening(kConv, "hello"));
  const Outcome refused = append(refusal(kConv, 2, Code::kFiltered));
  EXPECT_EQ(refused.kind, Kind::kRemembered);
  EXPECT_EQ(refused.answer.code, Code::kFiltered);
  const Outcome again = append(refusal(kConv, 2, Code::kFiltered));
  EXPECT_EQ(again.kind, Kind::kDuplicate);
  EXPECT_EQ(again.answer.code, Code::kFiltered);
  EXPECT_EQ(load(kConv).core->head, 1u);
}

TEST_F(FunctionsAppend, KnowsNoConversationWithoutAnOpening) {
  EXPECT_EQ(append(text(kConv, 1, "hello")).answer.code, Code::kUnknownConv);
  const Append by_other = by_agent(refusal(kConv, 1, Code::kForbidden), EntryType::kVoid, "");
  EXPECT_EQ(append(by_other).answer.code, Code::kUnknownConv);
  EXPECT_FALSE(load(kConv).core);
}

TEST_F(FunctionsAppend, RemembersAVisitorsRefusalBeforeThereIsAConversation) {
  const Outcome refused = append(refusal(kConv, 1, Code::kFiltered));
  EXPECT_EQ(refused.kind, Kind::kRemembered);
  const LoadedConversation loaded = load(kConv);
  ASSERT_TRUE(loaded.core);
  EXPECT_EQ(loaded.core->head, 0u);
  EXPECT_EQ(loaded.core->status, protocol::Status::kNew);
  EXPECT_EQ(loaded.core->tenant, kTenant);
  EXPECT_TRUE(is_closed(kConv)) << "so that it can be evicted";
  EXPECT_FALSE(is_open(kConv));

  Append first = opening(kConv, "better");
  EXPECT_EQ(append(first).answer.code, Code::kIdConflict);
  first.n = 2;
  EXPECT_EQ(append(first).answer.seq, 1u);
  EXPECT_TRUE(is_open(kConv));
  EXPECT_FALSE(is_closed(kConv));
  EXPECT_EQ(load(kConv).core->channel, kChannel);
  EXPECT_EQ(log().back().openings.size(), 1u);
}

TEST_F(FunctionsAppend, LetsAVisitorHaveOneOpenConversationPerChannel) {
  append(opening(kConv, "hello"));
  Outcome second = append(opening(kOther, "and here"));
  EXPECT_EQ(second.kind, Kind::kNothing);
  EXPECT_EQ(second.answer.code, Code::kClosed);
  EXPECT_EQ(second.answer.other, kConv);
  append(close(kConv, 1));
  second = append(opening(kOther, "and here"));
  EXPECT_EQ(second.answer.seq, 1u) << "the refusal consumed nothing";
  EXPECT_EQ(pointer()->conv, kOther);

  const AppendReply both =
      append({opening(ConversationId{5}, "a", VisitorId{1}), opening(ConversationId{6}, "b", VisitorId{1})});
  EXPECT_EQ(both.outcomes[0].answer.code, Code::kOk);
  EXPECT_EQ(both.outcomes[1].answer.other, ConversationId{5}) << "within a batch as well";
}

TEST_F(FunctionsAppend, OneOfTwoClaimsWins) {
  append(opening(kConv, "hello"));
  Append second = claim(kConv, 1, 0);
  second.principal = Principal::agent(AgentId{42});
  const AppendReply reply = append({claim(kConv, 1, 0), second, second});
  EXPECT_EQ(reply.outcomes[0].answer.claim, 1u);
  EXPECT_EQ(reply.outcomes[0].answer.assignee, kAgent);
  EXPECT_EQ(reply.outcomes[1].kind, Kind::kRemembered);
  EXPECT_EQ(reply.outcomes[1].answer.code, Code::kClaimed);
  EXPECT_EQ(reply.outcomes[1].answer.claim, 1u);
  EXPECT_EQ(reply.outcomes[1].answer.assignee, kAgent);
  EXPECT_EQ(reply.outcomes[2].kind, Kind::kDuplicate);
  EXPECT_EQ(reply.outcomes[2].answer.code, Code::kClaimed);
  const LoadedConversation loaded = load(kConv);
  EXPECT_EQ(loaded.core->claim, 1u);
  EXPECT_EQ(loaded.core->assignee, kAgent);
  EXPECT_EQ(loaded.core->status, protocol::Status::kActive);
}

TEST_F(FunctionsAppend, CountsInternalEntriesForVisitors) {
  append({opening(kConv, "hello"), note(kConv, 1, "a"), note(kConv, 2, "b")});
  const Outcome next = append(text(kConv, 2, "still there?"));
  EXPECT_EQ(next.answer.seq, 4u);
  EXPECT_EQ(next.answer.skip, 2u);
  EXPECT_EQ(append(text(kConv, 3, "hm")).answer.skip, 0u);
  EXPECT_EQ(load(kConv).core->public_head, 5u);
}

TEST_F(FunctionsAppend, MovesConversationsBetweenOpenAndClosed) {
  append(opening(kConv, "hello"));
  EXPECT_EQ(append(close(kConv, 1)).status, protocol::Status::kClosed);
  EXPECT_FALSE(is_open(kConv));
  EXPECT_TRUE(is_closed(kConv));
  EXPECT_FALSE(pointer()->open);
  EXPECT_EQ(append(reopen(kConv, 2)).status, protocol::Status::kActive);
  EXPECT_TRUE(is_open(kConv));
  EXPECT_FALSE(is_closed(kConv));
  EXPECT_TRUE(pointer()->open);
}

TEST_F(FunctionsAppend, DoesNotReopenBesideAnotherOpenOne) {
  append({opening(kConv, "hello"), close(kConv, 1), opening(kOther, "new")});
  const Outcome refused = append(reopen(kConv, 2));
  EXPECT_EQ(refused.kind, Kind::kRemembered);
  EXPECT_EQ(refused.answer.code, Code::kClosed);
  EXPECT_EQ(refused.answer.other, kOther);
  const Outcome again = append(reopen(kConv, 2));
  EXPECT_EQ(again.kind, Kind::kDuplicate);
  EXPECT_EQ(again.answer.other, kOther);
  EXPECT_EQ(pointer()->conv, kOther);
  EXPECT_FALSE(is_open(kConv));
}

TEST_F(FunctionsAppend, SaysWhichConversationsAreNotInRedis) {
  const AppendReply reply = append({text(kConv, 1, "a"), opening(kOther, "b"), text(kConv, 2, "c")}, false);
  EXPECT_EQ(reply.outcomes[0].kind, Kind::kMissing);
  EXPECT_EQ(reply.outcomes[1].kind, Kind::kEntry);
  EXPECT_EQ(reply.outcomes[2].kind, Kind::kMissing);
  EXPECT_EQ(reply.outcomes[0].answer.code, Code::kJournalDown) << "not an answer for anybody";
}

TEST_F(FunctionsAppend, LetsNothingOvertakeAnItemThatIsMissingItsConversation) {
  const AppendReply reply = append({text(kConv, 1, "a"), opening(kConv, "b")}, false);
  EXPECT_EQ(reply.outcomes[0].kind, Kind::kMissing);
  EXPECT_EQ(reply.outcomes[1].kind, Kind::kMissing);
  EXPECT_EQ(reply.counter, 0u);
}

TEST_F(FunctionsAppend, TakesTheLargestBatch) {
  std::vector<Append> batch;
  for (std::uint64_t i = 0; i < kBatchItemsMax; ++i) {
    Append item = opening(ConversationId{1000 + i}, "hello", VisitorId{1000 + i});
    item.tenant = TenantId{1 + i % 300};
    batch.push_back(std::move(item));
  }
  const AppendReply reply = append(batch);
  for (const Outcome& outcome : reply.outcomes) ASSERT_EQ(outcome.kind, Kind::kEntry);
  EXPECT_EQ(reply.outcomes.back().answer.pos, position(1, kBatchItemsMax - 1));
  EXPECT_EQ(counter_of(reply.outcomes.back().answer.pos), 1u);
  EXPECT_EQ(index_of(reply.outcomes.back().answer.pos), kBatchItemsMax - 1);
  EXPECT_EQ(call({"SCARD", keys.open(TenantId{1})}).integer, 14);
  EXPECT_EQ(log().at(0).openings.size(), kBatchItemsMax);
  EXPECT_EQ(append(text(ConversationId{1000 + 4095}, 2, "more", Principal::visitor(VisitorId{1000 + 4095}))).answer.seq,
            2u);
}

TEST_F(FunctionsAppend, KeepsLargeNumbersExactly) {
  Append item = opening(ConversationId{0x7fff'ffff'ffff'fffe}, "hello", VisitorId{0x7fff'ffff'ffff'ffff});
  item.id = MessageId{0x7fff'ffff'ffff'fffd};
  item.ts_ns = INT64_MAX;
  item.hash = ~0ULL;
  append(item);
  const Outcome again = append(item);
  EXPECT_EQ(again.kind, Kind::kDuplicate);
  EXPECT_EQ(again.answer.id, item.id);
  EXPECT_EQ(again.answer.ts_ns, item.ts_ns);
  item.hash -= 1;
  EXPECT_EQ(append(item).answer.code, Code::kIdConflict);
  item.n = protocol::kSeqMax;
  EXPECT_EQ(append(item).answer.code, Code::kOutOfOrder);
  const LoadedConversation loaded = load(item.conv);
  EXPECT_EQ(loaded.core->visitor, item.opening->visitor);
  EXPECT_EQ(loaded.senders.at(0).second.at(0).hash, ~0ULL);
}

// ---- Fences ---------------------------------------------------------------------------------------------------------

class FunctionsFence : public FunctionsTest {};

TEST_F(FunctionsFence, AnOlderOwnerWritesNothingAnyMore) {
  append(opening(kConv, "hello"));
  fence(kFence + 1);
  const std::string before = everything();
  const std::vector<Append> one = {text(kConv, 2, "late")};
  const Result<AppendReply> refused = try_append(one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kForbidden);
  EXPECT_EQ(client.call(project_command(keys, kFence, {})).error_word(), "FENCED");
  EXPECT_EQ(client.call(restore_command(keys, kFence, kSeconds, {})).error_word(), "FENCED");
  EXPECT_EQ(client.call(evict_command(keys, kFence, 1, kSeconds, 1)).error_word(), "FENCED");
  EXPECT_EQ(client.call(fence_command(keys, kFence, 1, 0, 0, 1)).error_word(), "FENCED");
  EXPECT_EQ(everything(), before);
}

TEST_F(FunctionsFence, ALostTailIsNoticed) {
  append(opening(kConv, "hello"));
  writer.floor = 2;
  const std::string before = everything();
  const std::vector<Append> one = {text(kConv, 2, "on")};
  const Result<AppendReply> refused = try_append(one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kGone);
  EXPECT_EQ(everything(), before);
}

TEST_F(FunctionsFence, ALostShardIsNoticed) {
  call({"DEL", keys.state});
  const std::vector<Append> one = {opening(kConv, "hello")};
  EXPECT_EQ(try_append(one).error().code, Errc::kGone);
  EXPECT_FALSE(value(decode_shard(call(shard_command(keys)))));
  fence(kFence - 1);
  EXPECT_EQ(try_append(one).error().code, Errc::kGone) << "the fence is older than ours";
}

TEST_F(FunctionsFence, TheCounterOnlyGrowsAndStaysWithItsShard) {
  append(opening(kConv, "hello"));
  Shard shard = fence(kFence, 1, 0);
  EXPECT_EQ(shard.counter, 1u);
  shard = fence(kFence + 1, 3, 100);
  EXPECT_EQ(shard.fence, kFence + 1);
  EXPECT_EQ(shard.incarnation, 3u);
  EXPECT_EQ(shard.counter, 100u);
  shard = fence(kFence + 1, 2, 50);
  EXPECT_EQ(shard.incarnation, 3u);
  EXPECT_EQ(shard.counter, 100u);
  writer.fence = kFence + 1;
  EXPECT_EQ(append(text(kConv, 2, "on")).answer.pos, position(101, 0));
  EXPECT_EQ(log().back().incarnation, 3u);

  const Keys third("parley", 2);
  shard = *value(decode_shard(call(fence_command(third, 1, 1, 0, 2, 4))));
  EXPECT_EQ(shard.counter, 2u);
  EXPECT_EQ(shard.step, 4u);
  shard = *value(decode_shard(call(fence_command(third, 1, 1, 11, 2, 4))));
  EXPECT_EQ(shard.counter, 14u);
  EXPECT_EQ(client.call(fence_command(third, 1, 1, 11, 2, 8)).error_word(), "WRONGFORMAT");
}

TEST_F(FunctionsFence, AFullRedisIsLeftAsItWas) {
  append(opening(kConv, "hello"));
  const std::string before = everything();
  call({"CONFIG", "SET", "maxmemory", "1"});
  const std::vector<Append> one = {text(kConv, 2, "on")};
  const Result<AppendReply> refused = try_append(one);
  call({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kStorageFull);
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(append(text(kConv, 2, "on")).answer.seq, 2u);
}

TEST_F(FunctionsFence, AnAppendThatCannotBeWrittenLeavesNothing) {
  append(opening(kConv, "hello"));
  call({"DEL", keys.log});
  call({"SET", keys.log, "not a stream"});
  const std::string before = everything();
  const std::vector<Append> one = {opening(kOther, "hello", VisitorId{9})};
  EXPECT_FALSE(try_append(one));
  EXPECT_EQ(everything(), before);
}

// ---- Projections, eviction, restoring -------------------------------------------------------------------------------

class FunctionsKeeping : public FunctionsTest {
 protected:
  Reply evict(std::uint64_t archived, std::int64_t before_s, std::size_t limit = 100) {
    return call(evict_command(keys, kFence, archived, before_s, limit));
  }
  Restored archived(ConversationId conv) {
    LoadedConversation loaded = load(conv);
    Restored restored;
    restored.conv = conv;
    restored.core = *loaded.core;
    restored.core.touched = 0;
    restored.senders = loaded.senders;
    restored.projection = loaded.projection;
    return restored;
  }
  std::int64_t restore(const Restored& item) {
    const std::vector<Restored> one = {item};
    return call(restore_command(keys, kFence, kSeconds + 5, one)).integer;
  }
  Projection projection_of(ConversationId conv, std::string preview) {
    Projection projection;
    projection.meta.id = conv;
    projection.meta.tenant = kTenant;
    projection.meta.epoch = epoch_of(conv);
    projection.meta.preview = std::move(preview);
    projection.meta.closed_by = Principal::agent(kAgent);
    projection.meta.closed_reason = "done";
    projection.meta.closed_ns = -3;
    projection.meta.last_from = 'v';
    projection.applied_pos = position(3, 1);
    return projection;
  }
};

TEST_F(FunctionsKeeping, ProjectsOnlyWhatIsThere) {
  append(opening(kConv, "hello"));
  const std::vector<Projection> both = {projection_of(kConv, "hello"), projection_of(kOther, "ghost")};
  EXPECT_EQ(call(project_command(keys, kFence, both)).integer, 1);
  const LoadedConversation loaded = load(kConv);
  ASSERT_TRUE(loaded.projection);
  EXPECT_EQ(loaded.projection->meta.preview, "hello");
  EXPECT_EQ(loaded.projection->meta.closed_reason, "done");
  EXPECT_EQ(loaded.projection->meta.closed_ns, -3);
  EXPECT_EQ(loaded.projection->meta.closed_by, Principal::agent(kAgent));
  EXPECT_EQ(loaded.projection->meta.last_from, 'v');
  EXPECT_EQ(loaded.projection->applied_pos, position(3, 1));
  EXPECT_FALSE(load(kOther).projection);
  EXPECT_EQ(call(project_command(keys, kFence, {})).integer, 0);
}

TEST_F(FunctionsKeeping, EvictsWhatIsClosedForLongAndArchived) {
  append(opening(kConv, "hello"));
  append(close(kConv, 1));
  append(opening(kOther, "open", VisitorId{9}));
  const std::vector<Projection> one = {projection_of(kConv, "hello")};
  call(project_command(keys, kFence, one));
  EXPECT_EQ(evict(2, kSeconds).items.at(1).integer, 0) << "not old enough";
  EXPECT_EQ(evict(1, kSeconds + 1).items.at(1).integer, 0) << "its close is not archived";
  const Reply gone = evict(2, kSeconds + 1);
  EXPECT_EQ(gone.items.at(0).integer, 1);
  EXPECT_EQ(gone.items.at(1).integer, 1);
  const LoadedConversation loaded = load(kConv);
  EXPECT_FALSE(loaded.core);
  EXPECT_TRUE(loaded.senders.empty());
  EXPECT_FALSE(loaded.projection);
  EXPECT_FALSE(pointer());
  EXPECT_FALSE(is_closed(kConv));
  EXPECT_EQ(call({"HLEN", keys.state}).integer, 6)
      << "F, and both parts of the open one's core, its list, sender and pointer";
}

TEST_F(FunctionsKeeping, AnEvictedConversationIsMissingUntilRestored) {
  append({opening(kConv, "hello"), note(kConv, 1, "hm"), close(kConv, 2)});
  const Restored archive = archived(kConv);
  evict(1, kSeconds + 1);
  EXPECT_EQ(append(reopen(kConv, 3), false).kind, Kind::kMissing);
  EXPECT_EQ(restore(archive), 1);
  const LoadedConversation loaded = load(kConv);
  EXPECT_EQ(encode_core(*loaded.core), encode_core(archive.core));
  EXPECT_EQ(loaded.senders.size(), 2u);
  EXPECT_TRUE(is_closed(kConv));
  EXPECT_EQ(pointer()->conv, kConv);
  EXPECT_FALSE(pointer()->open);
  EXPECT_EQ(append(close(kConv, 2), false).kind, Kind::kDuplicate);
  EXPECT_EQ(append(reopen(kConv, 3), false).answer.seq, 4u);
  EXPECT_TRUE(is_open(kConv));
  const std::string before = everything();
  EXPECT_EQ(restore(archive), 0) << "what is newer stays";
  EXPECT_EQ(everything(), before);
}

TEST_F(FunctionsKeeping, EvictsRefusalsOfConversationsThatNeverCameAbout) {
  append(refusal(kConv, 1, Code::kFiltered));
  const Restored archive = archived(kConv);
  EXPECT_EQ(evict(0, kSeconds + 1).items.at(1).integer, 0);
  EXPECT_EQ(evict(1, kSeconds + 1).items.at(1).integer, 1);
  EXPECT_EQ(call({"HLEN", keys.state}).integer, 1);
  EXPECT_EQ(restore(archive), 1);
  EXPECT_EQ(append(refusal(kConv, 1, Code::kFiltered), false).kind, Kind::kDuplicate);
  EXPECT_FALSE(pointer());
  EXPECT_TRUE(is_closed(kConv));
}

TEST_F(FunctionsKeeping, RestoresASendersAnswersWhereverTheyBegin) {
  append(opening(kConv, "hello"));
  Restored archive = archived(kConv);
  for (std::uint64_t first = 20; first < 30; ++first) {
    for (std::uint64_t last = first; last < first + 20; ++last) {
      call({"FLUSHALL"});
      fence(kFence);
      writer.floor = 0;
      std::vector<domain::SendResult>& results = archive.senders[0].second;
      results.clear();
      for (std::uint64_t n = first; n <= last; ++n)
        results.push_back({n, std::hash<std::string>{}("x"), n + 100, 5, MessageId{n}, Code::kOk});
      ASSERT_EQ(restore(archive), 1);
      const std::uint64_t oldest = std::max(first, last >= 16 ? last - 15 : 1);
      EXPECT_EQ(load(kConv).senders.at(0).second.size(), last - oldest + 1);
      std::vector<Append> batch;
      for (std::uint64_t n = oldest - 1; n <= last + 5; ++n) batch.push_back(text(kConv, n, "x"));
      const AppendReply reply = append(batch, false);
      EXPECT_EQ(reply.outcomes[0].answer.code, Code::kTooOld);
      for (std::size_t i = 1; i < batch.size(); ++i) {
        const bool old = batch[i].n <= last;
        ASSERT_EQ(reply.outcomes[i].kind, old ? Kind::kDuplicate : Kind::kEntry) << first << " " << last << " " << i;
        ASSERT_TRUE(!old || reply.outcomes[i].answer.seq == batch[i].n + 100);
      }
      EXPECT_EQ(load(kConv).senders.at(0).second.size(), std::min<std::size_t>(16, last - oldest + 6));
    }
  }
}

TEST_F(FunctionsKeeping, DoesNotTakeOldAnswersForNewerOnes) {
  append(opening(kConv, "x"));
  for (std::uint64_t n = 2; n <= 16; ++n) append(text(kConv, n, "x"));
  Restored archive = archived(kConv);
  archive.senders[0].second = {{30, 1, 30, 5, MessageId{30}, Code::kOk}, {31, 1, 31, 5, MessageId{31}, Code::kOk}};
  restore(archive);
  EXPECT_EQ(load(kConv).senders.at(0).second.size(), 2u);
  for (std::uint64_t n = 1; n < 30; ++n) EXPECT_EQ(append(text(kConv, n, "x")).answer.code, Code::kTooOld) << n;
  EXPECT_EQ(append(text(kConv, 32, "x")).kind, Kind::kEntry);
}

TEST_F(FunctionsKeeping, RestoringDoesNotTakeAVisitorsPointerFromANewerConversation) {
  append({opening(kConv, "hello"), close(kConv, 1)});
  const Restored archive = archived(kConv);
  evict(1, kSeconds + 1);
  append(opening(kOther, "new"));
  restore(archive);
  EXPECT_EQ(pointer()->conv, kOther);
  EXPECT_EQ(append(reopen(kConv, 2), false).answer.other, kOther);
}

TEST_F(FunctionsKeeping, RestoresWhatRedisIsBehindOf) {
  append({opening(kConv, "hello"), text(kConv, 2, "two")});
  Restored newer = archived(kConv);
  newer.core.head = newer.core.public_head = 3;
  newer.core.status = protocol::Status::kClosed;
  domain::SendResult result;
  result.n = 3;
  result.seq = 3;
  result.hash = 5;
  newer.senders[0].second.push_back(result);
  newer.senders.push_back({{Principal::agent(kAgent), dev(9)}, {{1, 2, 3, 4, MessageId{5}, Code::kOk}}});
  newer.projection = projection_of(kConv, "three");
  EXPECT_EQ(restore(newer), 1);
  const LoadedConversation loaded = load(kConv);
  EXPECT_EQ(loaded.core->head, 3u);
  ASSERT_EQ(loaded.senders.size(), 2u);
  EXPECT_EQ(loaded.senders[0].second.size(), 3u);
  EXPECT_EQ(loaded.projection->meta.preview, "three");
  EXPECT_FALSE(is_open(kConv));
  EXPECT_FALSE(pointer()->open);
}

}  // namespace
}  // namespace parley::store::redis::test
