#include "standard/flusher_entry.hpp"

#include "body_codec.hpp"

namespace parley::store::standard {

FlushEntry prepare(redis::LogEntry&& log) {
  using Kind = redis::Outcome::Kind;
  FlushEntry entry;
  entry.log = std::move(log);
  entry.items.reserve(entry.log.items.size());
  for (std::size_t i = 0; i < entry.log.items.size(); ++i) {
    const redis::ResultRecord& result = entry.log.results[i];
    if (result.outcome != Kind::kEntry && result.outcome != Kind::kRemembered) continue;
    FlushItem& item = entry.items.emplace_back();
    item.pack = entry.log.items[i];
    item.result = result;
    item.index = static_cast<std::uint16_t>(i);
    if (result.outcome == Kind::kRemembered) item.result.seq = 0;
    if (item.result.seq != 0 && item.pack.key_id == 0) item.json = plain_body(item.pack.codec, item.pack.bytes);
  }
  return entry;
}

}  // namespace parley::store::standard
