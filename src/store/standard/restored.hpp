#pragma once
#include "parley/store/journal.hpp"
#include "redis/functions.hpp"

namespace parley::store::standard {

/// What the archive has of a conversation, for bringing it back into Redis.
redis::Restored restored_of(const ConversationState& state);

}  // namespace parley::store::standard
