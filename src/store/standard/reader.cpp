#include "reader.hpp"

#include <algorithm>
#include <map>

#include "body_codec.hpp"
#include "folding.hpp"
#include "message_facts.hpp"
#include "parley/base/clock.hpp"
#include "postgres/archive.hpp"
#include "shards.hpp"

namespace parley::store::standard {
namespace {

using Metas = std::vector<domain::ConversationMeta>;

constexpr std::size_t kListAtOnce = 256;  // conversations of one answer
constexpr std::size_t kLogsAtOnce = 64;   // log entries of one round of replays
constexpr int kReadAttempts = 4;

MessageRow row_of(const redis::LogEntry& entry, std::size_t i) {
  const redis::ResultRecord& result = entry.results[i];
  MessageRow row;
  row.pos = redis::position(entry.counter, i);
  row.seq = result.seq;
  row.skip = result.skip;
  row.flags = result.flags;
  row.status = result.status;
  row.assignee = result.assignee;
  return row;
}

StoredEntry entry_of(const redis::LogEntry& log, std::size_t i) {
  const protocol::PackItem& item = log.items[i];
  const redis::ResultRecord& result = log.results[i];
  StoredEntry entry;
  entry.seq = entry.rev = result.seq;
  entry.skip = result.skip;
  entry.id = item.id;
  entry.ts_ns = item.ts_ns;
  entry.type = item.kind;
  entry.audience = item.audience;
  entry.from = item.principal;
  entry.dev = item.dev;
  entry.n = item.n;
  entry.body = plain_body(item.codec, item.bytes);
  if ((result.flags & kAnyChange) != 0) {
    entry.status = result.status;
    entry.claim = result.claim;
    entry.assignee = result.assignee;
  }
  return entry;
}

/// The batch with the entry at `place`; null if it is gone.
const redis::LogEntry* find(const std::map<std::uint64_t, std::unique_ptr<redis::LogEntry>>& logs, ConversationId conv,
                            const IndexEntry& place) {
  const auto found = logs.find(place.counter);
  if (found == logs.end()) return nullptr;
  const redis::LogEntry* log = found->second.get();
  if (place.index >= log->items.size() || place.index >= log->results.size()) return nullptr;
  if (log->items[place.index].conv != conv || log->results[place.index].seq != place.seq) return nullptr;
  return log;
}

domain::ConversationMeta meta_of(ConversationId conv, const redis::ConversationCore& core) {
  domain::ConversationMeta meta;
  meta.tenant = core.tenant;
  meta.id = conv;
  meta.channel = core.channel;
  meta.visitor = core.visitor;
  meta.number = core.number;
  meta.epoch = core.epoch;
  meta.created_ns = core.created_ns;
  return meta;
}

/// What decides stands in the core.
void take_over(const redis::ConversationCore& core, domain::ConversationMeta& meta) {
  meta.number = core.number;
  meta.epoch = core.epoch;
  meta.head = core.head;
  meta.public_head = core.public_head;
  meta.status = core.status;
  meta.claim = core.claim;
  meta.assignee = core.assignee;
}

}  // namespace

asio::awaitable<Result<Reader::Located>> Reader::locate(JournalLane& lane, ConversationId conv, bool senders) {
  std::vector<unsigned> shards;
  if (const domain::ConversationMeta* known = lane.projections().find(conv)) {
    shards.push_back(shard_of(known->tenant, shared_->options.shards));
  } else {
    for (unsigned shard = 0; shard < shared_->options.shards; ++shard) shards.push_back(shard);
  }
  std::vector<redis::Command> commands;
  for (const unsigned shard : shards)
    commands.push_back(redis::load_command(shared_->keys[shard], std::span<const ConversationId>(&conv, 1), senders));
  Result<std::vector<redis::Reply>> replies = co_await lane.call_all(std::move(commands));
  if (!replies) co_return std::move(replies).error();
  Located located;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    Result<std::vector<Loaded>> loaded = redis::decode_load((*replies)[i]);
    if (!loaded) co_return std::move(loaded).error();
    if (loaded->size() != 1 || !(*loaded)[0].core) continue;
    located.shard = shards[i];
    located.loaded = std::move((*loaded)[0]);
    break;
  }
  co_return located;
}

