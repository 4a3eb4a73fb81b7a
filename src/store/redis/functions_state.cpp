#include "redis/functions.hpp"
#include "redis/functions_bytes.hpp"

namespace parley::store::redis {
namespace {

constexpr std::size_t kEpochBytes = 16;
constexpr std::size_t kAnswerBytes = 37;
constexpr char kProjectionVersion = 1;

Error damaged(const char* what) { return Error(Errc::kBadInput, std::string("damaged in Redis: ") + what); }

std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }
bool is_status(std::uint64_t value) { return value <= static_cast<std::uint64_t>(protocol::Status::kClosed); }
bool is_code(std::uint64_t value) { return value <= static_cast<std::uint64_t>(Code::kInternal); }
bool is_principal(std::uint64_t kind) {
  return kind != 0 && kind < 128 && std::string_view("vabks").find(static_cast<char>(kind)) != std::string_view::npos;
}

}  // namespace

std::string encode_core(const ConversationCore& core) {
  std::string out;
  put(out, core.head, 6);
  put(out, core.public_head, 6);
  put_capped(out, core.claim, 4);
  put(out, static_cast<std::uint64_t>(core.status), 1);
  put(out, core.assignee.value, 8);
  put(out, core.touched, 6);
  put(out, core.number, 8);
  put(out, core.tenant.value, 8);
  put(out, bits(core.created_ns), 8);
  put(out, core.channel.value, 8);
  put(out, core.visitor.value, 8);
  put_padded(out, core.epoch, kEpochBytes);
  return out;
}

Result<ConversationCore> decode_core(std::string_view bytes) {
  ByteReader in(bytes);
  ConversationCore core;
  core.head = in.u(6);
  core.public_head = in.u(6);
  core.claim = in.u(4);
  const std::uint64_t status = in.u(1);
  core.assignee = AgentId{in.u(8)};
  core.touched = in.u(6);
  core.number = in.u(8);
  core.tenant = TenantId{in.u(8)};
  core.created_ns = static_cast<std::int64_t>(in.u(8));
  core.channel = ChannelId{in.u(8)};
  core.visitor = VisitorId{in.u(8)};
  core.epoch = in.padded(kEpochBytes);
  if (!in.done() || !is_status(status) || core.public_head > core.head) return damaged("a conversation");
  core.status = static_cast<protocol::Status>(status);
  return core;
}

ConversationCore core_of(const domain::ConversationMeta& meta) {
  ConversationCore core;
  core.tenant = meta.tenant;
  core.channel = meta.channel;
  core.visitor = meta.visitor;
  core.created_ns = meta.created_ns;
  core.number = meta.number;
  core.epoch = meta.epoch;
  core.head = meta.head;
  core.public_head = meta.public_head;
  core.claim = meta.claim;
  core.status = meta.status;
  core.assignee = meta.assignee;
  return core;
}

std::string encode_sender(std::span<const domain::SendResult> results) {
  std::string out;
  if (results.empty()) return out;
  std::size_t first = results.size() - 1;  // only what follows upon each other has a place
  while (first > 0 && results[first - 1].n + 1 == results[first].n && results.size() - first < protocol::kInFlightMax)
    --first;
  for (const domain::SendResult& result : results.subspan(first)) {
    put(out, result.hash, 8);
    put(out, bits(result.ts_ns), 8);
    put(out, result.id.value, 8);
    put(out, result.seq, 6);
    put(out, static_cast<std::uint64_t>(result.code), 1);
    put(out, result.n, 6);
  }
  return out;
}

Result<std::vector<domain::SendResult>> decode_sender(std::string_view bytes) {
  std::vector<domain::SendResult> results;
  if (bytes.empty()) return results;
  if (bytes.size() % kAnswerBytes != 0 || bytes.size() > protocol::kInFlightMax * kAnswerBytes)
    return damaged("a sender");
  ByteReader in(bytes);
  while (!in.done()) {
    domain::SendResult result;
    result.hash = in.u(8);
    result.ts_ns = static_cast<std::int64_t>(in.u(8));
    result.id = MessageId{in.u(8)};
    result.seq = in.u(6);
    const std::uint64_t code = in.u(1);
    if (!is_code(code)) return damaged("an answer to a sender");
    result.code = static_cast<Code>(code);
    result.n = in.u(6);
    if (result.n == 0 || (!results.empty() && result.n != results.back().n + 1)) return damaged("a sender's numbers");
    results.push_back(result);
  }
  return results;
}

