#include <charconv>

#include "redis/functions.hpp"
#include "redis/functions_bytes.hpp"

namespace parley::store::redis {
namespace {

constexpr std::uint64_t kEntryFlags = kStatusChanged | kAssigneeChanged | kClaimGrew | kHasText;
constexpr std::uint64_t kNoConversation = 128;

Error damaged(const char* what) { return Error(Errc::kBadInput, std::string("damaged in the journal: ") + what); }

/// "<incarnation>-<counter>"
bool read_id(std::string_view text, LogEntry& out) {
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, out.incarnation);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '-') return false;
  const auto second = std::from_chars(first.ptr + 1, end, out.counter);
  return second.ec == std::errc{} && second.ptr == end && out.counter <= kCounterMax;
}

}  // namespace

const char* read_result(const char* record, ResultRecord& out) {
  const std::uint64_t code = get(record, 1), flags = get(record + 1, 1), status = get(record + 2, 1),
                      outcome = get(record + 3, 1);
  if (code > static_cast<std::uint64_t>(Code::kInternal)) return "a result's code";
  if (status > static_cast<std::uint64_t>(protocol::Status::kClosed)) return "a result's status";
  if (outcome > static_cast<std::uint64_t>(Outcome::Kind::kMissing)) return "a result's outcome";
  out.code = static_cast<Code>(code);
  out.flags = static_cast<std::uint32_t>(flags & kEntryFlags);
  out.no_conversation = (flags & kNoConversation) != 0;
  out.status = static_cast<protocol::Status>(status);
  out.outcome = static_cast<Outcome::Kind>(outcome);
  out.seq = get(record + 4, 6);
  out.skip = get(record + 10, 4);
  out.claim = get(record + 14, 4);
  out.assignee = AgentId{get(record + 18, 8)};
  return nullptr;
}

Result<std::vector<ResultRecord>> decode_results(std::string_view bytes) {
  if (bytes.size() % kResultBytes != 0) return damaged("results that are cut off");
  std::vector<ResultRecord> results;
  results.reserve(bytes.size() / kResultBytes);
  for (std::size_t at = 0; at < bytes.size(); at += kResultBytes) {
    if (const char* wrong = read_result(bytes.data() + at, results.emplace_back())) return damaged(wrong);
  }
  return results;
}

Result<std::vector<OpeningRecord>> decode_openings(std::string_view bytes) {
  if (bytes.size() % kOpeningBytes != 0) return damaged("openings that are cut off");
  std::vector<OpeningRecord> openings;
  ByteReader in(bytes);
  while (!in.done()) {
    OpeningRecord& opening = openings.emplace_back();
    opening.conv = ConversationId{in.u(8)};
    opening.channel = ChannelId{in.u(8)};
    opening.visitor = VisitorId{in.u(8)};
    opening.number = in.u(8);
    opening.epoch = in.padded(16);
  }
  return openings;
}

Result<> decode_log_entry(Reply&& element, LogEntry& out) {
  out = LogEntry();
  if (element.is_error()) return error_of(element);
  if (element.type != Reply::Type::kArray || element.items.size() != 2 ||
      element.items[0].type != Reply::Type::kString || element.items[1].type != Reply::Type::kArray)
    return damaged("not an entry");
  if (!read_id(element.items[0].text, out)) return damaged("an id");
  std::string results, openings;
  std::vector<Reply>& fields = element.items[1].items;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    out.bytes += fields[i].text.size() + fields[i + 1].text.size();
    if (fields[i].text == "p") out.pack = std::move(fields[i + 1].text);
    if (fields[i].text == "r") results = std::move(fields[i + 1].text);
    if (fields[i].text == "o") openings = std::move(fields[i + 1].text);
  }
  Result<std::vector<protocol::PackItem>> items = protocol::read_pack(out.pack);
  if (!items) return items.error();
  out.items = std::move(*items);
  Result<std::vector<ResultRecord>> records = decode_results(results);
  if (!records) return records.error();
  out.results = std::move(*records);
  Result<std::vector<OpeningRecord>> opened = decode_openings(openings);
  if (!opened) return opened.error();
  out.openings = std::move(*opened);
  if (out.results.size() != out.items.size()) return damaged("not one result per item");
  return {};
}

domain::SendResult send_result_of(const protocol::PackItem& item, const ResultRecord& result) {
  return {item.n, item.hash, result.seq, item.ts_ns, item.id, result.code};
}

Command read_log_command(const Keys& keys, std::uint64_t after_incarnation, std::uint64_t after_counter,
                         std::size_t count) {
  return {"XRANGE", keys.log, "(" + std::to_string(after_incarnation) + "-" + std::to_string(after_counter),
          "+",      "COUNT",  std::to_string(count)};
}

}  // namespace parley::store::redis
