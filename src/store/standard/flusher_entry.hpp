#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parley/protocol/pack.hpp"
#include "redis/functions.hpp"

namespace parley::store::standard {

/// An item of a journal entry that left something behind: an entry of a conversation, or a remembered answer.
struct FlushItem {
  protocol::PackItem pack;  ///< its views point into the entry's pack
  redis::ResultRecord result;
  std::uint16_t index = 0;  ///< in the entry
  std::string json;         ///< plain body of an entry of a conversation that is not encrypted
  std::string dead;         ///< why PostgreSQL refuses it; empty: it does not
};

/// An entry of the journal, made ready for the archive.
struct FlushEntry {
  redis::LogEntry log;
  std::vector<FlushItem> items;

  std::string id() const { return std::to_string(log.incarnation) + "-" + std::to_string(log.counter); }
};

inline std::string_view bytes_of(const DevId& dev) {
  return {reinterpret_cast<const char*>(dev.bytes.data()), dev.bytes.size()};
}

/// Takes the items apart. Needs no more of `log` than that decode_log_entry() accepted it.
FlushEntry prepare(redis::LogEntry&& log);

}  // namespace parley::store::standard
