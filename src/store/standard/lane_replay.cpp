// What was stored by a command whose answer was lost.
#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "lane.hpp"
#include "postgres/archive.hpp"

namespace parley::store::standard {

using redis::Outcome;

/// Own items that were stored by a command whose answer was lost: where and how stands in the log, behind the floor
/// that the command was sent with.
asio::awaitable<void> JournalLane::look_up(unsigned number, const Batch& batch, redis::AppendReply& reply) {
  std::unordered_multimap<std::uint64_t, std::size_t> wanted;  // by message id
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (reply.outcomes[i].own_replay) wanted.emplace(batch.items[i]->id.value, i);
  }
  std::uint64_t counter = batch.floor;
  std::uint64_t incarnation = shared_->incarnation;
  while (!wanted.empty()) {
    Result<redis::Reply> page = co_await call(redis::read_log_command(shared_->keys[number], incarnation, counter, 16));
    if (closed_) co_return;
    if (!page || page->is_error()) {
      // Not answered before it is known; the connection will come back.
      asio::steady_timer pause(home().context(), kRetryPause);
      co_await pause.async_wait(asio::use_awaitable);
      if (closed_) co_return;
      continue;
    }
    if (page->items.empty()) break;
    for (redis::Reply& element : page->items) {
      redis::LogEntry entry;
      const Result<> read = redis::decode_log_entry(std::move(element), entry);
      incarnation = entry.incarnation;
      counter = entry.counter;
      if (!read) continue;
      for (std::size_t k = 0; k < entry.items.size(); ++k) {
        const protocol::PackItem& item = entry.items[k];
        auto [found, last] = wanted.equal_range(item.id.value);
        found = std::find_if(found, last, [&](const auto& candidate) {
          const Append& own = *batch.items[candidate.second];
          return own.conv == item.conv && own.principal == item.principal && own.dev == item.dev && own.n == item.n;
        });
        if (found == last) continue;
        const redis::ResultRecord& result = entry.results[k];
        if (result.outcome != Outcome::Kind::kEntry && result.outcome != Outcome::Kind::kRemembered) continue;
        Outcome& outcome = reply.outcomes[found->second];
        outcome.kind = result.outcome;
        outcome.flags = result.flags;
        outcome.status = result.status;
        outcome.answer.dup = false;
        outcome.answer.skip = result.skip;
        outcome.answer.pos = redis::position(entry.counter, k);
        outcome.answer.claim = result.claim;
        outcome.answer.assignee = result.assignee;
        wanted.erase(found);
      }
      shared_->saw_counter(number, entry.counter);
    }
  }
  if (!wanted.empty()) co_await look_up_archived(batch, reply);
}

/// The same for what has left the log meanwhile, because the connection was away for long.
asio::awaitable<void> JournalLane::look_up_archived(const Batch& batch, redis::AppendReply& reply) {
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    Outcome& outcome = reply.outcomes[i];
    if (!outcome.own_replay || outcome.kind != Outcome::Kind::kDuplicate) continue;
    outcome.answer.dup = false;
    if (outcome.answer.seq == 0) {
      outcome.kind = Outcome::Kind::kRemembered;
      continue;
    }
    const ConversationId conv = batch.items[i]->conv;
    Journal::Range range;
    range.after = outcome.answer.seq - 1;
    range.limit = 1;
    range.internal = true;
    Result<Journal::Page> page = co_await archive_.read(
        [conv, range](Sql& sql) -> Result<Journal::Page> { return archive::read_page(sql, conv, range); });
    if (closed_) co_return;
    outcome.kind = Outcome::Kind::kEntry;
    if (!page || page->entries.empty()) continue;
    outcome.answer.skip = page->entries[0].skip;
    if (page->entries[0].status) {
      outcome.answer.claim = page->entries[0].claim;
      outcome.answer.assignee = page->entries[0].assignee;
    }
  }
}

}  // namespace parley::store::standard
