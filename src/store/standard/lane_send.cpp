// From what waits to batches on their way.
#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>

#include "epoch.hpp"
#include "lane.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"

namespace parley::store::standard {
namespace {

constexpr unsigned kBatchesInFlight = 2;
constexpr std::size_t kBatchBytes = 2u << 20;
constexpr std::size_t kBatchTenants = 200;  // each may be one more key of the command

}  // namespace

void JournalLane::pump_all() {
  for (unsigned shard = 0; shard < shards_.size(); ++shard) pump(shard);
}

void JournalLane::pump(unsigned number) {
  Shard& shard = shards_[number];
  while (started_ && !closed_ && !shard.held && shard.in_flight < kBatchesInFlight && !shard.waiting.empty() &&
         appends_->connected() && !shared_->lost()) {
    BatchPtr batch = next_batch(number);
    if (!batch) return;
    send(number, std::move(batch));
  }
}

JournalLane::BatchPtr JournalLane::next_batch(unsigned number) {
  Shard& shard = shards_[number];
  auto batch = std::make_shared<Batch>();
  const std::size_t items_max = std::min(shard.waiting.size(), redis::kBatchItemsMax);
  batch->items.reserve(items_max);
  batch->origins.reserve(items_max);
  batch->notes.reserve(items_max);
  std::size_t bytes = 0;
  boost::unordered_flat_set<TenantId, std::hash<TenantId>> tenants;
  while (batch->items.size() < items_max) {
    Item& item = shard.waiting.front();
    const Append& append = item.append();
    if (!batch->items.empty() && bytes + item.origin.bytes > kBatchBytes) break;
    if (tenants.size() == kBatchTenants && !tenants.contains(append.tenant)) break;
    if (append.opening && !take_number(item)) break;
    if (batch->items.empty() || append.tenant != batch->items.back()->tenant) tenants.insert(append.tenant);
    bytes += item.origin.bytes;
    batch->items.push_back(&append);
    batch->origins.push_back(std::move(item.origin));
    batch->notes.push_back(std::move(item.notes));
    shard.waiting.pop_front();
  }
  return batch->items.empty() ? nullptr : batch;
}

bool JournalLane::take_number(Item& item) {
  redis::ItemNotes& notes = item.notes;
  if (notes.number != 0) return true;
  notes.number = numbers_.take(item.append().tenant);
  if (notes.number == 0) {
    ask_numbers(item.append().tenant);
    return false;
  }
  notes.epoch = new_epoch();
  return true;
}

void JournalLane::ask_numbers(TenantId tenant) {
  if (!numbers_.begin_asking(tenant)) return;
  redis::Command command{"HINCRBY", shared_->options.redis_prefix + ":numbers", tenant.str(),
                         std::to_string(ConversationNumbers::kAtOnce)};
  auto done = [this, tenant](Result<redis::Reply> reply) {
    if (closed_) return;
    numbers_.end_asking(tenant);
    if (!reply) return;  // the connection is lost; asked again on the next one
    if (!reply->is_error()) {
      numbers_.arrived(tenant, static_cast<std::uint64_t>(reply->integer));
      return pump_all();
    }
    if (passes(reply->error_word())) return;  // what waits asks again with the next tick
    trouble("Redis: " + reply->text);
    refuse_unnumbered(tenant, reply->error_word() == "OOM" ? Code::kJournalFull : Code::kJournalDown);
  };
  if (!appends_->send(std::move(command), redis::OnLoss::kFail, std::move(done))) numbers_.end_asking(tenant);
}

void JournalLane::refuse_unnumbered(TenantId tenant, Code code) {
  for (Shard& shard : shards_) {
    for (Item& item : shard.waiting) {
      if (item.append().opening && item.append().tenant == tenant && item.notes.number == 0) refuse(item, code);
    }
    std::erase_if(shard.waiting, [](const Item& item) { return !item.is_open(); });
  }
}

void JournalLane::send(unsigned number, BatchPtr batch) {
  redis::Writer writer;
  writer.fence = shared_->fence;
  writer.floor = batch->floor = shared_->counter(number);
  writer.now_s = wall_ns() / 1'000'000'000;
  batch->command = redis::encode_append(shared_->keys[number], writer, batch->items, batch->notes);
  batch->connection = connection_;
  batch->sent = std::chrono::steady_clock::now();
  redis::WireCommand command = std::exchange(batch->command.command, {});
  Shard& shard = shards_[number];
  ++shard.in_flight;
  PARLEY_FAULT_POINT("journal.before_commit");
  const bool taken =
      appends_->send(std::move(command), redis::OnLoss::kReplay, [this, number, batch](Result<redis::Reply> reply) {
        if (!reply || closed_) return;  // closed: never answered
        shards_[number].arrived.emplace_back(batch, std::move(*reply));
        handle_arrived(number);
      });
  if (taken) return;
  --shard.in_flight;
  hold(number, *batch, kRetryPause);
}

}  // namespace parley::store::standard
