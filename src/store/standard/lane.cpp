#include "lane.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "epoch.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/fault_point.hpp"
#include "parley/obs/log.hpp"
#include "postgres/archive.hpp"
#include "redis/setup.hpp"
#include "restored.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

using namespace std::chrono_literals;
using redis::Outcome;

constexpr unsigned kBatchesInFlight = 2;
constexpr std::size_t kBatchBytes = 2u << 20;
constexpr std::size_t kBatchTenants = 200;  // the script names a set of open conversations per tenant by one byte
constexpr std::size_t kItemBytes = 160;     // of an item besides its body and text
constexpr std::uint64_t kNumbersAtOnce = 16;
constexpr std::size_t kProjectionsKept = 20'000;
constexpr std::size_t kProjectionsAtOnce = 500;
constexpr auto kTick = 100ms;
constexpr unsigned kTicksPerProjection = 2;
constexpr unsigned kTicksPerProbe = 10;
constexpr auto kRefuseAfter = 1s;
constexpr auto kRetryPause = 100ms;

/// Refusals that pass by themselves and say that nothing was done.
bool passes(std::string_view word) {
  return word == "LOADING" || word == "BUSY" || word == "TRYAGAIN" || word == "MASTERDOWN" || word == "CLUSTERDOWN";
}

bool is_missing_function(const redis::Reply& reply) {
  return reply.text.find("Function not found") != std::string::npos;
}

OwnedFacts facts_of(const Append& item, const Appended& answer) {
  OwnedFacts owned;
  owned.facts.type = item.kind;
  owned.facts.audience = item.audience;
  owned.facts.from = item.principal;
  owned.facts.seq = answer.seq;
  owned.facts.ts_ns = answer.ts_ns;
  owned.facts.pos = answer.pos;
  owned.facts.change = item.change;
  owned.facts.target = item.target;
  owned.text = item.text;
  return owned;
}

}  // namespace

struct JournalLane::Tick final : WheelTimer {
  explicit Tick(JournalLane& l) : lane(l) {}
  void on_timer() override { lane.tick(); }
  JournalLane& lane;
};

JournalLane::JournalLane(Reactor& home, std::shared_ptr<JournalShared> shared, Database& archive, unsigned number)
    : ReactorBound(home),
      shared_(std::move(shared)),
      archive_(archive),
      name_("lane-" + std::to_string(number)),
      shards_(shared_->options.shards),
      projections_(kProjectionsKept) {}

JournalLane::~JournalLane() = default;

void JournalLane::start(Refresh refresh) {
  check_home();
  refresh_ = std::move(refresh);
  redis::Client::Options options;
  options.endpoint = shared_->endpoint;
  options.queue_bytes_max = 256u << 20;  // two batches per shard, far below it
  appends_ = std::make_unique<redis::Client>(home(), options);
  reads_ = std::make_unique<redis::Client>(home(), options);
  appends_->on_change([this](bool connected, const std::string& reason) { changed(connected, reason); });
  tick_ = std::make_unique<Tick>(*this);
  home().timers().arm(*tick_, kTick);
  started_ = true;
}

void JournalLane::close() {
  check_home();
  if (closed_) return;
  closed_ = true;
  tick_.reset();
  if (!started_) return;
  appends_->close();
  reads_->close();
  appends_.reset();
  reads_.reset();
  open_.clear();
  for (Shard& shard : shards_) shard = Shard();
  shared_->queued.fetch_sub(queued_items_, std::memory_order_relaxed);
  queued_items_ = 0;
}

asio::awaitable<Result<redis::Reply>> JournalLane::call(redis::Command command) {
  check_home();
  if (!started_ || closed_) co_return Error(Errc::kOverloaded, "the store is closed");
  Result<redis::Reply> reply = co_await reads_->call(std::move(command), kReadDeadline);
  co_return reply;
}