asio::awaitable<Result<std::optional<ConversationState>>> Reader::load(JournalLane& lane, ConversationId conv) {
  Result<Located> located = co_await locate(lane, conv, true);
  if (!located) co_return std::move(located).error();
  if (!located->loaded.core) {
    if (shared_->is_young(conv, to_ms(wall_ns()))) co_return std::optional<ConversationState>();
    Result<bool> restored = co_await lane.restore(conv);
    if (!restored) co_return std::move(restored).error();
    if (!*restored) co_return std::optional<ConversationState>();
    located = co_await locate(lane, conv, true);
    if (!located) co_return std::move(located).error();
    if (!located->loaded.core) co_return Error(Errc::kUnavailable, "the conversation was restored and is gone again");
  }
  const redis::ConversationCore& core = *located->loaded.core;
  ConversationState state;
  state.senders = std::move(located->loaded.senders);
  if (core.head == 0) {
    state.meta.tenant = core.tenant;
    state.meta.id = conv;
    for (const auto& [key, results] : state.senders) {
      if (key.principal.kind == PrincipalKind::kVisitor) state.meta.visitor = VisitorId{key.principal.id};
    }
    co_return std::optional<ConversationState>(std::move(state));
  }
  state.meta = co_await bring_up(lane, located->shard, conv, located->loaded);
  lane.projections().put(state.meta);
  co_return std::optional<ConversationState>(std::move(state));
}

asio::awaitable<Result<>> Reader::refresh(JournalLane& lane, TenantId tenant, ConversationId conv) {
  const unsigned shard = shard_of(tenant, shared_->options.shards);
  std::vector<redis::Command> commands;
  commands.push_back(redis::load_command(shared_->keys[shard], std::span<const ConversationId>(&conv, 1), false));
  Result<std::vector<redis::Reply>> replies = co_await lane.call_all(std::move(commands));
  if (!replies) co_return std::move(replies).error();
  Result<std::vector<Loaded>> loaded = redis::decode_load((*replies)[0]);
  if (!loaded) co_return std::move(loaded).error();
  if (loaded->size() != 1 || !(*loaded)[0].core) co_return Error(Errc::kNotFound, "not in Redis");
  domain::ConversationMeta meta = co_await bring_up(lane, shard, conv, (*loaded)[0]);
  lane.projections().put(std::move(meta));
  co_return Result<>();
}

asio::awaitable<domain::ConversationMeta> Reader::bring_up(JournalLane& lane, unsigned shard, ConversationId conv,
                                                           const Loaded& loaded) {
  const redis::ConversationCore& core = *loaded.core;
  if (const domain::ConversationMeta* known = lane.projections().find(conv)) {
    if (known->head >= core.head) co_return *known;
  }
  domain::ConversationMeta meta = loaded.projection ? loaded.projection->meta : meta_of(conv, core);
  if (meta.head >= core.head) co_return meta;

  UnflushedIndex::Found found = shared_->index.of(conv);
  const bool in_index = !found.entries.empty() && found.entries.front().seq <= meta.head + 1;
  if (!in_index) {
    Result<std::optional<archive::Archived>> archived = co_await archive_.read(
        [conv](Sql& sql) -> Result<std::optional<archive::Archived>> { return archive::load(sql, conv); });
    if (archived && *archived && (*archived)->state.meta.head > meta.head) meta = std::move((*archived)->state.meta);
  }
  std::vector<IndexEntry> missing;
  for (const IndexEntry& entry : found.entries) {
    if (entry.seq > meta.head) missing.push_back(entry);
  }
  for (std::size_t from = 0; from < missing.size(); from += kLogsAtOnce) {
    const std::vector<IndexEntry> some(
        missing.begin() + static_cast<std::ptrdiff_t>(from),
        missing.begin() + static_cast<std::ptrdiff_t>(std::min(from + kLogsAtOnce, missing.size())));
    Result<Logs> logs = co_await fetch(lane, shard, some);
    if (!logs) break;
    for (std::size_t i = 0; i < some.size(); ++i) {
      const redis::LogEntry* log = find(*logs, conv, some[i]);
      if (!log || some[i].seq != meta.head + 1) continue;
      std::string text;
      const protocol::PackItem& item = log->items[some[i].index];
      domain::apply(meta, facts_of(row_of(*log, some[i].index), item, plain_body(item.codec, item.bytes), text));
    }
  }
  // An entry whose answer is still on its way, or that cannot be read now: what decides is known all the same.
  if (meta.head < core.head) take_over(core, meta);
  co_return meta;
}

