#include "sqlite_journal.hpp"

#include <algorithm>

#include "conversation_row.hpp"
#include "history.hpp"

namespace parley::store {
namespace {

using Metas = std::vector<domain::ConversationMeta>;

/// Rows selected in order of last_pos, made right by what only the writer's memory knows yet: of a dirty conversation
/// the row may stand at the wrong place.
template <class Keep, class Before>
Metas newest_of(WriterView& view, Statement& rows, std::size_t limit, Keep keep, Before before) {
  Metas found;
  std::size_t clean = 0;
  ResetAtEnd reset(rows);
  while (clean < limit && rows.step()) {
    domain::ConversationMeta meta = meta_of(rows);
    if (view.conversations.is_dirty(meta.id)) continue;
    found.push_back(std::move(meta));
    ++clean;
  }
  for (const auto* list : {&view.conversations.dirty_list(), &view.conversations.flushing_list()}) {
    for (const Conversation* conversation : *list) {
      if (conversation->exists && keep(conversation->meta)) found.push_back(conversation->meta);
    }
  }
  std::sort(found.begin(), found.end(), before);
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::optional<ConversationState> state_of(WriterView& view, ConversationId conv) {
  Conversation& conversation = view.conversations.get(TenantId{}, conv);
  if (!conversation.exists && conversation.senders.empty()) return std::nullopt;
  ConversationState state;
  state.meta = conversation.meta;
  for (const auto& [key, sender] : conversation.senders) {
    state.senders.emplace_back(key, results_of(sender.state));
    if (!conversation.exists && key.principal.kind == PrincipalKind::kVisitor)
      state.meta.visitor = VisitorId{key.principal.id};
  }
  return state;
}

}  // namespace

bool SqliteJournal::submit(std::vector<Append>&& batch, OnAppended done) {
  Reactor* home = Reactor::current();
  assert(home && "submit() is called on a reactor");
  return writer_.submit(*home, std::move(batch), std::move(done));
}

asio::awaitable<Result<std::optional<ConversationState>>> SqliteJournal::load(ConversationId conv) {
  using R = Result<std::optional<ConversationState>>;
  return call_on<R, WriterView>(writer_, [conv](WriterView& view) -> R { return state_of(view, conv); });
}

asio::awaitable<Result<std::optional<ConversationId>>> SqliteJournal::find_by_visitor(ChannelId channel,
                                                                                      VisitorId visitor) {
  using R = Result<std::optional<ConversationId>>;
  return database_.read([channel, visitor](Sql& sql) -> R { return conversation_of_visitor(sql, channel, visitor); });
}

asio::awaitable<Result<Metas>> SqliteJournal::open_conversations(TenantId tenant) {
  using R = Result<Metas>;
  return call_on<R, WriterView>(writer_, [tenant](WriterView& view) -> R {
    Statement rows(view.db, std::string("select ") + kMetaColumns +
                                " from conversation where tenant_id = ? and status <> 3 order by id");
    rows.bind(1, tenant.value);
    Metas found;
    while (rows.step()) {
      // Which ones are open stands in the rows at once; the rest of a row may be behind.
      const Conversation* newer = view.conversations.find(ConversationId{rows.u64(1)});
      found.push_back(newer ? newer->meta : meta_of(rows));
    }
    return found;
  });
}

asio::awaitable<Result<SqliteJournal::Page>> SqliteJournal::read(ConversationId conv, Range range) {
  using R = Result<Page>;
  return database_.read([conv, range](Sql& sql) -> R { return read_page(sql, conv, range); });
}

asio::awaitable<Result<Metas>> SqliteJournal::closed_conversations(TenantId tenant, std::uint64_t before,
                                                                   unsigned limit) {
  using R = Result<Metas>;
  const std::uint64_t below = before == 0 ? INT64_MAX : before;
  return call_on<R, WriterView>(writer_, [tenant, below, limit](WriterView& view) -> R {
    Statement rows(view.db,
                   std::string("select ") + kMetaColumns +
                       " from conversation where tenant_id = ? and status = 3 and last_pos < ? order by last_pos desc");
    rows.bind(1, tenant.value);
    rows.bind(2, below);
    return newest_of(
        view, rows, limit,
        [&](const auto& meta) {
          return meta.tenant == tenant && meta.status == protocol::Status::kClosed && meta.last_pos < below;
        },
        [](const auto& a, const auto& b) { return a.last_pos > b.last_pos; });
  });
}

asio::awaitable<Result<Metas>> SqliteJournal::changed_conversations(TenantId tenant, std::uint64_t since,
                                                                    unsigned limit) {
  using R = Result<Metas>;
  return call_on<R, WriterView>(writer_, [tenant, since, limit](WriterView& view) -> R {
    Statement rows(view.db, std::string("select ") + kMetaColumns +
                                " from conversation where tenant_id = ? and last_pos > ? order by last_pos");
    rows.bind(1, tenant.value);
    rows.bind(2, since);
    return newest_of(
        view, rows, limit, [&](const auto& meta) { return meta.tenant == tenant && meta.last_pos > since; },
        [](const auto& a, const auto& b) { return a.last_pos < b.last_pos; });
  });
}

asio::awaitable<Result<std::vector<Journal::Mark>>> SqliteJournal::load_marks(ConversationId conv) {
  using R = Result<std::vector<Mark>>;
  return call_on<R, WriterView>(writer_, [conv](WriterView& view) -> R { return view.marks.of(conv); });
}

}  // namespace parley::store
