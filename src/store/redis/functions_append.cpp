#include <array>
#include <charconv>

#include "redis/functions.hpp"
#include "redis/functions_bytes.hpp"

namespace parley::store::redis {
namespace {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kExtraBytes = 48;
constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kFieldsMin = 1;  // "F"
constexpr std::size_t kFixedKeys = 3;  // state, log, closed
// FCALL, its name and number of keys, the fixed keys, fence, floor, time, pack, headers, openings, two counts of fields
constexpr std::size_t kArgumentsMin = 3 + kFixedKeys + 8;
constexpr std::uint64_t kInternal = 16;  // flag of an item beside those of MessageFlag
constexpr std::uint64_t kAnswered = 64;  // flag of a result: described like a remembered answer, but not stored
enum Trait : std::uint64_t { kRecord = 1, kIsVoid = 2, kOpens = 4, kIfClaim = 8, kUncounted = 16, kAbsentIsNew = 32 };

/// Keys of kWidth bytes, each once, numbered from 0 in the order in which they came. Open addressing, in one piece.
template <std::size_t kWidth>
class Numbered {
 public:
  explicit Numbered(std::size_t keys_max) : keys_max_(keys_max) {}

  std::size_t number_of(const Record<kWidth>& key) {
    if (slots_.empty()) {
      slots_.resize(std::bit_ceil(2 * keys_max_));
      keys_.reserve(keys_max_);
    }
    const std::array<char, kWidth>& bytes = key.bytes();
    const std::uint64_t hash = hash_of(bytes);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.place == 0) {
        keys_.push_back(bytes);
        slot = {tag, static_cast<std::uint32_t>(keys_.size())};
        return keys_.size() - 1;
      }
      if (slot.tag == tag && keys_[slot.place - 1] == bytes) return slot.place - 1;
    }
  }
  const std::vector<std::array<char, kWidth>>& keys() const { return keys_; }
  std::size_t size() const { return keys_.size(); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t place = 0;  // in keys_, from 1
  };
  static std::uint64_t hash_of(const std::array<char, kWidth>& bytes) {
    std::uint64_t hash = 0;
    for (std::size_t at = 0; at + 8 <= kWidth; at += 8) hash = mix64(hash ^ get(bytes.data() + at, 8));
    if constexpr (kWidth % 8 != 0) hash = mix64(hash ^ get(bytes.data() + kWidth - kWidth % 8, kWidth % 8));
    return hash;
  }

  std::size_t keys_max_;
  std::vector<Slot> slots_;  // a power of two, at most half full
  std::vector<std::array<char, kWidth>> keys_;
};

std::uint64_t flags_of(const Append& item) {
  return (item.change.status ? kStatusChanged : 0u) | (item.change.assignee ? kAssigneeChanged : 0u) |
         (item.change.new_claim ? kClaimGrew : 0u) | (item.text.empty() ? 0u : kHasText) |
         (item.audience == Audience::kPublic ? 0u : kInternal);
}

std::uint64_t traits_of(const Append& item, bool absent_is_new) {
  std::uint64_t traits = 0;
  if (item.kind == EntryType::kVoid) traits |= kRecord | kIsVoid;
  if (item.kind == EntryType::kRefusal) traits |= kRecord;
  if (item.opening) traits |= kOpens;
  if (item.if_claim) traits |= kIfClaim;
  if (item.n == 0 && item.principal.kind == PrincipalKind::kSystem) traits |= kUncounted;
  if (absent_is_new) traits |= kAbsentIsNew;
  return traits;
}

std::uint64_t refusal_of(const Append& item) {
  if (item.kind != EntryType::kRefusal || item.bytes.empty()) return 0;
  return std::min<std::uint64_t>(static_cast<std::uint8_t>(item.bytes[0]), static_cast<std::uint64_t>(Code::kInternal));
}

/// Numbers of an item's fields and keys, as the command tells them; 0: it has none.
struct Places {
  std::size_t conversation = 0, sender = 0, visitor = 0, open_set = 0, opening = 0;
};

/// What append() in parley_j1.lua is told of each item, 64 bytes: index of the conversation's field u16 and of the
/// sender's u16 (0: n is 0), flags u8, traits u8, n u48, hash 8, ts 8, id 8; and, looked at only if flags or traits ask
/// for it: refusal u8, status u8, number of the tenant's key of open conversations u16, of the opening u16, index of
/// the visitor's field u16, if_claim u32 (compared as it stands with the claim that the script wrote), assignee 8,
/// tenant 8.
Record<kHeaderBytes> header_of(const Append& item, bool absent_is_new, const Places& places) {
  Record<kHeaderBytes> header;
  header.put(places.conversation, 2).put(places.sender, 2);
  header.put(flags_of(item), 1).put(traits_of(item, absent_is_new), 1).put_capped(item.n, 6).put(item.hash, 8);
  header.put(static_cast<std::uint64_t>(item.ts_ns), 8).put(item.id.value, 8);
  header.put(refusal_of(item), 1).put(item.change.status ? static_cast<std::uint64_t>(*item.change.status) : 0, 1);
  header.put(places.open_set, 2).put(places.opening, 2).put(places.visitor, 2);
  header.put_capped(item.if_claim.value_or(0), 4).put(item.change.assignee ? item.change.assignee->value : 0, 8);
  return header.put(item.tenant.value, 8);
}