asio::awaitable<Result<std::vector<redis::Reply>>> JournalLane::call_all(std::vector<redis::Command> commands) {
  check_home();
  using R = Result<std::vector<redis::Reply>>;
  if (!started_ || closed_) co_return Error(Errc::kOverloaded, "the store is closed");
  if (commands.empty()) co_return std::vector<redis::Reply>();
  auto start = [this]<class Handler>(Handler handler, std::vector<redis::Command> all) {
    struct Asked {
      explicit Asked(Handler h) : handler(std::move(h)) {}
      Handler handler;
      std::vector<redis::Reply> replies;
      std::optional<Error> error;
      std::size_t left = 0;
    };
    auto asked = std::make_shared<Asked>(std::move(handler));
    asked->left = all.size();
    asked->replies.resize(all.size());
    auto arrived = [home = &home(), asked](std::size_t i, Result<redis::Reply> reply) {
      if (!reply) {
        asked->error = std::move(reply).error();
      } else if (reply->is_error()) {
        asked->error = redis::error_of(*reply);
      } else {
        asked->replies[i] = std::move(*reply);
      }
      if (--asked->left > 0) return;
      home->post(
          [asked] { asked->handler(asked->error ? R(std::move(*asked->error)) : R(std::move(asked->replies))); });
    };
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto done = [arrived, i](Result<redis::Reply> reply) { arrived(i, std::move(reply)); };
      if (!reads_->send(std::move(all[i]), redis::OnLoss::kFail, std::move(done), kReadDeadline))
        arrived(i, Error(Errc::kOverloaded, "too many reads wait for Redis"));
    }
  };
  R replies = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(R)>(
      std::move(start), asio::use_awaitable, std::move(commands));
  co_return replies;
}

// ---- Taking ---------------------------------------------------------------------------------------------------------

bool JournalLane::submit(std::vector<Append>&& batch, Journal::OnAppended done) {
  check_home();
  if (closed_) return false;
  std::size_t bytes = 0;
  for (const Append& item : batch) bytes += item.bytes.size() + item.text.size() + kItemBytes;
  if (queued_items_ + batch.size() > shared_->options.queue_items_max ||
      queued_bytes_ + bytes > shared_->options.queue_bytes_max)
    return false;

  auto submit = std::make_shared<Submit>();
  submit->answers.resize(batch.size());
  submit->left = batch.size();
  submit->done = std::move(done);
  open_.push_back(submit);
  queued_items_ += batch.size();
  queued_bytes_ += bytes;
  shared_->queued.fetch_add(batch.size(), std::memory_order_relaxed);

  const bool down = !started_ || (!appends_->connected() &&
                                  std::chrono::steady_clock::now() - appends_->down_since() >= kRefuseAfter);
  const Code refusal = shared_->lost() || (down && started_)                   ? Code::kJournalDown
                       : shared_->backlog_full.load(std::memory_order_relaxed) ? Code::kJournalFull
                                                                               : Code::kOk;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Item item;
    item.append = std::move(batch[i]);
    item.bytes = item.append.bytes.size() + item.append.text.size() + kItemBytes;
    item.submit = submit;
    item.index = i;
    item.notes.absent_is_new = shared_->is_young(item.append.conv);
    if (refusal != Code::kOk) {
      refuse(item, refusal);
      continue;
    }
    const unsigned shard = shard_of(item.append.tenant, item.append.conv, shared_->options.shards);
    shards_[shard].waiting.push_back(std::move(item));
  }
  if (batch.empty() || refusal != Code::kOk) deliver_soon();
  pump_all();
  return true;
}

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
  std::size_t bytes = 0;
  std::set<TenantId> tenants;
  while (!shard.waiting.empty() && batch->items.size() < redis::kBatchItemsMax) {
    Item& item = shard.waiting.front();
    if (!batch->items.empty() && bytes + item.bytes > kBatchBytes) break;
    if (tenants.size() == kBatchTenants && !tenants.contains(item.append.tenant)) break;
    if (item.append.opening && !take_number(item)) break;
    tenants.insert(item.append.tenant);
    bytes += item.bytes;
    batch->items.push_back(std::move(item.append));
    batch->origins.push_back({std::move(item.notes), std::move(item.submit), item.index, item.bytes});
    shard.waiting.pop_front();
  }
  return batch->items.empty() ? nullptr : batch;
}