asio::awaitable<Result<Reader::Logs>> Reader::fetch(JournalLane& lane, unsigned shard,
                                                    const std::vector<IndexEntry>& entries) {
  std::map<std::uint64_t, std::uint32_t> places;
  for (const IndexEntry& entry : entries) places.emplace(entry.counter, entry.incarnation);
  std::vector<redis::Command> commands;
  for (const auto& [counter, incarnation] : places) {
    const std::string id = std::to_string(incarnation) + "-" + std::to_string(counter);
    redis::Command command{"XRANGE", shared_->keys[shard].log, id, id};
    commands.push_back(std::move(command));
  }
  Result<std::vector<redis::Reply>> replies = co_await lane.call_all(std::move(commands));
  if (!replies) co_return std::move(replies).error();
  Logs logs;
  for (redis::Reply& reply : *replies) {
    for (redis::Reply& element : reply.items) {
      auto log = std::make_unique<redis::LogEntry>();
      const Result<> read = redis::decode_log_entry(std::move(element), *log);
      if (read) logs.emplace(log->counter, std::move(log));
    }
  }
  co_return logs;
}

// ---- Pages ----------------------------------------------------------------------------------------------------------

/// What a page is made of.
struct Reader::Plan {
  std::vector<IndexEntry> all;     ///< everything of the conversation that is not archived
  std::vector<IndexEntry> picked;  ///< of it, what may stand on the page, one more than its limit; oldest first
  bool archive = false;            ///< the page also has archived entries: those of `range`
  Journal::Range range;
  std::vector<std::uint64_t> targets;  ///< archived entries that unarchived ones change
};
struct Reader::Archived {
  Journal::Page page;
  std::unordered_map<std::uint64_t, Folding::Archived> targets;
};

namespace {

bool visible(const IndexEntry& entry, const Journal::Range& range) {
  return range.internal || entry.audience == Audience::kPublic;
}

}  // namespace

asio::awaitable<Result<Reader::Archived>> Reader::read_archive(ConversationId conv, const Plan& plan) {
  const Journal::Range range = plan.range;
  const bool page = plan.archive;
  const std::vector<std::uint64_t> targets = plan.targets;
  auto read = [conv, range, page, targets](Sql& sql) -> Result<Archived> {
    Archived found;
    if (page) found.page = archive::read_page(sql, conv, range);
    Journal::Range one;
    one.limit = 1;
    one.internal = true;
    for (const std::uint64_t target : targets) {
      one.after = target - 1;
      const Journal::Page entry = archive::read_page(sql, conv, one);
      if (!entry.entries.empty() && entry.entries[0].seq == target)
        found.targets.emplace(target, Folding::Archived{entry.entries[0].rev, entry.entries[0].recalled});
    }
    return found;
  };
  Result<Archived> archived = co_await archive_.read(std::move(read));
  co_return archived;
}

asio::awaitable<Result<Journal::Page>> Reader::read(JournalLane& lane, ConversationId conv, Journal::Range range) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    Result<std::optional<Journal::Page>> page = co_await read_once(lane, conv, range);
    if (!page) co_return std::move(page).error();
    if (*page) co_return std::move(**page);
  }
  co_return Error(Errc::kUnavailable, "entries are neither in Redis nor in the archive");
}

