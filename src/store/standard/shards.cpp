#include "shards.hpp"

#include <boost/crc.hpp>
#include <cstring>

#include "journal_shared.hpp"
#include "parley/base/clock.hpp"
#include "parley/base/snowflake.hpp"

namespace parley::store::standard {

unsigned shard_of(TenantId tenant, unsigned shards) noexcept {
  unsigned char bytes[sizeof tenant.value];
  std::memcpy(bytes, &tenant.value, sizeof bytes);  // little endian, as everywhere in the journal
  boost::crc_32_type crc;
  crc.process_bytes(bytes, sizeof bytes);
  return crc.checksum() % shards;
}

bool JournalShared::is_young(ConversationId conv) const {
  constexpr std::int64_t kYoungMs = 15 * 60'000;
  const std::int64_t minted_ms = static_cast<std::int64_t>(conv.value >> 22) + Snowflake::kEpochMs;
  const std::int64_t now_ms = to_ms(wall_ns());
  return minted_ms > recovered_ms && minted_ms > now_ms - kYoungMs;
}

}  // namespace parley::store::standard
