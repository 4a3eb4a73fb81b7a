#include <unordered_map>

#include "redis/functions.hpp"
#include "redis/functions_bytes.hpp"

namespace parley::store::redis {
namespace {

constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kExtraBytes = 48;
constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kFieldsMin = 1;    // "F"
constexpr std::size_t kFirstKey = 3;     // argument before KEYS[1]
constexpr std::size_t kFixedKeys = 3;    // state, log, closed
constexpr std::uint64_t kInternal = 16;  // flag of an item beside those of MessageFlag
constexpr std::uint64_t kAnswered = 64;  // flag of a result: described like a remembered answer, but not stored
enum Trait : std::uint64_t { kRecord = 1, kIsVoid = 2, kOpens = 4, kIfClaim = 8, kUncounted = 16, kAbsentIsNew = 32 };

/// Names of fields or keys, each once; numbers them from `first`.
class Names {
 public:
  explicit Names(std::size_t first) : first_(first) {}
  std::uint16_t number_of(std::string name) {
    const auto [at, is_new] = numbers_.try_emplace(std::move(name), static_cast<std::uint16_t>(first_ + all_.size()));
    if (is_new) all_.push_back(&at->first);
    return at->second;
  }
  std::size_t size() const { return all_.size(); }
  void append_to(Command& command) const {
    for (const std::string* name : all_) command.push_back(*name);
  }

 private:
  std::size_t first_;
  std::unordered_map<std::string, std::uint16_t> numbers_;
  std::vector<const std::string*> all_;
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

std::string pack_of(std::span<const Append> items) {
  std::vector<protocol::PackItem> list(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Append& item = items[i];
    protocol::PackItem& out = list[i];
    out.kind = item.kind;
    out.tenant = item.tenant;
    out.conv = item.conv;
    out.id = item.id;
    out.ts_ns = item.ts_ns;
    out.principal = item.principal;
    out.dev = item.dev;
    out.n = item.n;
    out.hash = item.hash;
    out.audience = item.audience;
    out.codec = item.codec;
    out.bytes = item.bytes;
  }
  std::string pack;
  protocol::append_pack(pack, list.data(), list.size());
  return pack;
}

/// What append() in parley_j1.lua is told of each item, 64 bytes: index of the conversation's field u16 and of the
/// sender's u16 (0: n is 0), flags u8, traits u8, n u48, hash 8, ts 8, id 8; and, looked at only if flags or traits ask
/// for it: refusal u8, status u8, number of the tenant's key of open conversations u16, of the opening u16, index of
/// the visitor's field u16, if_claim u32, assignee 8, tenant 8.
class Header {
 public:
  explicit Header(std::size_t items) : open_sets(kFixedKeys + 1) { bytes.reserve(items * kHeaderBytes); }

  void add(const Append& item, const ItemNotes& notes, std::uint16_t conversation, const std::string& open_set,
           std::uint16_t sender, std::uint16_t visitor) {
    put(bytes, conversation, 2);
    put(bytes, sender, 2);
    put(bytes, flags_of(item), 1);
    put(bytes, traits_of(item, notes.absent_is_new), 1);
    put_capped(bytes, item.n, 6);
    put(bytes, item.hash, 8);
    put(bytes, static_cast<std::uint64_t>(item.ts_ns), 8);
    put(bytes, item.id.value, 8);
    put(bytes, refusal_of(item), 1);
    put(bytes, item.change.status ? static_cast<std::uint64_t>(*item.change.status) : 0, 1);
    put(bytes, open_set.empty() ? 0 : open_sets.number_of(open_set), 2);
    if (item.opening) add_opening(item, notes);
    put(bytes, item.opening ? openings.size() / kOpeningBytes : 0, 2);
    put(bytes, visitor, 2);
    put_capped(bytes, item.if_claim.value_or(0), 4);
    put(bytes, item.change.assignee ? item.change.assignee->value : 0, 8);
    put(bytes, item.tenant.value, 8);
  }

  Names open_sets;
  std::string bytes, openings;