bool JournalLane::take_number(Item& item) {
  if (item.notes.number != 0) return true;
  Numbers& numbers = numbers_[item.append.tenant];
  if (numbers.free.empty()) {
    ask_numbers(item.append.tenant);
    return false;
  }
  item.notes.number = *numbers.free.begin();
  item.notes.epoch = new_epoch();
  numbers.free.erase(numbers.free.begin());
  return true;
}

void JournalLane::ask_numbers(TenantId tenant) {
  Numbers& numbers = numbers_[tenant];
  if (numbers.asked) return;
  numbers.asked = true;
  redis::Command command{"HINCRBY", shared_->options.redis_prefix + ":numbers", tenant.str(),
                         std::to_string(kNumbersAtOnce)};
  auto done = [this, tenant](Result<redis::Reply> reply) {
    if (closed_) return;
    Numbers& asked = numbers_[tenant];
    asked.asked = false;
    if (!reply) return;  // the connection is lost; asked again on the next one
    if (reply->is_error()) {
      const bool is_full = reply->error_word() == "OOM";
      if (!passes(reply->error_word())) {
        trouble("Redis: " + reply->text);
        for (Shard& shard : shards_) {
          for (Item& item : shard.waiting) {
            if (item.append.opening && item.append.tenant == tenant && item.notes.number == 0)
              refuse(item, is_full ? Code::kJournalFull : Code::kJournalDown);
          }
          std::erase_if(shard.waiting, [](const Item& item) { return !item.submit; });
        }
        deliver();
      }
      return;  // what still waits asks again with the next tick
    }
    const auto last = static_cast<std::uint64_t>(reply->integer);
    for (std::uint64_t number = last - kNumbersAtOnce + 1; number <= last; ++number) asked.free.insert(number);
    pump_all();
  };
  if (!appends_->send(std::move(command), redis::OnLoss::kFail, std::move(done))) numbers.asked = false;
}

/// Numbers of what did not open a conversation are used for the next one.
void JournalLane::give_back(const Append& item, const redis::ItemNotes& notes, const Outcome& outcome) {
  if (notes.number == 0 || outcome.kind == Outcome::Kind::kMissing) return;
  if (outcome.answer.number != notes.number) numbers_[item.tenant].free.insert(notes.number);
}

void JournalLane::send(unsigned number, BatchPtr batch) {
  std::vector<redis::ItemNotes> notes;
  notes.reserve(batch->origins.size());
  for (const Origin& origin : batch->origins) notes.push_back(origin.notes);
  redis::Writer writer;
  writer.fence = shared_->fence;
  writer.floor = batch->floor = shared_->counter(number);
  writer.now_s = wall_ns() / 1'000'000'000;
  batch->command = redis::encode_append(shared_->keys[number], writer, batch->items, notes);
  batch->connection = connection_;
  batch->sent = std::chrono::steady_clock::now();
  redis::Command command = std::move(batch->command.command);
  batch->command.command.clear();
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

// ---- Answers --------------------------------------------------------------------------------------------------------

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
      return;
    }
    // Items that a sender repeats with the same id are repeats, unless this very command may have run twice.
    const bool replayed =
        batch->connection != connection_ && std::any_of(decoded->outcomes.begin(), decoded->outcomes.end(),
                                                        [](const Outcome& outcome) { return outcome.own_replay; });
    if (replayed) {
      shard.handling = true;
      run("replayed batch", handle_replay(number, batch, std::move(*decoded)));
      return;
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
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    Outcome& outcome = reply.outcomes[i];
    if (outcome.kind == Outcome::Kind::kMissing) {
      shard.held = true;
      shard.missing.insert(batch.items[i].conv);
      shard.again.push_back(item_of(batch, i));
      continue;
    }
    if (outcome.kind == Outcome::Kind::kEntry) stored(number, batch.items[i], outcome);
    if (outcome.kind == Outcome::Kind::kEntry || outcome.kind == Outcome::Kind::kRemembered) ++stored_items;
    give_back(batch.items[i], batch.origins[i].notes, outcome);
    answer(batch.origins[i], std::move(outcome.answer));
  }
  shared_->items.fetch_add(stored_items, std::memory_order_relaxed);
}

