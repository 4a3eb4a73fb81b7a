#pragma once
#include "parley/base/ids.hpp"

namespace parley::store::standard {

/// The shard of a conversation: crc32(tenant id ‖ lane) mod `shards`, where the lane is the last six bits of the
/// conversation's id. The number of shards is fixed with the first start, so this never changes for a conversation.
unsigned shard_of(TenantId tenant, ConversationId conv, unsigned shards) noexcept;

}  // namespace parley::store::standard
