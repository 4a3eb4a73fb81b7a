#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "parley/base/ids.hpp"
#include "parley/protocol/pack.hpp"
#include "parley/store/standard_store.hpp"

namespace parley::store {

struct DumpRange {
  ConversationId conv;      ///< none: of all conversations
  std::uint64_t after = 0;  ///< only behind this position
};
struct DumpedItem {
  std::uint64_t pos = 0;
  std::uint64_t seq = 0;    ///< 0: a remembered answer without a place
  protocol::PackItem item;  ///< its views are good during the call
};

/// The journal of a standard store in the order of its positions, for the command line; the daemon may run. What waits
/// for the archive comes from Redis, as it was written; the rest from PostgreSQL, as it is now (an edited text is the
/// present one, a recalled one is empty). Remembered answers are there only as long as they stand in Redis.
/// Of `where` only the servers count. `visit` says whether to go on; `damaged` gets what cannot be read.
/// Throws std::runtime_error with one line: a server cannot be reached, or has no Parley in it.
void dump_standard_journal(const StandardOptions& where, const DumpRange& range,
                           const std::function<bool(const DumpedItem&)>& visit,
                           const std::function<void(const std::string& place, const std::string& why)>& damaged);

}  // namespace parley::store
