#include <xxhash.h>

#include <cstring>

#include "json_writer.hpp"
#include "parley/protocol/client_frame.hpp"

namespace parley::protocol {

std::string canonical_body(EntryType type, const SendBody& body, std::string_view text) {
  std::string out;
  out.reserve(text.size() + 64);
  JsonWriter w(out);
  const auto to = [&] {
    w.lit("{\"to\":");
    if (body.to && *body.to) {
      w.id(*body.to);
    } else {
      w.lit("null");
    }
  };
  switch (type) {
    case EntryType::kText:
      w.lit("{\"text\":").str(text);
      if (body.ref) w.lit(",\"ref\":").num(*body.ref);
      break;
    case EntryType::kNote:
      w.lit("{\"text\":").str(text);
      break;
    case EntryType::kAssign:
      to();
      break;
    case EntryType::kTransfer:
      to();
      if (!body.note.empty()) w.lit(",\"note\":").str(body.note);
      break;
    case EntryType::kClose:
      w.ch('{');
      if (!body.reason.empty()) w.lit("\"reason\":").str(body.reason);
      break;
    case EntryType::kEdit:
      w.lit("{\"target\":").num(body.target).lit(",\"text\":").str(text);
      break;
    case EntryType::kRecall:
      w.lit("{\"target\":").num(body.target);
      break;
    case EntryType::kClaim:
    case EntryType::kReopen:
    case EntryType::kEvent:
    case EntryType::kVoid:
    case EntryType::kRefusal:
      w.ch('{');
      break;
  }
  w.ch('}');
  w.flush();  // before the return value is taken
  return out;
}

std::uint64_t payload_hash(EntryType type, const SendBody& body) {
  // Kept in journals, therefore: fixed layout, little endian, and every text hashed with the hash of what went before
  // as its seed, so that no two bodies can be cut differently into the same bytes.
  struct Head {
    std::uint64_t type, ref, to, target, present;
  };
  const Head head{static_cast<std::uint64_t>(type), body.ref.value_or(0), body.to ? body.to->value : 0, body.target,
                  (body.ref ? 1u : 0u) | (body.to ? 2u : 0u)};
  std::uint64_t hash = XXH3_64bits(&head, sizeof head);
  hash = XXH3_64bits_withSeed(body.text.data(), body.text.size(), hash);
  if (!body.note.empty()) hash = XXH3_64bits_withSeed(body.note.data(), body.note.size(), hash + 1);
  if (!body.reason.empty()) hash = XXH3_64bits_withSeed(body.reason.data(), body.reason.size(), hash + 2);
  return hash;
}

}  // namespace parley::protocol
