#include "shards.hpp"

#include "journal_shared.hpp"
#include "parley/base/snowflake.hpp"

namespace parley::store::standard {

unsigned shard_of(TenantId tenant, unsigned shards) noexcept { return crc32_of(tenant.value) % shards; }

bool JournalShared::is_young(std::uint64_t id, std::int64_t now_ms) const {
  constexpr std::int64_t kYoungMs = 15 * 60'000, kAheadMs = 60'000;
  const std::int64_t minted_ms = static_cast<std::int64_t>(id >> 22) + Snowflake::kEpochMs;
  // An id from the future says that the clock was turned back: nobody knows how old it is.
  return minted_ms > recovered_ms && minted_ms > now_ms - kYoungMs && minted_ms < now_ms + kAheadMs;
}

}  // namespace parley::store::standard
