#pragma once
#include "parley/store/journal.hpp"
#include "parley/store/sql.hpp"

namespace parley::store {

/// Journal::read over SQL.
Journal::Page read_page(Sql& sql, ConversationId conv, const Journal::Range& range);
/// The open conversation of a visitor, or the latest closed one.
std::optional<ConversationId> conversation_of_visitor(Sql& sql, ChannelId channel, VisitorId visitor);

}  // namespace parley::store