 private:
  void add_opening(const Append& item, const ItemNotes& notes) {
    put(openings, item.conv.value, 8);
    put(openings, item.opening->channel.value, 8);
    put(openings, item.opening->visitor.value, 8);
    put(openings, notes.number, 8);
    put_padded(openings, notes.epoch, 16);
  }
};

}  // namespace

AppendCommand encode_append(const Keys& keys, const Writer& writer, std::span<const Append> items,
                            std::span<const ItemNotes> notes) {
  static const ItemNotes no_notes;
  AppendCommand out;
  out.conversations.reserve(items.size());
  // Fields are numbered from 1: "F", conversations, senders, visitors. So the first two have to be counted first.
  std::unordered_map<ConversationId, std::uint16_t> numbers;
  std::vector<ConversationId> conversations;
  for (const Append& item : items) {
    const auto [at, is_new] = numbers.try_emplace(item.conv, static_cast<std::uint16_t>(conversations.size()));
    if (is_new) conversations.push_back(item.conv);
    out.conversations.push_back(at->second);
  }
  out.conversation_count = conversations.size();
  const std::size_t first_sender = 1 + kFieldsMin + conversations.size();

  std::vector<std::uint16_t> senders(items.size(), 0);
  Names sender_names(first_sender);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].n == 0) continue;
    std::string field("s");
    put(field, items[i].conv.value, 8);
    field += encode_sender_key({items[i].principal, items[i].dev});
    senders[i] = sender_names.number_of(std::move(field));
  }
  Names visitor_names(first_sender + sender_names.size());
  Header header(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Append& item = items[i];
    std::uint16_t visitor = 0;
    if (item.opening) {
      std::string field("v");
      put(field, item.opening->channel.value, 8);
      put(field, item.opening->visitor.value, 8);
      visitor = visitor_names.number_of(std::move(field));
    }
    const bool moves = item.opening || item.change.status;
    header.add(item, notes.empty() ? no_notes : notes[i],
               static_cast<std::uint16_t>(1 + kFieldsMin + out.conversations[i]),
               moves ? keys.open(item.tenant) : std::string(), senders[i], visitor);
  }

  Command& command = out.command;
  command.reserve(16 + conversations.size() + sender_names.size() + visitor_names.size());
  command = {"FCALL", "parley_j1_append", "", keys.state, keys.log, keys.closed};
  header.open_sets.append_to(command);
  command[kFirstKey - 1] = std::to_string(command.size() - kFirstKey);
  command.push_back(std::to_string(writer.fence));
  command.push_back(std::to_string(writer.floor));
  command.push_back(std::to_string(writer.now_s));
  command.push_back(pack_of(items));
  command.push_back(std::move(header.bytes));
  command.push_back(std::move(header.openings));
  command.push_back(std::to_string(kFieldsMin + conversations.size()));
  command.push_back(std::to_string(kFieldsMin + conversations.size() + sender_names.size()));
  command.emplace_back("F");
  for (const ConversationId conv : conversations) {
    std::string field("m");
    put(field, conv.value, 8);
    command.push_back(std::move(field));
  }
  sender_names.append_to(command);
  visitor_names.append_to(command);
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

Outcome outcome_of(const Append& item, const ResultRecord& result, bool answered) {
  using Kind = Outcome::Kind;
  Outcome outcome;
  outcome.kind = result.outcome;
  outcome.status = result.status;
  Appended& answer = outcome.answer;
  if (result.outcome == Kind::kMissing) {
    answer.code = Code::kJournalDown;
    return outcome;
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
  return outcome;
}

}  // namespace

Result<AppendReply> decode_append(const AppendCommand& command, std::span<const Append> items, const Reply& reply) {
  using Kind = Outcome::Kind;
  if (reply.is_error()) return error_of(reply);
  if (reply.type != Reply::Type::kArray || reply.items.size() != 4 || reply.items[0].type != Reply::Type::kInteger ||
      reply.items[0].integer < 0 || static_cast<std::uint64_t>(reply.items[0].integer) > kCounterMax ||
      command.conversations.size() != items.size())
    return unreadable();
  const std::string& bytes = reply.items[1].text;
  const std::string_view numbers = reply.items[3].text;
  Result<std::vector<ResultRecord>> results = decode_results(bytes);
  if (!results || results->size() != items.size() || numbers.size() != command.conversation_count * kNumberBytes)
    return unreadable();

  AppendReply out;
  out.counter = static_cast<std::uint64_t>(reply.items[0].integer);
  out.results = bytes;
  out.outcomes.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ResultRecord& result = (*results)[i];
    const bool answered = (static_cast<std::uint8_t>(bytes[i * kResultBytes + 1]) & kAnswered) != 0;
    Outcome& outcome = out.outcomes.emplace_back(outcome_of(items[i], result, answered));
    if (!result.no_conversation)
      outcome.answer.number = ByteReader(numbers.substr(command.conversations[i] * kNumberBytes)).u(kNumberBytes);
    const bool stored = outcome.kind == Kind::kEntry || outcome.kind == Kind::kRemembered;
    if (stored && out.counter == 0) return unreadable();
    if (stored) outcome.answer.pos = position(out.counter, i);
  }
  if (!apply_extras(reply.items[2].text, out.outcomes)) return unreadable();
  for (std::size_t i = 0; i < items.size(); ++i) {
    Outcome& outcome = out.outcomes[i];
    outcome.own_replay = outcome.kind == Kind::kDuplicate && outcome.answer.id == items[i].id && items[i].id;
  }
  return out;
}

}  // namespace parley::store::redis
