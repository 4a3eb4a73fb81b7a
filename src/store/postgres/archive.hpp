#pragma once
#include <optional>
#include <string>
#include <vector>

#include "parley/store/journal.hpp"
#include "parley/store/sql.hpp"

/// Conversations as PostgreSQL has them: everything up to what was flushed, already folded. For closures of
/// Database::read and write; all throw SqlError.
namespace parley::store::archive {

/// A conversation with its senders; `archived` = its highest archived seq. As Journal::load(), so one that does not
/// exist has head 0 if refusals of its visitor are remembered.
struct Archived {
  ConversationState state;
  std::uint64_t archived = 0;
};
std::optional<Archived> load(Sql&, ConversationId);
/// The folded page, as Journal::read() over what is archived. Bodies are the same JSON as was stored, but not always
/// the same bytes: fields may stand in another order.
Journal::Page read_page(Sql&, ConversationId, const Journal::Range&);
/// The open one, or the latest closed.
std::optional<ConversationId> of_visitor(Sql&, ChannelId, VisitorId);
/// Newest first; before_pos 0 = from the newest.
std::vector<domain::ConversationMeta> closed(Sql&, TenantId, std::uint64_t before_pos, unsigned limit);
/// Oldest first.
std::vector<domain::ConversationMeta> changed(Sql&, TenantId, std::uint64_t since_pos, unsigned limit);
std::vector<Journal::Mark> marks(Sql&, ConversationId);
/// Cumulative: nothing goes back.
void save_marks(Sql&, const std::vector<Journal::Mark>&);

}  // namespace parley::store::archive
