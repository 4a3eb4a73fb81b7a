#include "parley/protocol/types.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace parley::protocol {
namespace {

TEST(Types, NamesAndValuesFindEachOther) {
  for (const auto type :
       {EntryType::kText, EntryType::kNote, EntryType::kClaim, EntryType::kAssign, EntryType::kTransfer,
        EntryType::kClose, EntryType::kReopen, EntryType::kEdit, EntryType::kRecall, EntryType::kVoid}) {
    EXPECT_EQ(entry_type_of(to_string(type)), type);
  }
  for (const auto status : {Status::kNew, Status::kWaiting, Status::kActive, Status::kClosed})
    EXPECT_EQ(status_of(to_string(status)), status);
  for (const auto status : {AgentStatus::kAway, AgentStatus::kBusy, AgentStatus::kOnline})
    EXPECT_EQ(agent_status_of(to_string(status)), status);
  EXPECT_EQ(to_string(EntryType::kText), "text");
  EXPECT_EQ(to_string(Status::kWaiting), "waiting");
  EXPECT_EQ(to_string(AgentStatus::kBusy), "busy");
}

TEST(Types, ClientsMaySendNeitherEventsNorRefusals) {
  EXPECT_FALSE(entry_type_of("event"));
  EXPECT_FALSE(entry_type_of("refusal"));
  EXPECT_FALSE(entry_type_of(""));
  EXPECT_FALSE(entry_type_of("Text"));
  EXPECT_FALSE(status_of("open"));
  EXPECT_FALSE(agent_status_of(""));
  EXPECT_EQ(to_string(static_cast<EntryType>(200)), "unknown");
}

TEST(Types, CodesAreThoseOfTheDocumentation) {
  struct Row {
    Code code;
    int status;
    const char* name;
    bool retry;
  };
  const Row rows[] = {{Code::kBadFrame, 400, "bad_frame", false},
                      {Code::kUnknownFrame, 400, "unknown_frame", false},
                      {Code::kUnauthenticated, 401, "unauthenticated", false},
                      {Code::kForbidden, 403, "forbidden", false},
                      {Code::kUnknownConv, 404, "unknown_conv", false},
                      {Code::kClaimed, 409, "claimed", false},
                      {Code::kIdConflict, 409, "id_conflict", false},
                      {Code::kTooOld, 409, "too_old", false},
                      {Code::kClosed, 410, "closed", false},
                      {Code::kOutOfOrder, 412, "out_of_order", true},
                      {Code::kTooLarge, 413, "too_large", false},
                      {Code::kFiltered, 422, "filtered", false},
                      {Code::kRate, 429, "rate", true},
                      {Code::kJournalDown, 503, "journal_down", true},
                      {Code::kBusy, 503, "busy", true},
                      {Code::kJournalFull, 507, "journal_full", true},
                      {Code::kInternal, 500, "internal", false}};
  for (const Row& row : rows) {
    EXPECT_EQ(info(row.code).status, row.status);
    EXPECT_EQ(info(row.code).name, row.name);
    EXPECT_EQ(info(row.code).retry, row.retry);
    EXPECT_FALSE(info(row.code).message.empty());
  }
  EXPECT_EQ(info(static_cast<Code>(250)).name, "internal") << "a code of a newer version";
}

TEST(Types, EveryCloseCodeHasAReasonOfItsOwn) {
  std::set<std::string_view> reasons;
  for (const int code : {1000, 1001, 1002, 1007, 1009, 4000, 4002, 4003, 4005, 4006,
                         4007, 4008, 4100, 4101, 4500, 4501, 4502, 4503, 4504, 4505}) {
    EXPECT_TRUE(reasons.insert(reason_of(static_cast<CloseCode>(code))).second) << code;
  }
  EXPECT_EQ(reasons.count("unknown"), 0u);
  EXPECT_EQ(reason_of(CloseCode::kHeartbeat), "heartbeat");
  EXPECT_EQ(reason_of(static_cast<CloseCode>(4999)), "unknown");
}

}  // namespace
}  // namespace parley::protocol