void JournalLane::stored(unsigned number, const Append& item, const Outcome& outcome) {
  const Appended& answer = outcome.answer;
  IndexEntry entry;
  entry.seq = answer.seq;
  entry.counter = redis::counter_of(answer.pos);
  entry.index = static_cast<std::uint16_t>(redis::index_of(answer.pos));
  entry.incarnation = shared_->incarnation;
  entry.kind = item.kind;
  entry.audience = item.audience;
  entry.target = item.kind == EntryType::kEdit || item.kind == EntryType::kRecall ? item.target : 0;
  if (answer.pos != 0) shared_->index.add(item.conv, number, entry);

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
    Item item = item_of(batch, i);
    refuse(item, code);
  }
  if (shared_->lost()) refuse_waiting(Code::kJournalDown);
}

/// Own items that were stored by a command whose answer was lost: where and how stands in the log, behind the floor
/// that the command was sent with.
asio::awaitable<void> JournalLane::look_up(unsigned number, const Batch& batch, redis::AppendReply& reply) {
  std::unordered_multimap<std::uint64_t, std::size_t> wanted;  // by message id
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (reply.outcomes[i].own_replay) wanted.emplace(batch.items[i].id.value, i);
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
          const Append& own = batch.items[candidate.second];
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
    const ConversationId conv = batch.items[i].conv;
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

// ---- Sending again --------------------------------------------------------------------------------------------------

JournalLane::Item JournalLane::item_of(Batch& batch, std::size_t i) {
  Item item;
  item.append = std::move(batch.items[i]);
  item.notes = batch.origins[i].notes;
  item.submit = batch.origins[i].submit;
  item.index = batch.origins[i].index;
  item.bytes = batch.origins[i].bytes;
  return item;
}

void JournalLane::hold(unsigned number, Batch& batch, std::chrono::milliseconds pause) {
  Shard& shard = shards_[number];
  shard.held = true;
  shard.retry_at = std::chrono::steady_clock::now() + pause;
  for (std::size_t i = 0; i < batch.items.size(); ++i) shard.again.push_back(item_of(batch, i));
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
      if (item.append.conv != conv || !item.submit) continue;
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
    if (item->submit) shard.waiting.push_front(std::move(*item));
  }
  shard.again.clear();
  shard.held = false;
  deliver();
  pump(number);
}

