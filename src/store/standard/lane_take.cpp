// What is taken or refused, and the way of the answers back.
#include <span>

#include "lane.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

constexpr std::size_t kItemBytes = 160;  // of an item besides its body and text

std::size_t bytes_of(const Append& item) { return item.bytes.size() + item.text.size() + kItemBytes; }

}  // namespace

void JournalLane::Ready::reserve(std::size_t size) {
  answers.reserve(size);
  askers.reserve(size);
}

bool JournalLane::submit(std::vector<Append>&& batch, Journal::OnAppended done) {
  check_home();
  if (closed_) return false;
  std::size_t bytes = 0;
  for (const Append& item : batch) bytes += bytes_of(item);
  if (queued_items_ + batch.size() > shared_->options.queue_items_max ||
      queued_bytes_ + bytes > shared_->options.queue_bytes_max)
    return false;
  queued_items_ += batch.size();
  queued_bytes_ += bytes;
  shared_->queued.fetch_add(batch.size(), std::memory_order_relaxed);

  const Code refusal = shared_->lost() || is_away()                            ? Code::kJournalDown
                       : shared_->backlog_full.load(std::memory_order_relaxed) ? Code::kJournalFull
                                                                               : Code::kOk;
  const auto asker = std::make_shared<const Journal::OnAppended>(std::move(done));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Item item;
    item.append = std::move(batch[i]);
    item.origin.asker = asker;
    item.origin.index = i;
    item.origin.bytes = bytes_of(item.append);
    item.origin.notes.absent_is_new = shared_->is_young(item.append.conv);
    if (refusal != Code::kOk) {
      refuse(item, refusal);
      continue;
    }
    const unsigned shard = shard_of(item.append.tenant, shared_->options.shards);
    shards_[shard].waiting.push_back(std::move(item));
  }
  pump_all();
  return true;
}

bool JournalLane::is_away() const {
  return started_ && !appends_->connected() &&
         std::chrono::steady_clock::now() - appends_->down_since() >= kRefuseAfter;
}

void JournalLane::answer(Origin& origin, Appended result) {
  ready_.answers.push_back({origin.index, std::move(result)});
  ready_.askers.push_back(std::move(origin.asker));
  --queued_items_;
  queued_bytes_ -= origin.bytes;
  shared_->queued.fetch_sub(1, std::memory_order_relaxed);
}

void JournalLane::refuse(Item& item, Code code) {
  if (item.origin.notes.number != 0) numbers_.give_back(item.append.tenant, item.origin.notes.number);
  Appended refusal;
  refusal.code = code;
  answer(item.origin, std::move(refusal));
  deliver_soon();
}

void JournalLane::refuse_waiting(Code code) {
  for (Shard& shard : shards_) {
    for (Item& item : shard.waiting) refuse(item, code);
    shard.waiting.clear();
    if (shard.repairing) continue;  // it looks at what is to be sent again
    for (Item& item : shard.again) {
      if (item.is_open()) refuse(item, code);
    }
    shard.again.clear();
    shard.missing.clear();
    if (!shard.library) shard.held = false;
  }
}

void JournalLane::deliver_soon() {
  if (deliver_posted_) return;
  deliver_posted_ = true;
  home().post([self = shared_from_this()] {
    self->deliver_posted_ = false;
    self->deliver();
  });
}

/// What was asked for together is answered together.
void JournalLane::deliver() {
  Ready now;
  std::swap(now, ready_);  // who is answered may submit again
  const std::span<Journal::Answer> all = now.answers;
  for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    while (end < all.size() && now.askers[end] == now.askers[begin]) ++end;
    (*now.askers[begin])(all.subspan(begin, end - begin));
  }
}

}  // namespace parley::store::standard