asio::awaitable<Result<std::optional<Journal::Page>>> Reader::read_once(JournalLane& lane, ConversationId conv,
                                                                        Journal::Range range) {
  using R = Result<std::optional<Journal::Page>>;
  // The index before the data: what it lists and is archived meanwhile is still in the log for some seconds.
  UnflushedIndex::Found found = shared_->index.of(conv);
  Plan plan;
  plan.range = range;
  plan.all = std::move(found.entries);
  const bool forward = range.after.has_value();
  const std::uint64_t first = plan.all.empty() ? UINT64_MAX : plan.all.front().seq;
  if (forward) {
    for (const IndexEntry& entry : plan.all) {
      if (entry.seq > *range.after && visible(entry, range) && plan.picked.size() <= range.limit)
        plan.picked.push_back(entry);
    }
    plan.archive = *range.after + 1 < first;
  } else {
    for (auto entry = plan.all.rbegin(); entry != plan.all.rend() && plan.picked.size() <= range.limit; ++entry) {
      if ((!range.before || entry->seq < *range.before) && visible(*entry, range)) plan.picked.push_back(*entry);
    }
    std::reverse(plan.picked.begin(), plan.picked.end());
    plan.archive = plan.picked.size() <= range.limit && first > 1;
    if (!plan.all.empty()) plan.range.before = std::min(first, range.before.value_or(first));
    // At least one, so that it is known whether there is more.
    plan.range.limit =
        std::max(1u, range.limit - static_cast<unsigned>(std::min<std::size_t>(plan.picked.size(), range.limit)));
  }
  plan.targets = archived_targets(plan.all);

  Archived archived;
  if (plan.archive || !plan.targets.empty()) {
    Result<Archived> read = co_await read_archive(conv, plan);
    if (read) {
      archived = std::move(*read);
    } else if (plan.archive && (forward || plan.picked.empty())) {
      co_return std::move(read).error();
    } else if (plan.archive) {
      archived.page.more = true;  // the newest ones are here, the older ones have to wait for the archive
    }
  }

  std::vector<StoredEntry> entries;
  bool more = archived.page.more;
  for (StoredEntry& entry : archived.page.entries) {
    if (entry.seq < first) entries.push_back(std::move(entry));
  }
  if (forward && more) {
    // Behind what the archive could not give in one page nothing may follow; unless it has caught up meanwhile.
    more = archived.page.entries.back().seq < first;
    if (more) plan.picked.clear();
  }

  const Folding folding(plan.all, archived.targets);
  std::vector<IndexEntry> needed = plan.picked;
  auto need_edit_of = [&](std::uint64_t seq) {
    const Folding::Change* change = folding.of(seq);
    if (!change || change->edit == 0) return;
    for (const IndexEntry& entry : plan.all) {
      if (entry.seq == change->edit) needed.push_back(entry);
    }
  };
  for (const StoredEntry& entry : entries) need_edit_of(entry.seq);
  for (const IndexEntry& entry : plan.picked) need_edit_of(entry.seq);
  Logs logs;
  if (!needed.empty()) {
    Result<Logs> fetched = co_await fetch(lane, found.shard, needed);
    if (!fetched) co_return std::move(fetched).error();
    logs = std::move(*fetched);
  }
  std::map<std::uint64_t, std::string> edits;
  for (const IndexEntry& place : needed) {
    const redis::LogEntry* log = find(logs, conv, place);
    if (!log) co_return R(std::optional<Journal::Page>());
    if (place.kind == EntryType::kEdit)
      edits[place.seq] = plain_body(log->items[place.index].codec, log->items[place.index].bytes);
  }
  for (const IndexEntry& place : plan.picked) entries.push_back(entry_of(*find(logs, conv, place), place.index));
  static const std::string none;
  for (StoredEntry& entry : entries) {
    const Folding::Change* change = folding.of(entry.seq);
    if (!change) continue;
    const auto edit = edits.find(change->edit);
    Folding::apply(*change, edit == edits.end() ? none : edit->second, entry);
  }

  // As many as fit, from the side that was asked for.
  Journal::Page page;
  std::size_t bytes = 0, taken = 0;
  for (; taken < entries.size(); ++taken) {
    const StoredEntry& entry = forward ? entries[taken] : entries[entries.size() - 1 - taken];
    bytes += entry.body.size();
    if (taken == range.limit || (bytes > range.bytes_max && taken > 0)) break;
  }
  page.more = taken < entries.size() || more;
  const auto begin = forward ? entries.begin() : entries.end() - static_cast<std::ptrdiff_t>(taken);
  page.entries.assign(std::make_move_iterator(begin),
                      std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(taken)));
  co_return R(std::optional<Journal::Page>(std::move(page)));
}

