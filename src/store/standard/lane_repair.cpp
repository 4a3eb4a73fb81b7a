// What could not be stored as it was sent, and is sent again.
#include "lane.hpp"
#include "parley/base/clock.hpp"
#include "parley/obs/log.hpp"
#include "postgres/archive.hpp"
#include "redis/setup.hpp"
#include "restored.hpp"
#include "shards.hpp"

namespace parley::store::standard {

JournalLane::Item JournalLane::take_back(Batch& batch, std::size_t i) {
  return {std::move(batch.origins[i]), std::move(batch.notes[i])};
}

void JournalLane::hold(unsigned number, Batch& batch, std::chrono::milliseconds pause) {
  Shard& shard = shards_[number];
  shard.held = true;
  shard.retry_at = std::chrono::steady_clock::now() + pause;
  for (std::size_t i = 0; i < batch.items.size(); ++i) shard.again.push_back(take_back(batch, i));
}

void JournalLane::repair_if_quiet(unsigned number) {
  Shard& shard = shards_[number];
  if (!shard.held || shard.repairing || shard.in_flight > 0 || closed_) return;
  if (shard.retry_at > std::chrono::steady_clock::now()) return;  // the tick comes back
  shard.repairing = true;
  run("repair of a shard", repair(number));
}

asio::awaitable<void> JournalLane::repair(unsigned number) {
  Shard& shard = shards_[number];
  if (shard.library) {
    Result<redis::Reply> loaded = co_await call(redis::library_load(redis::kLibrarySource));
    if (closed_) co_return;
    if (!loaded || loaded->is_error()) {
      if (loaded) trouble("Redis does not take the function library: " + loaded->text);
      shard.repairing = false;
      shard.retry_at = std::chrono::steady_clock::now() + kRetryPause;
      co_return;
    }
    shard.library = false;
    log::warn("journal_library_loaded", "lane={} shard={}", name_, number);
  }
  const std::set<ConversationId> missing = std::exchange(shard.missing, {});
  for (const ConversationId conv : missing) {
    Result<bool> found = co_await restore(conv);
    if (closed_) co_return;
    if (!found)
      log::warn("conversation_not_restored", "conv={} cause={}", conv.value, log::quote(found.error().detail));
    for (Item& item : shard.again) {
      if (!item.is_open() || item.append().conv != conv) continue;
      if (!found) {
        refuse(item, Code::kJournalDown);
      } else if (!*found) {
        item.notes.absent_is_new = true;
      }
    }
  }
  shard.repairing = false;
  send_again(number);
}

void JournalLane::send_again(unsigned number) {
  Shard& shard = shards_[number];
  for (auto item = shard.again.rbegin(); item != shard.again.rend(); ++item) {
    if (item->is_open()) shard.waiting.push_front(std::move(*item));
  }
  shard.again.clear();
  shard.held = false;
  pump(number);
}

asio::awaitable<Result<bool>> JournalLane::restore(ConversationId conv) {
  Result<std::optional<archive::Archived>> archived = co_await archive_.read(
      [conv](Sql& sql) -> Result<std::optional<archive::Archived>> { return archive::load(sql, conv); });
  if (!archived) co_return std::move(archived).error();
  if (!*archived) co_return false;
  const unsigned number = shard_of((*archived)->state.meta.tenant, shared_->options.shards);
  std::vector<redis::Restored> items;
  items.push_back(restored_of((*archived)->state));
  redis::Command command =
      redis::restore_command(shared_->keys[number], shared_->fence, wall_ns() / 1'000'000'000, items);
  Result<redis::Reply> reply = co_await call(std::move(command));
  if (!reply) co_return std::move(reply).error();
  if (reply->is_error()) co_return redis::error_of(*reply);
  co_return true;
}

}  // namespace parley::store::standard