void put_opening(std::string& openings, const Append& item, const ItemNotes& notes) {
  put(openings, item.conv.value, 8);
  put(openings, item.opening->channel.value, 8);
  put(openings, item.opening->visitor.value, 8);
  put(openings, notes.number, 8);
  put_padded(openings, notes.epoch, 16);
}

// ---- The command on the wire ----------------------------------------------------------------------------------------

constexpr std::size_t kLengthBytes = 24;  // of "$<size>\r\n" and the line end behind the argument, at most

void put_size(std::string& wire, char kind, std::size_t size) {
  std::array<char, 20> digits;
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), size).ptr;
  wire += kind;
  wire.append(digits.data(), static_cast<std::size_t>(end - digits.data())).append("\r\n");
}
void put_argument(std::string& wire, std::string_view argument) {
  put_size(wire, '$', argument.size());
  wire.append(argument).append("\r\n");
}
template <std::size_t kWidth>
void put_fields(std::string& wire, const Numbered<kWidth>& fields) {
  std::string argument;
  put_argument(argument, std::string(kWidth, '\0'));
  for (const auto& field : fields.keys()) {
    argument.replace(argument.size() - kWidth - 2, kWidth, field.data(), kWidth);
    wire += argument;
  }
}

}  // namespace

std::vector<const Append*> item_list(std::span<const Append> items) {
  std::vector<const Append*> list;
  list.reserve(items.size());
  for (const Append& item : items) list.push_back(&item);
  return list;
}

AppendCommand encode_append(const Keys& keys, const Writer& writer, ItemList items, std::span<const ItemNotes> notes) {
  static const ItemNotes no_notes;
  AppendCommand out;
  out.conversations.reserve(items.size());
  // Fields are numbered from 1: "F", conversations, senders, visitors. So all of them have to be counted first.
  Numbered<1 + 8> conversations(items.size());
  Numbered<1 + 8 + kSenderKeyBytes> senders(items.size());
  Numbered<1 + 8 + 8> visitors(items.size());
  Numbered<8> open_sets(items.size());
  std::vector<Places> places(items.size());
  std::vector<protocol::PackItem> pack_items;
  pack_items.reserve(items.size());
  std::string openings;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Append& item = *items[i];
    Places& place = places[i];
    pack_items.push_back(pack_item_of(item));
    place.conversation = conversations.number_of(Record<9>().put('m', 1).put(item.conv.value, 8));
    out.conversations.push_back(static_cast<std::uint16_t>(place.conversation));
    if (item.n != 0) {
      Record<1 + 8 + kSenderKeyBytes> sender;
      sender.put('s', 1).put(item.conv.value, 8);
      sender.put(static_cast<std::uint8_t>(item.principal.kind), 1).put(item.principal.id, 8).put(item.dev.bytes);
      place.sender = 1 + senders.number_of(sender);
    }
    if (item.opening) {
      const Record<17> visitor =
          Record<17>().put('v', 1).put(item.opening->channel.value, 8).put(item.opening->visitor.value, 8);
      place.visitor = 1 + visitors.number_of(visitor);
      put_opening(openings, item, notes.empty() ? no_notes : notes[i]);
      place.opening = openings.size() / kOpeningBytes;
    }
    if (item.opening || item.change.status)
      place.open_set = kFixedKeys + 1 + open_sets.number_of(Record<8>().put(item.tenant.value, 8));
  }
  out.conversation_count = conversations.size();
  const std::size_t fields_before_senders = kFieldsMin + conversations.size();
  const std::size_t fields_before_visitors = fields_before_senders + senders.size();
  const std::size_t fields = fields_before_visitors + visitors.size();

  out.command.pieces.resize(3);
  std::string& head = out.command.pieces[0];
  std::string& pack = out.command.pieces[1];
  std::string& tail = out.command.pieces[2];
  protocol::append_pack(pack, pack_items.data(), pack_items.size());

  put_size(head, '*', kArgumentsMin + open_sets.size() + fields);
  put_argument(head, "FCALL");
  put_argument(head, "parley_j1_append");
  put_argument(head, std::to_string(kFixedKeys + open_sets.size()));
  put_argument(head, keys.state);
  put_argument(head, keys.log);
  put_argument(head, keys.closed);
  for (const auto& tenant : open_sets.keys()) put_argument(head, keys.open(TenantId{get(tenant.data(), 8)}));
  put_argument(head, std::to_string(writer.fence));
  put_argument(head, std::to_string(writer.floor));
  put_argument(head, std::to_string(writer.now_s));
  put_size(head, '$', pack.size());

  tail.reserve(items.size() * kHeaderBytes + openings.size() + conversations.size() * (9 + kLengthBytes) +
               senders.size() * (30 + kLengthBytes) + visitors.size() * (17 + kLengthBytes) + 8 * kLengthBytes);
  tail += "\r\n";
  put_size(tail, '$', items.size() * kHeaderBytes);
  for (std::size_t i = 0; i < items.size(); ++i) {
    Places& place = places[i];
    place.conversation += kFieldsMin + 1;
    if (place.sender != 0) place.sender += fields_before_senders;
    if (place.visitor != 0) place.visitor += fields_before_visitors;
    tail += header_of(*items[i], !notes.empty() && notes[i].absent_is_new, place).view();
  }
  tail += "\r\n";
  put_argument(tail, openings);
  put_argument(tail, std::to_string(fields_before_senders));
  put_argument(tail, std::to_string(fields_before_visitors));
  put_argument(tail, "F");
  put_fields(tail, conversations);
  put_fields(tail, senders);
  put_fields(tail, visitors);
  return out;
}

