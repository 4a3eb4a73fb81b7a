// What people see in lists, written behind the appends.
#include "lane.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

constexpr std::size_t kProjectionsAtOnce = 128;  // Redis does nothing else meanwhile, for about a millisecond

}  // namespace

void JournalLane::write_projections(std::size_t count) {
  if (closed_ || !projections_.has_dirty()) return;
  for (const Projections::Wanted& wanted : projections_.take_wanted()) run("projection", complete(wanted));
  std::vector<std::vector<redis::Projection>> by_shard(shards_.size());
  for (domain::ConversationMeta& meta : projections_.take_dirty(count)) {
    const unsigned shard = shard_of(meta.tenant, shared_->options.shards);
    const std::uint64_t pos = meta.last_pos;
    by_shard[shard].push_back({std::move(meta), pos});
    if (by_shard[shard].size() < kProjectionsAtOnce) continue;
    run("projections", project(shard, std::exchange(by_shard[shard], {})));
  }
  for (unsigned shard = 0; shard < by_shard.size(); ++shard) {
    if (!by_shard[shard].empty()) run("projections", project(shard, std::move(by_shard[shard])));
  }
  projections_.trim();
}

asio::awaitable<void> JournalLane::project(unsigned shard, std::vector<redis::Projection> projections) {
  ++projecting_;
  Result<redis::Reply> reply = co_await call(redis::project_command(shared_->keys[shard], shared_->fence, projections));
  --projecting_;
  if (closed_ || (reply && !reply->is_error())) co_return;
  for (const redis::Projection& projection : projections) projections_.mark_dirty(projection.meta.id);
}

asio::awaitable<void> JournalLane::complete(Projections::Wanted wanted) {
  ++projecting_;
  Result<> refreshed = co_await refresh_(wanted.tenant, wanted.conv);
  --projecting_;
  if (!closed_ && !refreshed) projections_.ask_again(wanted.conv);
}

}  // namespace parley::store::standard
