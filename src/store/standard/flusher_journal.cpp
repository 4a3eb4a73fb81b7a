#include "standard/flusher_journal.hpp"

#include <algorithm>

namespace parley::store::standard {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kReadCountMax = 256;  // log entries of one XRANGE
constexpr auto kConnect = 2000ms, kAnswer = 5000ms;

}  // namespace

FlushJournal::FlushJournal(const redis::Endpoint& endpoint) : redis_(endpoint, kConnect, kAnswer) {}

redis::Reply FlushJournal::ask(const redis::Command& command) {
  redis::Reply reply = redis_.call(command);
  if (reply.is_error()) throw RedisRefused(reply.text);
  return reply;
}

std::vector<FlushEntry> FlushJournal::read(FlushShard& shard, std::size_t items, std::size_t bytes) {
  std::vector<FlushEntry> entries;
  std::size_t count = 0, size = 0, ask_for = 1;
  Position after = shard.at;
  shard.found_all = false;
  while (count < items && size < bytes && !shard.found_all) {
    redis::Reply reply = ask(redis::read_log_command(shard.keys, after.incarnation, after.counter, ask_for));
    shard.found_all = reply.items.size() < ask_for;
    for (redis::Reply& element : reply.items) {
      redis::LogEntry log;
      const Result<> decoded = redis::decode_log_entry(std::move(element), log);
      if (!decoded) {
        if (!entries.empty()) return entries;  // what is before it goes first
        throw ShardStopped("journal entry " + std::to_string(log.incarnation) + "-" + std::to_string(log.counter) +
                           " cannot be read: " + decoded.error().detail);
      }
      after = {log.incarnation, log.counter};
      size += log.bytes;
      entries.push_back(prepare(std::move(log)));
      count += entries.back().items.size();
    }
    if (entries.empty()) return entries;
    // An entry may hold one item or thousands: ask for as many as are likely to fill the batch.
    const std::size_t by_items = items * entries.size() / std::max<std::size_t>(count, 1);
    const std::size_t by_bytes = bytes * entries.size() / std::max<std::size_t>(size, 1);
    const std::size_t fit = std::min(by_items, by_bytes);
    ask_for = std::clamp<std::size_t>(fit - std::min(fit, entries.size()), 1, std::min(ask_for * 2, kReadCountMax));
  }
  const double average = static_cast<double>(count) / static_cast<double>(entries.size());
  shard.items_per_entry = 0.8 * shard.items_per_entry + 0.2 * average;
  return entries;
}

void FlushJournal::trim(const FlushShard& shard, Position upto) {
  const std::string first_kept = std::to_string(upto.incarnation) + "-" + std::to_string(upto.counter + 1);
  ask({"XTRIM", shard.keys.log, "MINID", first_kept});
}

bool FlushJournal::trim_old(FlushShard& shard, Clock::duration keep) {
  const Clock::time_point before = Clock::now() - keep;
  std::optional<Position> upto;
  for (; !shard.flushed.empty() && shard.flushed.front().when <= before; shard.flushed.pop_front())
    upto = shard.flushed.front().upto;
  if (!upto) return false;
  trim(shard, *upto);
  return true;
}

void FlushJournal::measure(FlushShard& shard) {
  const Result<std::optional<redis::Shard>> state = redis::decode_shard(ask(redis::shard_command(shard.keys)));
  if (!state || !*state) return;
  const std::uint64_t given = (*state)->counter;
  const std::uint64_t entries = given > shard.at.counter ? (given - shard.at.counter) / (*state)->step : 0;
  shard.backlog_items = static_cast<std::uint64_t>(static_cast<double>(entries) * shard.items_per_entry);
  shard.backlog_bytes = 0;
  if (entries == 0) return;
  const std::uint64_t held = static_cast<std::uint64_t>(ask({"XLEN", shard.keys.log}).integer);
  const std::uint64_t bytes = static_cast<std::uint64_t>(ask({"MEMORY", "USAGE", shard.keys.log}).integer);
  if (held > 0) shard.backlog_bytes = bytes / held * std::min(entries, held);
}

void FlushJournal::find_oldest(FlushShard& shard) {
  redis::Reply reply = ask(redis::read_log_command(shard.keys, shard.at.incarnation, shard.at.counter, 1));
  redis::LogEntry log;
  if (reply.items.empty() || !redis::decode_log_entry(std::move(reply.items[0]), log) || log.items.empty()) return;
  shard.oldest_ns = log.items[0].ts_ns;
}

std::optional<Position> FlushJournal::newest(const FlushShard& shard) {
  redis::Reply reply = ask({"XREVRANGE", shard.keys.log, "+", "-", "COUNT", "1"});
  redis::LogEntry entry;
  if (reply.items.empty() || !redis::decode_log_entry(std::move(reply.items[0]), entry)) return std::nullopt;
  return Position{entry.incarnation, entry.counter};
}

}  // namespace parley::store::standard
