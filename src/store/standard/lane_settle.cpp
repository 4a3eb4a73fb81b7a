// What follows from the answers of Redis.
#include <algorithm>

#include "lane.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"

namespace parley::store::standard {
namespace {

using namespace std::chrono_literals;
using redis::Outcome;

constexpr std::size_t kAhead = 8;  // items whose projections are on their way from memory

bool is_missing_function(const redis::Reply& reply) {
  return reply.text.find("Function not found") != std::string::npos;
}

domain::EntryFacts facts_of(const Append& item, const Appended& answer) {
  domain::EntryFacts facts;
  facts.type = item.kind;
  facts.audience = item.audience;
  facts.from = item.principal;
  facts.seq = answer.seq;
  facts.ts_ns = answer.ts_ns;
  facts.pos = answer.pos;
  facts.text = item.text;
  facts.change = item.change;
  facts.target = item.target;
  return facts;
}

}  // namespace

/// Refusals that pass by themselves and say that nothing was done.
bool JournalLane::passes(std::string_view word) {
  return word == "LOADING" || word == "BUSY" || word == "TRYAGAIN" || word == "MASTERDOWN" || word == "CLUSTERDOWN";
}

void JournalLane::handle_arrived(unsigned number) {
  Shard& shard = shards_[number];
  while (!shard.handling && !shard.arrived.empty()) {
    auto [batch, reply] = std::move(shard.arrived.front());
    shard.arrived.pop_front();
    if (reply.is_error()) {
      --shard.in_flight;
      handle_error(number, *batch, reply);
      continue;
    }
    Result<redis::AppendReply> decoded = redis::decode_append(batch->command, batch->items, reply);
    if (!decoded) {
      // What became of these items is not known, so they are not answered.
      shared_->lose("Redis gave an answer that cannot be read: " + decoded.error().detail +
                    "; is another program writing under this prefix?");
      log::error("journal_answer_unreadable", "lane={} cause={}", name_, log::quote(decoded.error().detail));
      refuse_waiting(Code::kJournalDown);
      return deliver_soon();
    }
    // Items that a sender repeats with the same id are repeats, unless this very command may have run twice.
    const bool replayed =
        batch->connection != connection_ && std::any_of(decoded->outcomes.begin(), decoded->outcomes.end(),
                                                        [](const Outcome& outcome) { return outcome.own_replay; });
    if (replayed) {
      shard.handling = true;
      run("replayed batch", handle_replay(number, batch, std::move(*decoded)));
      break;
    }
    handle(number, *batch, std::move(*decoded));
  }
  deliver();
  repair_if_quiet(number);
  pump(number);
}

asio::awaitable<void> JournalLane::handle_replay(unsigned number, BatchPtr batch, redis::AppendReply reply) {
  co_await look_up(number, *batch, reply);
  if (closed_) co_return;
  shards_[number].handling = false;
  handle(number, *batch, std::move(reply));
  handle_arrived(number);
}

void JournalLane::handle(unsigned number, Batch& batch, redis::AppendReply reply) {
  PARLEY_FAULT_POINT("journal.after_commit");
  Shard& shard = shards_[number];
  --shard.in_flight;
  if (reply.counter != 0) {
    shared_->saw_counter(number, reply.counter);
    shared_->commits.fetch_add(1, std::memory_order_relaxed);
    shared_->commit_ns.fetch_add(static_cast<std::uint64_t>((std::chrono::steady_clock::now() - batch.sent).count()),
                                 std::memory_order_relaxed);
  }
  trouble("");
  std::uint64_t stored_items = 0;
  ready_.answers.reserve(ready_.answers.size() + batch.items.size());
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (i + kAhead < batch.items.size()) projections_.expect(batch.items[i + kAhead]->conv);
    Outcome& outcome = reply.outcomes[i];
    if (outcome.kind == Outcome::Kind::kMissing) {
      shard.held = true;
      shard.missing.insert(batch.items[i]->conv);
      shard.again.push_back(take_back(batch, i));
      continue;
    }
    if (outcome.kind == Outcome::Kind::kEntry) stored(number, *batch.items[i], outcome.answer);
    if (outcome.kind == Outcome::Kind::kEntry || outcome.kind == Outcome::Kind::kRemembered) ++stored_items;
    const std::uint64_t kept = batch.notes[i].number;
    if (kept != 0 && outcome.answer.number != kept) numbers_.give_back(batch.items[i]->tenant, kept);
    answer(batch.origins[i], std::move(outcome.answer));
  }
  shared_->items.fetch_add(stored_items, std::memory_order_relaxed);
}

void JournalLane::stored(unsigned number, const Append& item, Appended& answer) {
  IndexEntry entry;
  entry.seq = answer.seq;
  entry.counter = redis::counter_of(answer.pos);
  entry.index = static_cast<std::uint16_t>(redis::index_of(answer.pos));
  entry.incarnation = shared_->incarnation;
  entry.kind = item.kind;
  entry.audience = item.audience;
  entry.target = item.kind == EntryType::kEdit || item.kind == EntryType::kRecall ? item.target : 0;
  // Without a position it was found in the archive.
  answer.stable = answer.pos != 0 ? shared_->index.add(item.conv, number, entry) : answer.seq;

  if (answer.seq == 1 && item.opening) {
    domain::ConversationMeta meta;
    meta.tenant = item.tenant;
    meta.id = item.conv;
    meta.channel = item.opening->channel;
    meta.visitor = item.opening->visitor;
    meta.number = answer.number;
    meta.epoch = answer.epoch;
    meta.created_ns = answer.ts_ns;
    projections_.open(std::move(meta));
  }
  projections_.apply(item.tenant, item.conv, facts_of(item, answer));
}

void JournalLane::handle_error(unsigned number, Batch& batch, const redis::Reply& reply) {
  shared_->failed_commits.fetch_add(1, std::memory_order_relaxed);
  const std::string_view word = reply.error_word();
  if (is_missing_function(reply)) {
    shards_[number].library = true;
    return hold(number, batch, 0ms);
  }
  if (passes(word)) return hold(number, batch, kRetryPause);
  Code code = Code::kJournalDown;
  if (word == "FENCED") {
    shared_->lose("fenced: another daemon has taken the store over; only one may run on it");
  } else if (word == "REGRESSED") {
    shared_->lose("Redis came back older than position " + std::to_string(shared_->counter(number)) + " of shard " +
                  std::to_string(number) + " that was already answered; restart the daemon to repair");
  } else {
    if (word == "OOM") code = Code::kJournalFull;
    trouble(word == "OOM" ? "Redis is full (maxmemory): " + reply.text : "Redis: " + reply.text);
  }
  if (shared_->lost()) log::error("journal_lost", "lane={} cause={}", name_, log::quote(reply.text));
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    Item item = take_back(batch, i);
    refuse(item, code);
  }
  if (shared_->lost()) refuse_waiting(Code::kJournalDown);
}

}  // namespace parley::store::standard
