// Any bytes as what Redis keeps and what its functions answer: no crash, and what is taken is written back to the same
// bytes.
#include <string>

#include "fuzz.hpp"
#include "redis/append_file.hpp"
#include "redis/functions.hpp"
#include "redis/lease.hpp"

namespace {

using namespace parley;
using namespace parley::store;
using namespace parley::store::redis;

/// Replies, made of the input's bytes.
class Source {
 public:
  explicit Source(fuzz::Input& input) : input_(input) {}
  std::string text() {
    std::size_t length = input_.byte();
    if (length == 255) length = 256u + input_.byte() * 16u;
    std::string text;
    while (text.size() < length && !input_.rest().empty()) text.push_back(static_cast<char>(input_.byte()));
    return text;
  }
  std::int64_t integer() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | input_.byte();
    return static_cast<std::int64_t>(value);
  }
  /// Mostly of the type that is asked for.
  Reply string() {
    const std::uint8_t kind = input_.byte();
    if (kind >= 250) return any(kind);
    Reply reply;
    reply.type = Reply::Type::kString;
    reply.text = text();
    return reply;
  }
  Reply number() {
    const std::uint8_t kind = input_.byte();
    if (kind >= 250) return any(kind);
    Reply reply;
    reply.type = Reply::Type::kInteger;
    reply.integer = integer();
    return reply;
  }
  static Reply array(std::vector<Reply> items) {
    Reply reply;
    reply.type = Reply::Type::kArray;
    reply.items = std::move(items);
    return reply;
  }

 private:
  Reply any(std::uint8_t kind) {
    Reply reply;
    reply.type = static_cast<Reply::Type>(kind % 6);
    reply.text = text();
    return reply;
  }
  fuzz::Input& input_;
};

void check_results(std::string_view bytes) {
  const auto results = decode_results(bytes);
  if (!results) return;
  fuzz::require(results->size() * kResultBytes == bytes.size(), "one for each record");
  for (const ResultRecord& result : *results) {
    fuzz::require(result.seq < std::uint64_t{1} << 48, "six bytes");
    fuzz::require(result.code <= Code::kInternal && result.status <= protocol::Status::kClosed,
                  "values that there are");
  }
}

void check_openings(std::string_view bytes) {
  const auto openings = decode_openings(bytes);
  fuzz::require(openings.has_value() == (bytes.size() % kOpeningBytes == 0), "whole records");
  if (openings) fuzz::require(openings->size() * kOpeningBytes == bytes.size(), "one for each record");
}

void check_core(std::string_view bytes) {
  const auto core = decode_core(bytes);
  if (!core) return;
  const std::string back = encode_core(*core);
  const std::size_t epoch = bytes.size() - 16;  // ends at its first NUL
  fuzz::require(back.size() == bytes.size() && back.substr(0, epoch) == bytes.substr(0, epoch), "round trip");
  const auto again = decode_core(back);
  fuzz::require(again && again->epoch == core->epoch, "round trip of the epoch");
}

void check_senders(std::string_view bytes) {
  if (const auto results = decode_sender(bytes))
    fuzz::require(encode_sender(*results) == bytes, "round trip of answers");
  if (const auto keys = decode_sender_keys(bytes)) {
    std::string back;
    for (const domain::SenderKey& key : *keys) back += encode_sender_key(key);
    fuzz::require(back == bytes, "round trip of senders");
  }
}

void check_projection(std::string_view bytes) {
  const auto projection = decode_projection(bytes);
  if (projection) {
    fuzz::require(encode_projection(*projection) == bytes, "round trip of a projection");
  } else if (!bytes.empty() && static_cast<unsigned char>(bytes[0]) > 1) {
    fuzz::require(projection.error().code == Errc::kGone, "a newer format is called so");
  }
}