// ---- Lists ----------------------------------------------------------------------------------------------------------

asio::awaitable<Result<std::optional<ConversationId>>> Reader::find_by_visitor(JournalLane& lane, ChannelId channel,
                                                                               VisitorId visitor) {
  std::vector<redis::Command> commands;
  for (const redis::Keys& keys : shared_->keys) commands.push_back(redis::visitor_command(keys, channel, visitor));
  Result<std::vector<redis::Reply>> replies = co_await lane.call_all(std::move(commands));
  if (!replies) co_return std::move(replies).error();
  std::optional<ConversationId> closed;
  for (const redis::Reply& reply : *replies) {
    Result<std::optional<redis::VisitorPointer>> pointer = redis::decode_visitor(reply);
    if (!pointer) co_return std::move(pointer).error();
    if (!*pointer) continue;
    if ((*pointer)->open) co_return std::optional<ConversationId>((*pointer)->conv);
    closed = (*pointer)->conv;
  }
  if (closed || shared_->is_young(visitor, to_ms(wall_ns()))) co_return closed;
  Result<std::optional<ConversationId>> archived =
      co_await archive_.read([channel, visitor](Sql& sql) -> Result<std::optional<ConversationId>> {
        return archive::of_visitor(sql, channel, visitor);
      });
  // Chats begin while the archive is down; somebody who was here before then gets a new conversation.
  if (!archived) co_return std::optional<ConversationId>();
  co_return archived;
}

asio::awaitable<Result<Metas>> Reader::open_conversations(JournalLane& lane, TenantId tenant) {
  const unsigned shard = shard_of(tenant, shared_->options.shards);
  const redis::Keys& keys = shared_->keys[shard];
  redis::Command asked{"SMEMBERS", keys.open(tenant)};
  Result<redis::Reply> members = co_await lane.call(std::move(asked));
  if (!members) co_return std::move(members).error();
  if (members->is_error()) co_return redis::error_of(*members);
  std::vector<ConversationId> convs;
  for (const redis::Reply& member : members->items) {
    const std::optional<ConversationId> conv = redis::conversation_id(member.text);
    if (conv) convs.push_back(*conv);
  }
  Metas metas;
  for (std::size_t from = 0; from < convs.size(); from += kListAtOnce) {
    const std::size_t count = std::min(kListAtOnce, convs.size() - from);
    std::vector<redis::Command> commands;
    commands.push_back(redis::load_command(keys, std::span<const ConversationId>(convs.data() + from, count), false));
    Result<std::vector<redis::Reply>> replies = co_await lane.call_all(std::move(commands));
    if (!replies) co_return std::move(replies).error();
    Result<std::vector<Loaded>> loaded = redis::decode_load((*replies)[0]);
    if (!loaded) co_return std::move(loaded).error();
    for (std::size_t i = 0; i < loaded->size() && i < count; ++i) {
      const Loaded& one = (*loaded)[i];
      if (!one.core || one.core->head == 0 || one.core->status == protocol::Status::kClosed) continue;
      domain::ConversationMeta meta = co_await bring_up(lane, shard, convs[from + i], one);
      metas.push_back(std::move(meta));
    }
  }
  std::sort(metas.begin(), metas.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  co_return metas;
}

}  // namespace parley::store::standard
