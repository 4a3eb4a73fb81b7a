// What is taken or refused, and the way of the answers back.
#include <span>
#include <utility>

#include "lane.hpp"
#include "parley/base/clock.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

constexpr std::size_t kItemBytes = 160;  // of an item besides its body and text

std::size_t bytes_of(const Append& item) { return item.bytes.size() + item.text.size() + kItemBytes; }

}  // namespace

void JournalLane::Ready::add(SubmitPtr&& submit, std::size_t index, Appended&& result) {
  answers.push_back({index, std::move(result)});
  if (parts.empty() || parts.back().submit != submit) parts.push_back({std::move(submit), 0});
  parts.back().end = answers.size();
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
  tell_queued();

  const Code refusal = shared_->lost() || is_away()                            ? Code::kJournalDown
                       : shared_->backlog_full.load(std::memory_order_relaxed) ? Code::kJournalFull
                                                                               : Code::kOk;
  const SubmitPtr submit(new Submit);
  submit->items = std::move(batch);
  submit->done = std::move(done);
  const std::int64_t now_ms = to_ms(wall_ns());
  for (std::size_t i = 0; i < submit->items.size(); ++i) {
    const Append& append = submit->items[i];
    Item item;
    item.origin.submit = submit;
    item.origin.index = static_cast<std::uint32_t>(i);
    item.origin.bytes = static_cast<std::uint32_t>(bytes_of(append));
    item.notes.absent_is_new = shared_->is_young(append.conv, now_ms);
    if (refusal != Code::kOk) {
      refuse(item, refusal);
      continue;
    }
    const unsigned shard = shard_of(append.tenant, shared_->options.shards);
    shards_[shard].waiting.push_back(std::move(item));
  }
  pump_all();
  return true;
}

bool JournalLane::is_away() const {
  return started_ && !appends_->connected() &&
         std::chrono::steady_clock::now() - appends_->down_since() >= kRefuseAfter;
}

void JournalLane::answer(Origin& origin, Appended&& result) {
  --queued_items_;
  queued_bytes_ -= origin.bytes;
  // Others of its submit may wait long.
  Append& append = origin.submit->items[origin.index];
  append.bytes = std::string();
  append.text = std::string();
  ready_.add(std::exchange(origin.submit, nullptr), origin.index, std::move(result));
}

void JournalLane::tell_queued() {
  shared_->queued.fetch_add(queued_items_ - told_items_,
                            std::memory_order_relaxed);  // may wrap, which is a subtraction
  told_items_ = queued_items_;
}

void JournalLane::refuse(Item& item, Code code) {
  if (item.notes.number != 0) numbers_.give_back(item.append().tenant, item.notes.number);
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
  tell_queued();
  const std::span<Journal::Answer> all = now.answers;
  std::size_t begin = 0;
  for (const Ready::Part& part : now.parts) {
    part.submit->done(all.subspan(begin, part.end - begin));
    begin = part.end;
  }
}

}  // namespace parley::store::standard
