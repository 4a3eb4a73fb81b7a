#pragma once
#include <optional>
#include <vector>

#include "parley/store/journal.hpp"
#include "parley/store/sql.hpp"

/// Conversations as PostgreSQL has them: everything up to what was flushed. For closures of Database::read and write;
/// all throw SqlError.
namespace parley::store::archive {

/// A conversation with its senders; `archived` = its highest archived seq. As Journal::load().
struct Archived {
  ConversationState state;
  std::uint64_t archived = 0;
};
std::optional<Archived> load(Sql&, ConversationId);
/// The folded page, as Journal::read() over what is archived.
Journal::Page read_page(Sql&, ConversationId, const Journal::Range&);
/// Entries after `seq`, unfolded facts in order, for bringing a projection up to date.
std::vector<domain::EntryFacts> facts_after(Sql&, ConversationId, std::uint64_t seq, std::vector<std::string>& texts);
/// The open one, or the latest closed.
std::optional<ConversationId> of_visitor(Sql&, ChannelId, VisitorId);
std::vector<domain::ConversationMeta> open(Sql&, TenantId);
std::vector<domain::ConversationMeta> closed(Sql&, TenantId, std::uint64_t before_pos, unsigned limit);
std::vector<domain::ConversationMeta> changed(Sql&, TenantId, std::uint64_t since_pos, unsigned limit);
std::vector<Journal::Mark> marks(Sql&, ConversationId);
void save_marks(Sql&, const std::vector<Journal::Mark>&);

}  // namespace parley::store::archive
