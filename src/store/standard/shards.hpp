#pragma once
#include "parley/base/ids.hpp"

namespace parley::store::standard {

/// The shard of a tenant's conversations: crc32(tenant id) mod `shards`. One for all of them, because lists of a tenant
/// go on from a position (Journal::changed_conversations), and positions grow in time only within a shard. The number
/// of shards is fixed with the first start, so this never changes for a tenant.
unsigned shard_of(TenantId tenant, unsigned shards) noexcept;

}  // namespace parley::store::standard