std::string encode_sender_key(const domain::SenderKey& key) {
  std::string out;
  put(out, static_cast<std::uint64_t>(key.principal.kind), 1);
  put(out, key.principal.id, 8);
  out.append(reinterpret_cast<const char*>(key.dev.bytes.data()), key.dev.bytes.size());
  return out;
}

Result<std::vector<domain::SenderKey>> decode_sender_keys(std::string_view bytes) {
  std::vector<domain::SenderKey> keys;
  if (bytes.size() % kSenderKeyBytes != 0) return damaged("a list of senders");
  ByteReader in(bytes);
  while (!in.done()) {
    domain::SenderKey key;
    const std::uint64_t kind = in.u(1);
    if (!is_principal(kind)) return damaged("a sender's kind");
    key.principal.kind = static_cast<PrincipalKind>(kind);
    key.principal.id = in.u(8);
    const std::string_view dev = in.bytes(key.dev.bytes.size());
    std::memcpy(key.dev.bytes.data(), dev.data(), dev.size());
    keys.push_back(key);
  }
  return keys;
}

std::string encode_projection(const Projection& projection) {
  const domain::ConversationMeta& meta = projection.meta;
  std::string out(1, kProjectionVersion);
  for (const std::uint64_t value :
       {projection.applied_pos, meta.tenant.value, meta.id.value, meta.channel.value, meta.visitor.value, meta.number,
        meta.claim, meta.assignee.value, meta.head, meta.public_head, meta.last_pos, bits(meta.created_ns),
        bits(meta.last_ts_ns), meta.last_text_seq, bits(meta.waiting_since_ns), bits(meta.first_response_ns),
        bits(meta.closed_ns), meta.closed_by.id})
    put(out, value, 8);
  put(out, static_cast<std::uint64_t>(meta.closed_by.kind), 1);
  put(out, static_cast<std::uint64_t>(meta.status), 1);
  out.push_back(meta.last_from);
  for (const std::string* text : {&meta.epoch, &meta.preview, &meta.closed_reason}) {
    put(out, text->size(), 4);
    out += *text;
  }
  return out;
}

Result<Projection> decode_projection(std::string_view bytes) {
  if (!bytes.empty() && static_cast<unsigned char>(bytes[0]) > kProjectionVersion)
    return Error(Errc::kGone, "a projection in Redis of a newer version than this program reads");
  ByteReader in(bytes);
  Projection projection;
  domain::ConversationMeta& meta = projection.meta;
  const bool version_known = in.u(1) == static_cast<std::uint64_t>(kProjectionVersion);
  projection.applied_pos = in.u(8);
  meta.tenant = TenantId{in.u(8)};
  meta.id = ConversationId{in.u(8)};
  meta.channel = ChannelId{in.u(8)};
  meta.visitor = VisitorId{in.u(8)};
  meta.number = in.u(8);
  meta.claim = in.u(8);
  meta.assignee = AgentId{in.u(8)};
  meta.head = in.u(8);
  meta.public_head = in.u(8);
  meta.last_pos = in.u(8);
  meta.created_ns = static_cast<std::int64_t>(in.u(8));
  meta.last_ts_ns = static_cast<std::int64_t>(in.u(8));
  meta.last_text_seq = in.u(8);
  meta.waiting_since_ns = static_cast<std::int64_t>(in.u(8));
  meta.first_response_ns = static_cast<std::int64_t>(in.u(8));
  meta.closed_ns = static_cast<std::int64_t>(in.u(8));
  meta.closed_by.id = in.u(8);
  const std::uint64_t closed_by = in.u(1), status = in.u(1);
  meta.last_from = static_cast<char>(in.u(1));
  for (std::string* text : {&meta.epoch, &meta.preview, &meta.closed_reason}) *text = std::string(in.bytes(in.u(4)));
  if (!version_known || !in.done() || !is_principal(closed_by) || !is_status(status)) return damaged("a projection");
  meta.closed_by.kind = static_cast<PrincipalKind>(closed_by);
  meta.status = static_cast<protocol::Status>(status);
  return projection;
}

}  // namespace parley::store::redis
