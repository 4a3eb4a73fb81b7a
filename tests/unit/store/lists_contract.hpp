// Lists and limits of every store, compiled into the tests of each: first say which Fixture opens it.
#pragma once
#include "unit/store/journal_calls.hpp"

namespace parley::store::test {
namespace {

using protocol::Status;
using Metas = std::vector<domain::ConversationMeta>;

class ListsTest : public Fixture {
 protected:
  template <class Ask>
  std::string ids(Ask ask) {
    auto metas = home.run<Result<Metas>>(ask);
    if (!metas) return metas.error().detail;
    std::string out;
    for (const auto& meta : *metas) out += meta.id.str() + " ";
    return out;
  }
  std::string open_ids(TenantId tenant = kTenant) {
    return ids([this, tenant]() { return journal().open_conversations(tenant); });
  }
  std::string closed_ids(std::uint64_t before, unsigned limit) {
    settle();
    return ids([this, before, limit]() { return journal().closed_conversations(kTenant, before, limit); });
  }
  std::string changed_ids(std::uint64_t since, unsigned limit) {
    settle();
    return ids([this, since, limit]() { return journal().changed_conversations(kTenant, since, limit); });
  }
  std::optional<ConversationId> of_visitor(std::uint64_t visitor) {
    auto found = home.run<Result<std::optional<ConversationId>>>(
        [this, visitor]() { return journal().find_by_visitor(kChannel, VisitorId{visitor}); });
    return found ? *found : std::nullopt;
  }
  std::uint64_t open_one(std::uint64_t id) {
    return append(home, journal(), opening(ConversationId{id}, "Hello", VisitorId{id})).pos;
  }
  std::uint64_t close_one(std::uint64_t id) {
    Append close = by_agent(text(ConversationId{id}, 1, "done"), EntryType::kClose, R"({"reason":"done"})");
    close.change.status = Status::kClosed;
    return append(home, journal(), close).pos;
  }
};

TEST_F(ListsTest, FollowTheLog) {
  for (std::uint64_t id = 1; id <= 5; ++id) open_one(id);
  EXPECT_EQ(open_ids(), "1 2 3 4 5 ");
  EXPECT_EQ(open_ids(TenantId{99}), "");
  close_one(2);
  const std::uint64_t closed_4 = close_one(4);
  EXPECT_EQ(open_ids(), "1 3 5 ");
  EXPECT_EQ(closed_ids(0, 10), "4 2 ");
  EXPECT_EQ(closed_ids(0, 1), "4 ");
  EXPECT_EQ(closed_ids(closed_4, 10), "2 ");
  append(home, journal(), note(ConversationId{2}, 2, "late"));
  EXPECT_EQ(closed_ids(0, 10), "2 4 ") << "its last entry is the newest now";
  EXPECT_EQ(changed_ids(0, 3), "1 3 5 ");
  EXPECT_EQ(changed_ids(closed_4, 3), "2 ");
  reopen();
  EXPECT_EQ(open_ids(), "1 3 5 ");
  EXPECT_EQ(closed_ids(0, 10), "2 4 ");
  EXPECT_EQ(changed_ids(0, 10), "1 3 5 4 2 ");
  append(home, journal(), text(ConversationId{1}, 2, "again", Principal::visitor(VisitorId{1})));
  EXPECT_EQ(changed_ids(0, 10), "3 5 4 2 1 ") << "rows from the file and one from memory";
  const auto open = home.run<Result<Metas>>([this]() { return journal().open_conversations(kTenant); });
  EXPECT_EQ((*open)[0].preview, "again");
}

TEST_F(ListsTest, CloseKeepsTheReasonAndWhoDidIt) {
  open_one(1);
  close_one(1);
  for (bool restarted : {false, true}) {
    if (restarted) reopen();
    const auto meta = load(home, journal(), ConversationId{1})->meta;
    EXPECT_EQ(meta.closed_reason, "done");
    EXPECT_EQ(meta.closed_by, Principal::agent(kAgent));
    EXPECT_GT(meta.closed_ns, 0);
  }
}

TEST_F(ListsTest, FindAVisitorsOpenConversationOrTheLatestClosedOne) {
  EXPECT_FALSE(of_visitor(1));
  open_one(1);
  EXPECT_EQ(of_visitor(1), ConversationId{1});
  close_one(1);
  EXPECT_EQ(of_visitor(1), ConversationId{1});
  append(home, journal(), opening(ConversationId{8}, "Again", VisitorId{1}));
  EXPECT_EQ(of_visitor(1), ConversationId{8});
  close_one(8);
  append(home, journal(), opening(ConversationId{5}, "Third", VisitorId{1}));
  EXPECT_EQ(of_visitor(1), ConversationId{5}) << "the open one, whatever its id";
}

TEST_F(ListsTest, MarksAreTheHighestOfEach) {
  open_one(1);
  const Principal agent = Principal::agent(kAgent);
  auto marks = [this]() {
    auto found =
        home.run<Result<std::vector<Journal::Mark>>>([this]() { return journal().load_marks(ConversationId{1}); });
    std::string out;
    for (const auto& mark : *found) {
      out += mark.who.str() + " " + std::to_string(mark.rcv) + " " + std::to_string(mark.read) + " ";
    }
    return out;
  };
  EXPECT_EQ(marks(), "");
  journal().save_marks({{ConversationId{1}, agent, 5, 2}, {ConversationId{1}, Principal::visitor(VisitorId{1}), 3, 3}});
  journal().save_marks({{ConversationId{1}, agent, 4, 4}, {ConversationId{2}, agent, 9, 9}});
  EXPECT_EQ(marks(), "a:41 5 4 v:1 3 3 ");
  reopen();
  EXPECT_EQ(marks(), "a:41 5 4 v:1 3 3 ");
  journal().save_marks({{ConversationId{1}, agent, 6, 1}});
  EXPECT_EQ(marks(), "a:41 6 4 v:1 3 3 ");
}

TEST_F(ListsTest, RefusesWhatExceedsTheQueue) {
  store.reset();
  options.queue_items_max = 2;
  open();
  std::vector<Append> three;
  for (std::uint64_t n = 1; n <= 3; ++n) three.push_back(text(ConversationId{1}, n, "x"));
  EXPECT_EQ(append(home, journal(), three)[0].code, Code::kBusy);
  store.reset();
  options.queue_items_max = 100;
  options.queue_bytes_max = 1000;
  open();
  EXPECT_EQ(append(home, journal(), opening(ConversationId{1}, std::string(2000, 'x'))).code, Code::kBusy);
  open_one(1);
  EXPECT_GE(store->stats().commits, 1u);
  EXPECT_EQ(store->stats().items, 1u);
  EXPECT_EQ(store->stats().queued, 0u);
}

TEST_F(ListsTest, AfterStopEverythingIsRefused) {
  open_one(1);
  store->stop();
  EXPECT_EQ(append(home, journal(), text(ConversationId{1}, 2, "x")).code, Code::kBusy);
  const auto loaded =
      home.run<Result<std::optional<ConversationState>>>([this]() { return journal().load(ConversationId{1}); });
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::kOverloaded);
}

}  // namespace
}  // namespace parley::store::test