void check_append(fuzz::Input& input, Source& source) {
  std::vector<Append> items(input.byte() % 4 + 1u);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].tenant = TenantId{1};
    items[i].conv = ConversationId{7 + input.byte() % 2u};
    items[i].id = MessageId{100 + i};
    items[i].n = i + 1;
    items[i].principal = Principal::visitor(VisitorId{3});
  }
  const std::vector<const Append*> list = item_list(items);
  const AppendCommand command = encode_append(Keys("p", 0), Writer(), list, {});
  const Reply counter = source.number(), results = source.string(), extras = source.string(), numbers = source.string();
  const auto decoded = decode_append(command, list, Source::array({counter, results, extras, numbers}));
  if (!decoded) return;
  fuzz::require(decoded->outcomes.size() == items.size(), "one outcome for each item");
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Outcome& outcome = decoded->outcomes[i];
    const bool stored = outcome.kind == Outcome::Kind::kEntry || outcome.kind == Outcome::Kind::kRemembered;
    fuzz::require(stored == (outcome.answer.pos != 0), "a position if, and only if, something was stored");
    if (!stored) continue;
    fuzz::require(counter_of(outcome.answer.pos) == decoded->counter && index_of(outcome.answer.pos) == i,
                  "the position leads to the log entry");
  }
}

void check_log_entry(Source& source) {
  const Reply id = source.string();
  std::vector<Reply> fields;
  for (const char* name : {"p", "r", "o"}) {
    Reply field;
    field.type = Reply::Type::kString;
    field.text = name;
    fields.push_back(std::move(field));
    fields.push_back(source.string());
  }
  LogEntry entry;
  if (!decode_log_entry(Source::array({id, Source::array(std::move(fields))}), entry)) return;
  fuzz::require(entry.items.size() == entry.results.size(), "one result for each item");
  fuzz::require(counter_of(position(entry.counter, 0)) == entry.counter, "its position leads back");
  for (const protocol::PackItem& item : entry.items)
    fuzz::require(item.bytes.data() >= entry.pack.data() &&
                      item.bytes.data() + item.bytes.size() <= entry.pack.data() + entry.pack.size(),
                  "bodies lie inside the pack");
}

void check_load(fuzz::Input& input, Source& source) {
  std::vector<Reply> conversations;
  for (unsigned i = input.byte() % 3u; i > 0; --i) {
    std::vector<Reply> memories;
    const Reply core = source.string(), keys = source.string();
    for (unsigned k = input.byte() % 4u; k > 0; --k) memories.push_back(source.string());
    conversations.push_back(Source::array({core, keys, Source::array(std::move(memories)), source.string()}));
  }
  const std::size_t count = conversations.size();
  const auto loaded = decode_load(Source::array(std::move(conversations)));
  if (loaded) fuzz::require(loaded->size() == count, "as many as were asked for");
}

void check_small(Source& source) {
  const Reply reply = source.string();
  if (const auto shard = decode_shard(reply); shard && *shard)
    fuzz::require((*shard)->counter < std::uint64_t{1} << 48, "six bytes");
  if (const auto pointer = decode_visitor(reply); pointer && *pointer)
    fuzz::require(conversation_id((*pointer)->conv) == reply.text.substr(0, 8), "round trip of a pointer");
  if (const auto conv = conversation_id(std::string_view(reply.text)))
    fuzz::require(conversation_id(*conv) == reply.text, "round trip of an id");
  if (const auto owner = LeaseOwner::parse(reply.text))
    fuzz::require(LeaseOwner::parse(owner->text()).has_value(), "round trip of an owner");
  if (const auto file = append_file_of(reply)) fuzz::require(!file->rewritten || file->begun, "what ended has begun");
  fuzz::require(renewal_of(reply).has_value() == (reply.type == Reply::Type::kInteger), "only numbers are answers");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Source source(input);
  switch (input.byte() % 9) {
    case 0:
      check_results(input.rest());
      break;
    case 1:
      check_openings(input.rest());
      break;
    case 2:
      check_core(input.rest());
      break;
    case 3:
      check_senders(input.rest());
      break;
    case 4:
      check_projection(input.rest());
      break;
    case 5:
      check_append(input, source);
      break;
    case 6:
      check_log_entry(source);
      break;
    case 7:
      check_load(input, source);
      break;
    default:
      check_small(source);
  }
  return 0;
}
