#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "parley/domain/conversation.hpp"

namespace parley::domain {
namespace {

using protocol::Code;

constexpr AgentId kOwner{11}, kOther{12}, kNamed{13}, kSupervisor{14};
constexpr VisitorId kVisitor{21};
constexpr std::int64_t kHour = 3'600'000'000'000;
constexpr std::int64_t kClosedAt = 100 * kHour;
constexpr std::int64_t kWindow = 24 * kHour;

ConversationMeta meta_of(Status status) {
  ConversationMeta meta;
  meta.id = ConversationId{4096};
  meta.visitor = kVisitor;
  meta.status = status;
  meta.claim = 5;
  if (status == Status::kActive || status == Status::kClosed) meta.assignee = kOwner;
  if (status == Status::kClosed) meta.closed_ns = kClosedAt;
  return meta;
}

Actor actor_of(const std::string& name) {
  if (name == "visitor") return {Principal::visitor(kVisitor), false};
  if (name == "agent") return {Principal::agent(kOther), false};
  if (name == "owner") return {Principal::agent(kOwner), false};
  if (name == "superv") return {Principal::agent(kSupervisor), true};
  if (name == "bot") return {{PrincipalKind::kBot, 31}, false};
  if (name == "key") return {{PrincipalKind::kApiKey, 32}, false};
  return {{PrincipalKind::kSystem, 33}, false};
}

/// The verdict as the table writes it.
std::string symbol_of(const Verdict& verdict, const Actor& actor) {
  const Change& change = verdict.change;
  const bool empty = !change.status && !change.assignee && !change.new_claim;
  if (verdict.code != Code::kOk) {
    if (!empty) return "a refusal must not change anything";
    switch (verdict.code) {
      case Code::kForbidden:
        return "-";
      case Code::kClaimed:
        return "claimed";
      case Code::kClosed:
        return "gone";
      case Code::kBadFrame:
        return "bad";
      default:
        return "an unexpected code";
    }
  }
  if (empty) return "ok";
  if (change.status == Status::kWaiting && !change.assignee && !change.new_claim) return "opens";
  if (change.status == Status::kClosed && !change.assignee && !change.new_claim) return "closes";
  if (!change.assignee || !change.new_claim) return "an owner changes only together with the claim";
  if (change.status == Status::kWaiting && *change.assignee == AgentId{0}) return "queue";
  if (change.status == Status::kActive && *change.assignee == kNamed) return "named";
  if (change.status == Status::kActive && Principal::agent(*change.assignee) == actor.who) return "self";
  return "an unexpected change";
}

struct Row {
  EntryType type;
  std::string actor;
  std::vector<std::string> by_state;  ///< new, waiting, active, closed just now, closed long ago
  std::optional<AgentId> to;
};

TEST(Decide, FollowsTheTableOfActorStateAndAction) {
  using enum EntryType;
  const std::vector<Row> table = {
      {kText, "visitor", {"opens", "ok", "ok", "queue", "gone"}, {}},
      {kText, "agent", {"-", "ok", "ok", "-", "-"}, {}},
      {kText, "owner", {"-", "ok", "ok", "-", "-"}, {}},
      {kText, "superv", {"-", "ok", "ok", "-", "-"}, {}},
      {kText, "bot", {"-", "ok", "ok", "-", "-"}, {}},
      {kText, "key", {"-", "ok", "ok", "-", "-"}, {}},
      {kText, "system", {"-", "ok", "ok", "-", "-"}, {}},
      {kNote, "visitor", {"-", "-", "-", "-", "-"}, {}},
      {kNote, "agent", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kNote, "superv", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kNote, "bot", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kClaim, "visitor", {"-", "-", "-", "-", "-"}, {}},
      {kClaim, "agent", {"-", "self", "claimed", "-", "-"}, {}},
      {kClaim, "owner", {"-", "self", "claimed", "-", "-"}, {}},
      {kClaim, "superv", {"-", "self", "claimed", "-", "-"}, {}},
      {kClaim, "bot", {"-", "-", "-", "-", "-"}, {}},
      {kClaim, "key", {"-", "-", "-", "-", "-"}, {}},
      {kClaim, "system", {"-", "-", "-", "-", "-"}, {}},
      {kAssign, "visitor", {"-", "-", "-", "-", "-"}, kNamed},
      {kAssign, "agent", {"-", "-", "-", "-", "-"}, kNamed},
      {kAssign, "owner", {"-", "-", "named", "-", "-"}, kNamed},
      {kAssign, "superv", {"-", "named", "named", "-", "-"}, kNamed},
      {kAssign, "bot", {"-", "-", "-", "-", "-"}, kNamed},
      {kAssign, "key", {"-", "-", "-", "-", "-"}, kNamed},
      {kAssign, "system", {"-", "named", "named", "-", "-"}, kNamed},
      {kAssign, "owner", {"-", "-", "queue", "-", "-"}, AgentId{0}},
      {kAssign, "superv", {"-", "queue", "queue", "-", "-"}, AgentId{0}},
      {kAssign, "superv", {"-", "bad", "bad", "-", "-"}, std::nullopt},
      {kTransfer, "visitor", {"-", "-", "-", "-", "-"}, kNamed},
      {kTransfer, "agent", {"-", "-", "-", "-", "-"}, kNamed},
      {kTransfer, "owner", {"-", "-", "named", "-", "-"}, kNamed},
      {kTransfer, "owner", {"-", "-", "queue", "-", "-"}, AgentId{0}},
      {kTransfer, "superv", {"-", "named", "named", "-", "-"}, kNamed},
      {kTransfer, "owner", {"-", "-", "bad", "-", "-"}, std::nullopt},
      {kClose, "visitor", {"-", "closes", "closes", "-", "-"}, {}},
      {kClose, "agent", {"-", "closes", "closes", "-", "-"}, {}},
      {kClose, "owner", {"-", "closes", "closes", "-", "-"}, {}},
      {kClose, "superv", {"-", "closes", "closes", "-", "-"}, {}},
      {kClose, "bot", {"-", "closes", "closes", "-", "-"}, {}},
      {kClose, "system", {"-", "closes", "closes", "-", "-"}, {}},
      {kReopen, "visitor", {"-", "-", "-", "-", "-"}, {}},
      {kReopen, "agent", {"-", "-", "-", "self", "self"}, {}},
      {kReopen, "owner", {"-", "-", "-", "self", "self"}, {}},
      {kReopen, "superv", {"-", "-", "-", "self", "self"}, {}},
      {kReopen, "bot", {"-", "-", "-", "-", "-"}, {}},
      {kReopen, "system", {"-", "-", "-", "-", "-"}, {}},
      {kEdit, "visitor", {"-", "ok", "ok", "-", "-"}, {}},
      {kEdit, "agent", {"-", "ok", "ok", "-", "-"}, {}},
      {kRecall, "visitor", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kRecall, "agent", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kRecall, "superv", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kEvent, "visitor", {"-", "-", "-", "-", "-"}, {}},
      {kEvent, "superv", {"-", "-", "-", "-", "-"}, {}},
      {kEvent, "system", {"-", "ok", "ok", "ok", "ok"}, {}},
      {kVoid, "visitor", {"ok", "ok", "ok", "ok", "ok"}, {}},
      {kVoid, "agent", {"ok", "ok", "ok", "ok", "ok"}, {}},
      {kRefusal, "visitor", {"-", "-", "-", "-", "-"}, {}},
      {kRefusal, "superv", {"-", "-", "-", "-", "-"}, {}},
  };
  const std::vector<std::pair<Status, std::int64_t>> states = {{Status::kNew, kClosedAt},
                                                               {Status::kWaiting, kClosedAt},
                                                               {Status::kActive, kClosedAt},
                                                               {Status::kClosed, kClosedAt + kHour},
                                                               {Status::kClosed, kClosedAt + 25 * kHour}};
  for (const Row& row : table) {
    ASSERT_EQ(row.by_state.size(), states.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      const Actor actor = actor_of(row.actor);
      const Verdict verdict = decide(meta_of(states[i].first), actor, row.type, row.to, states[i].second, kWindow);
      EXPECT_EQ(symbol_of(verdict, actor), row.by_state[i])
          << "type " << int(row.type) << " by " << row.actor << " in column " << i << " to "
          << (row.to ? std::to_string(row.to->value) : "nothing");
    }
  }
}

TEST(Decide, LetsTheFirstOfTwoClaimsWinAndTellsTheSecondSo) {
  ConversationMeta meta = meta_of(Status::kWaiting);
  const Verdict first = decide(meta, {Principal::agent(kOther), false}, EntryType::kClaim, {}, kHour, kWindow);
  apply(
      meta,
      {.type = EntryType::kClaim, .from = Principal::agent(kOther), .seq = 1, .ts_ns = kHour, .change = first.change});
  EXPECT_EQ(meta.assignee, kOther);
  EXPECT_EQ(meta.claim, 6u);
  const Verdict second = decide(meta, {Principal::agent(kNamed), false}, EntryType::kClaim, {}, kHour, kWindow);
  EXPECT_EQ(second.code, Code::kClaimed);
}

TEST(Decide, AnAgentsTextDoesNotTakeAWaitingConversation) {
  const Verdict verdict =
      decide(meta_of(Status::kWaiting), {Principal::agent(kOther), false}, EntryType::kText, {}, kHour, kWindow);
  EXPECT_EQ(verdict.code, Code::kOk);
  EXPECT_FALSE(verdict.change.assignee.has_value());
  EXPECT_FALSE(verdict.change.new_claim);
}

class ReopenWindow : public ::testing::Test {
 protected:
  Code after(std::int64_t since_close_ns, std::int64_t window_ns) {
    return decide(meta_of(Status::kClosed), {Principal::visitor(kVisitor), false}, EntryType::kText, {},
                  kClosedAt + since_close_ns, window_ns)
        .code;
  }
};

TEST_F(ReopenWindow, IncludesItsLastNanosecondAndNotTheNext) {
  EXPECT_EQ(after(kWindow, kWindow), Code::kOk);
  EXPECT_EQ(after(kWindow + 1, kWindow), Code::kClosed);
}

TEST_F(ReopenWindow, OfZeroNeverReopens) {
  EXPECT_EQ(after(0, 0), Code::kClosed);
  EXPECT_EQ(after(-kHour, 0), Code::kClosed);
}

TEST_F(ReopenWindow, CountsAClockThatWasSetBackAsInside) { EXPECT_EQ(after(-kHour, kWindow), Code::kOk); }

TEST_F(ReopenWindow, DoesNotBindAgents) {
  const Verdict verdict = decide(meta_of(Status::kClosed), {Principal::agent(kOther), false}, EntryType::kReopen, {},
                                 kClosedAt + 1000 * kHour, kWindow);
  EXPECT_EQ(verdict.code, Code::kOk);
  EXPECT_EQ(verdict.change.assignee, kOther);
}

TEST(MayChange, LetsOnlyTheAuthorEdit) {
  const Target target{.author = Principal::agent(kOwner), .ts_ns = kHour};
  EXPECT_EQ(may_change({Principal::agent(kOwner), false}, EntryType::kEdit, target, 50 * kHour), Code::kOk);
  EXPECT_EQ(may_change({Principal::agent(kOther), false}, EntryType::kEdit, target, kHour), Code::kForbidden);
  EXPECT_EQ(may_change({Principal::agent(kSupervisor), true}, EntryType::kEdit, target, kHour), Code::kForbidden)
      << "nobody puts words into another's mouth";
  EXPECT_EQ(may_change({Principal::visitor(VisitorId{kOwner.value}), false}, EntryType::kEdit, target, kHour),
            Code::kForbidden)
      << "a visitor whose number is the agent's is somebody else";
}

TEST(MayChange, LetsTheAuthorRecallForTwoMinutesAndSupervisorsAlways) {
  const Target target{.author = Principal::visitor(kVisitor), .ts_ns = kHour};
  const Actor author{Principal::visitor(kVisitor), false};
  EXPECT_EQ(may_change(author, EntryType::kRecall, target, kHour + kRecallWindowNs), Code::kOk);
  EXPECT_EQ(may_change(author, EntryType::kRecall, target, kHour + kRecallWindowNs + 1), Code::kForbidden);
  EXPECT_EQ(may_change({Principal::agent(kOther), false}, EntryType::kRecall, target, kHour), Code::kForbidden);
  EXPECT_EQ(may_change({Principal::agent(kSupervisor), true}, EntryType::kRecall, target, 999 * kHour), Code::kOk);
  EXPECT_EQ(may_change({{PrincipalKind::kSystem, 1}, false}, EntryType::kRecall, target, 999 * kHour), Code::kOk);
}

TEST(MayChange, RefusesWhatIsNotAWordOrIsWithdrawnOrInternalForVisitors) {
  const Actor supervisor{Principal::agent(kSupervisor), true};
  Target target{.author = Principal::agent(kSupervisor), .ts_ns = kHour};
  EXPECT_EQ(may_change(supervisor, EntryType::kText, target, kHour), Code::kForbidden) << "a text changes nothing";
  target.recalled = true;
  EXPECT_EQ(may_change(supervisor, EntryType::kEdit, target, kHour), Code::kForbidden);
  EXPECT_EQ(may_change(supervisor, EntryType::kRecall, target, kHour), Code::kForbidden);
  for (EntryType type : {EntryType::kClaim, EntryType::kAssign, EntryType::kTransfer, EntryType::kClose,
                         EntryType::kReopen, EntryType::kEdit, EntryType::kRecall, EntryType::kEvent}) {
    const Target action{.type = type, .author = Principal::agent(kSupervisor), .ts_ns = kHour};
    EXPECT_EQ(may_change(supervisor, EntryType::kEdit, action, kHour), Code::kForbidden) << int(type);
    EXPECT_EQ(may_change(supervisor, EntryType::kRecall, action, kHour), Code::kForbidden) << int(type);
  }
  const Target note{.type = EntryType::kNote,
                    .audience = Audience::kInternal,
                    .author = Principal::visitor(kVisitor),
                    .ts_ns = kHour};
  EXPECT_EQ(may_change({Principal::visitor(kVisitor), false}, EntryType::kRecall, note, kHour), Code::kForbidden);
}

TEST(AudienceOf, KeepsNotesAndWhatChangesThemInternal) {
  EXPECT_EQ(audience_of(EntryType::kNote), Audience::kInternal);
  EXPECT_EQ(audience_of(EntryType::kEdit, Audience::kInternal), Audience::kInternal);
  EXPECT_EQ(audience_of(EntryType::kRecall, Audience::kInternal), Audience::kInternal);
  EXPECT_EQ(audience_of(EntryType::kEdit, Audience::kPublic), Audience::kPublic);
  EXPECT_EQ(audience_of(EntryType::kRecall, Audience::kPublic), Audience::kPublic);
  for (EntryType type : {EntryType::kText, EntryType::kClaim, EntryType::kAssign, EntryType::kTransfer,
                         EntryType::kClose, EntryType::kReopen, EntryType::kEvent}) {
    EXPECT_EQ(audience_of(type), Audience::kPublic) << int(type);
  }
}

}  // namespace
}  // namespace parley::domain
