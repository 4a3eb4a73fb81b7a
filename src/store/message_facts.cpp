#include "message_facts.hpp"

#include <nlohmann/json.hpp>

#include "body_codec.hpp"

namespace parley::store {

domain::EntryFacts facts_of(const MessageRow& row, const protocol::PackItem& item, std::string_view original_body,
                            std::string& text) {
  if ((row.flags & kHasText) != 0)
    text = text_field(original_body, item.kind == protocol::EntryType::kClose ? "reason" : "text");
  domain::EntryFacts facts;
  facts.type = item.kind;
  facts.audience = item.audience;
  facts.from = item.principal;
  facts.seq = row.seq;
  facts.ts_ns = item.ts_ns;
  facts.pos = row.pos;
  facts.text = text;
  facts.target = item.kind == protocol::EntryType::kEdit || item.kind == protocol::EntryType::kRecall
                     ? target_of(original_body)
                     : 0;
  if ((row.flags & kStatusChanged) != 0) facts.change.status = row.status;
  if ((row.flags & kAssigneeChanged) != 0) facts.change.assignee = row.assignee;
  facts.change.new_claim = (row.flags & kClaimGrew) != 0;
  return facts;
}

protocol::PackItem pack_item_of(const Append& item, std::uint64_t claim) {
  protocol::PackItem out;
  out.kind = item.kind;
  out.tenant = item.tenant;
  out.conv = item.conv;
  out.id = item.id;
  out.ts_ns = item.ts_ns;
  out.principal = item.principal;
  out.dev = item.dev;
  out.n = item.n;
  out.hash = item.hash;
  out.claim = claim;
  out.audience = item.audience;
  out.codec = item.codec;
  out.bytes = item.bytes;
  return out;
}

std::uint64_t target_of(std::string_view text) {
  const nlohmann::json body = nlohmann::json::parse(text, nullptr, false);
  if (!body.is_object()) return 0;
  const auto field = body.find("target");
  return field != body.end() && field->is_number_unsigned() ? field->get<std::uint64_t>() : 0;
}

}  // namespace parley::store