asio::awaitable<Result<bool>> JournalLane::restore(ConversationId conv) {
  Result<std::optional<archive::Archived>> archived = co_await archive_.read(
      [conv](Sql& sql) -> Result<std::optional<archive::Archived>> { return archive::load(sql, conv); });
  if (!archived) co_return std::move(archived).error();
  if (!*archived) co_return false;
  const unsigned number = shard_of((*archived)->state.meta.tenant, conv, shared_->options.shards);
  std::vector<redis::Restored> items;
  items.push_back(restored_of((*archived)->state));
  redis::Command command =
      redis::restore_command(shared_->keys[number], shared_->fence, wall_ns() / 1'000'000'000, items);
  Result<redis::Reply> reply = co_await call(std::move(command));
  if (!reply) co_return std::move(reply).error();
  if (reply->is_error()) co_return redis::error_of(*reply);
  co_return true;
}

// ---- Answering ------------------------------------------------------------------------------------------------------

void JournalLane::answer(const Origin& origin, Appended answer) {
  origin.submit->answers[origin.index] = std::move(answer);
  --origin.submit->left;
  --queued_items_;
  queued_bytes_ -= origin.bytes;
  shared_->queued.fetch_sub(1, std::memory_order_relaxed);
}

void JournalLane::refuse(Item& item, Code code) {
  if (item.notes.number != 0) numbers_[item.append.tenant].free.insert(item.notes.number);
  Appended refusal;
  refusal.code = code;
  answer({{}, item.submit, item.index, item.bytes}, std::move(refusal));
  item.submit.reset();
}

void JournalLane::refuse_waiting(Code code) {
  for (Shard& shard : shards_) {
    for (Item& item : shard.waiting) refuse(item, code);
    shard.waiting.clear();
    if (shard.repairing) continue;  // it looks at what is to be sent again
    for (Item& item : shard.again) {
      if (item.submit) refuse(item, code);
    }
    shard.again.clear();
    shard.missing.clear();
    if (!shard.library) shard.held = false;
  }
  deliver_soon();
}

void JournalLane::deliver_soon() {
  if (deliver_posted_) return;
  deliver_posted_ = true;
  home().post([self = shared_from_this()] {
    self->deliver_posted_ = false;
    self->deliver();
  });
}

void JournalLane::deliver() {
  while (!closed_ && !open_.empty() && open_.front()->left == 0) {
    const std::shared_ptr<Submit> submit = std::move(open_.front());
    open_.pop_front();
    submit->done(std::move(submit->answers));
  }
}

// ---- Behind the appends ---------------------------------------------------------------------------------------------

void JournalLane::tick() {
  home().timers().arm(*tick_, kTick);
  ++ticks_;
  reconnects_.store(appends_->stats().reconnects, std::memory_order_relaxed);
  if (shared_->lost() ||
      (!appends_->connected() && std::chrono::steady_clock::now() - appends_->down_since() >= kRefuseAfter))
    refuse_waiting(Code::kJournalDown);
  for (unsigned shard = 0; shard < shards_.size(); ++shard) repair_if_quiet(shard);
  pump_all();
  if (ticks_ % kTicksPerProjection == 0) write_projections();
  if (troubled_ && ticks_ % kTicksPerProbe == 0) probe();
}

/// Without traffic nobody else would notice that Redis takes writes again.
void JournalLane::probe() {
  if (probing_) return;
  redis::Command command{"HSET", shared_->options.redis_prefix + ":meta", "probe", "1"};
  auto done = [this](Result<redis::Reply> reply) {
    probing_ = false;
    if (!closed_ && reply && !reply->is_error()) trouble("");
  };
  probing_ = appends_->send(std::move(command), redis::OnLoss::kFail, std::move(done));
}

void JournalLane::trouble(const std::string& what) {
  if (what.empty() && !troubled_) return;
  if (!troubled_) log::warn("journal_refused", "lane={} cause={}", name_, log::quote(what));
  troubled_ = !what.empty();
  shared_->trouble(name_, what);
}

void JournalLane::changed(bool connected, const std::string& reason) {
  if (closed_) return;
  shared_->trouble(name_ + " connection", connected ? "" : "no connection to Redis: " + reason);
  if (!connected) return;
  ++connection_;
  pump_all();
}

void JournalLane::write_projections() {
  if (closed_ || !projections_.has_dirty()) return;
  for (const Projections::Wanted& wanted : projections_.take_wanted()) run("projection", complete(wanted));
  std::vector<std::vector<redis::Projection>> by_shard(shards_.size());
  for (domain::ConversationMeta& meta : projections_.take_dirty(kProjectionsAtOnce * 4)) {
    const unsigned shard = shard_of(meta.tenant, meta.id, shared_->options.shards);
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

void JournalLane::run(const char* what, asio::awaitable<void> task) {
  ++tasks_;
  home().spawn(what, guarded(shared_from_this(), std::move(task)));
}

asio::awaitable<void> JournalLane::guarded(std::shared_ptr<JournalLane> self, asio::awaitable<void> task) {
  try {
    co_await std::move(task);
  } catch (...) {
    --self->tasks_;
    throw;
  }
  --self->tasks_;
}

std::uint64_t JournalLane::reconnects() const noexcept { return reconnects_.load(std::memory_order_relaxed); }

}  // namespace parley::store::standard