namespace {

Error unreadable() { return Error(Errc::kInternal, "an answer of Redis to an append that cannot be read"); }

/// What an answer needs besides its result, in one or two records: index u16, id 8, ts 8, expected u48, other 8,
/// epoch 16.
bool apply_extras(std::string_view extras, std::vector<Outcome>& outcomes) {
  if (extras.size() % kExtraBytes != 0) return false;
  ByteReader in(extras);
  while (!in.done()) {
    const std::uint64_t index = in.u(2);
    if (index >= outcomes.size()) return false;
    Appended& answer = outcomes[index].answer;
    if (const MessageId id{in.u(8)}) answer.id = id;
    if (const std::uint64_t ts_ns = in.u(8)) answer.ts_ns = static_cast<std::int64_t>(ts_ns);
    if (const std::uint64_t expected = in.u(6)) answer.expected = expected;
    if (const ConversationId other{in.u(8)}) answer.other = other;
    if (std::string epoch = in.padded(16); !epoch.empty()) answer.epoch = std::move(epoch);
  }
  return true;
}

void fill(Outcome& outcome, const Append& item, const ResultRecord& result, bool answered) {
  using Kind = Outcome::Kind;
  outcome.kind = result.outcome;
  outcome.status = result.status;
  Appended& answer = outcome.answer;
  if (result.outcome == Kind::kMissing) {
    answer.code = Code::kJournalDown;
    return;
  }
  answer.code = result.code;
  answer.claim = result.claim;
  answer.assignee = result.assignee;
  if (result.outcome == Kind::kEntry) outcome.flags = result.flags;
  if (result.outcome == Kind::kEntry || result.outcome == Kind::kDuplicate) answer.seq = result.seq;
  if (result.outcome == Kind::kEntry) answer.skip = result.skip;
  answer.dup = result.outcome == Kind::kDuplicate;
  if (result.outcome == Kind::kEntry || result.outcome == Kind::kRemembered || answered) {
    answer.ts_ns = item.ts_ns;
    answer.id = item.id;
  }
}

}  // namespace

Result<AppendReply> decode_append(const AppendCommand& command, ItemList items, const Reply& reply) {
  using Kind = Outcome::Kind;
  if (reply.is_error()) return error_of(reply);
  if (reply.type != Reply::Type::kArray || reply.items.size() != 4 || reply.items[0].type != Reply::Type::kInteger ||
      reply.items[0].integer < 0 || static_cast<std::uint64_t>(reply.items[0].integer) > kCounterMax ||
      command.conversations.size() != items.size())
    return unreadable();
  const std::string& results = reply.items[1].text;
  const std::string& numbers = reply.items[3].text;
  if (results.size() != items.size() * kResultBytes || numbers.size() != command.conversation_count * kNumberBytes)
    return unreadable();

  AppendReply out;
  out.counter = static_cast<std::uint64_t>(reply.items[0].integer);
  out.outcomes.resize(items.size());
  bool duplicates = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const char* const record = results.data() + i * kResultBytes;
    ResultRecord result;
    if (read_result(record, result)) return unreadable();
    Outcome& outcome = out.outcomes[i];
    fill(outcome, *items[i], result, (get(record + 1, 1) & kAnswered) != 0);
    if (!result.no_conversation)
      outcome.answer.number = get(numbers.data() + command.conversations[i] * kNumberBytes, kNumberBytes);
    const bool stored = outcome.kind == Kind::kEntry || outcome.kind == Kind::kRemembered;
    if (stored && out.counter == 0) return unreadable();
    if (stored) outcome.answer.pos = position(out.counter, i);
    duplicates = duplicates || outcome.kind == Kind::kDuplicate;
  }
  if (!apply_extras(reply.items[2].text, out.outcomes)) return unreadable();
  if (!duplicates) return out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Outcome& outcome = out.outcomes[i];
    outcome.own_replay = outcome.kind == Kind::kDuplicate && outcome.answer.id == items[i]->id && items[i]->id;
  }
  return out;
}

}  // namespace parley::store::redis
