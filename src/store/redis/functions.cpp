#include "redis/functions.hpp"

#include "redis/functions_bytes.hpp"

namespace parley::store::redis {
namespace {

constexpr std::size_t kShardBytes = 20;

std::string with_id(char letter, std::uint64_t first) {
  std::string field(1, letter);
  put(field, first, 8);
  return field;
}

Error unreadable(const char* what) {
  return Error(Errc::kInternal, std::string("an answer of Redis that cannot be read: ") + what);
}

}  // namespace

Keys::Keys(std::string_view prefix, unsigned shard)
    : base("{" + std::string(prefix) + ":" + std::to_string(shard) + "}"),
      state(base + "state"),
      log(base + "log"),
      proj(base + "proj"),
      closed(base + "closed") {}

Command load_library_command() { return {"FUNCTION", "LOAD", "REPLACE", kLibrarySource}; }

std::string conversation_id(ConversationId conv) {
  std::string bytes;
  put(bytes, conv.value, 8);
  return bytes;
}

std::optional<ConversationId> conversation_id(std::string_view bytes) {
  ByteReader in(bytes);
  const ConversationId conv{in.u(8)};
  if (!in.done()) return std::nullopt;
  return conv;
}

Error error_of(const Reply& reply) {
  const std::string_view word = reply.error_word();
  Errc code = Errc::kUnavailable;
  if (word == "FENCED") code = Errc::kForbidden;
  if (word == "REGRESSED") code = Errc::kGone;
  if (word == "OOM") code = Errc::kStorageFull;
  if (word == "WRONGFORMAT") code = Errc::kInternal;
  return Error(code, reply.text);
}

// ---- Conversations --------------------------------------------------------------------------------------------------

Command load_command(const Keys& keys, std::span<const ConversationId> convs, bool senders) {
  Command command = {"FCALL_RO", "parley_j1_load", "2", keys.state, keys.proj, senders ? "1" : "0"};
  for (const ConversationId conv : convs) command.push_back(conversation_id(conv));
  return command;
}

namespace {

Result<LoadedConversation> decode_loaded(const Reply& reply) {
  if (reply.type != Reply::Type::kArray || reply.items.size() != 4) return unreadable("a conversation");
  const Reply& core = reply.items[0];
  const Reply& keys = reply.items[1];
  const Reply& memories = reply.items[2];
  const Reply& projection = reply.items[3];
  LoadedConversation loaded;
  if (core.type == Reply::Type::kString) {
    Result<ConversationCore> decoded = decode_core(core.text);
    if (!decoded) return decoded.error();
    loaded.core = std::move(*decoded);
  }
  if (keys.type == Reply::Type::kString && !memories.items.empty()) {
    Result<std::vector<domain::SenderKey>> decoded = decode_sender_keys(keys.text);
    if (!decoded) return decoded.error();
    if (decoded->size() != memories.items.size()) return unreadable("senders");
    for (std::size_t i = 0; i < decoded->size(); ++i) {
      if (memories.items[i].type != Reply::Type::kString) return unreadable("a sender is missing");
      Result<std::vector<domain::SendResult>> results = decode_sender(memories.items[i].text);
      if (!results) return results.error();
      loaded.senders.emplace_back((*decoded)[i], std::move(*results));
    }
  }
  if (projection.type == Reply::Type::kString) {
    Result<Projection> decoded = decode_projection(projection.text);
    if (!decoded) return decoded.error();
    loaded.projection = std::move(*decoded);
  }
  return loaded;
}

}  // namespace

Result<std::vector<LoadedConversation>> decode_load(const Reply& reply) {
  if (reply.is_error()) return error_of(reply);
  if (reply.type != Reply::Type::kArray) return unreadable("not a list of conversations");
  std::vector<LoadedConversation> all;
  all.reserve(reply.items.size());
  for (const Reply& item : reply.items) {
    Result<LoadedConversation> loaded = decode_loaded(item);
    if (!loaded) return loaded.error();
    all.push_back(std::move(*loaded));
  }
  return all;
}

Command visitor_command(const Keys& keys, ChannelId channel, VisitorId visitor) {
  std::string field = with_id('v', channel.value);
  put(field, visitor.value, 8);
  return {"HGET", keys.state, std::move(field)};
}

Result<std::optional<VisitorPointer>> decode_visitor(const Reply& reply) {
  if (reply.is_error()) return error_of(reply);
  if (reply.type == Reply::Type::kNil) return std::optional<VisitorPointer>();
  if (reply.type != Reply::Type::kString || reply.text.size() != 9) return unreadable("a visitor's conversation");
  ByteReader in(reply.text);
  VisitorPointer pointer;
  pointer.conv = ConversationId{in.u(8)};
  pointer.open = reply.text[8] == 'o';
  return std::optional(pointer);
}

// ---- Keeping it in order --------------------------------------------------------------------------------------------

Command shard_command(const Keys& keys) { return {"HGET", keys.state, "F"}; }

Result<std::optional<Shard>> decode_shard(const Reply& reply) {
  if (reply.is_error()) return error_of(reply);
  if (reply.type == Reply::Type::kNil) return std::optional<Shard>();
  if (reply.type != Reply::Type::kString || reply.text.size() != kShardBytes) return unreadable("a shard");
  ByteReader in(reply.text);
  Shard shard;
  shard.fence = in.u(6);
  shard.incarnation = in.u(6);
  shard.counter = in.u(6);
  shard.step = static_cast<unsigned>(in.u(2));
  return std::optional(shard);
}

Command fence_command(const Keys& keys, std::uint64_t fence, std::uint64_t incarnation, std::uint64_t counter_min,
                      unsigned shard, unsigned shards) {
  return {"FCALL",
          "parley_j1_fence",
          "1",
          keys.state,
          std::to_string(fence),
          std::to_string(incarnation),
          std::to_string(counter_min),
          std::to_string(shard),
          std::to_string(shards)};
}

Command project_command(const Keys& keys, std::uint64_t fence, std::span<const Projection> projections) {
  Command command = {"FCALL", "parley_j1_project", "2", keys.state, keys.proj, std::to_string(fence)};
  for (const Projection& projection : projections) {
    command.push_back(conversation_id(projection.meta.id));
    command.push_back(encode_projection(projection));
  }
  return command;
}

Command restore_command(const Keys& keys, std::uint64_t fence, std::int64_t now_s, std::span<const Restored> items) {
  Command command = {"FCALL", "parley_j1_restore", "", keys.state, keys.closed, keys.proj};
  constexpr std::size_t kFirstKey = 3;  // argument before KEYS[1]
  std::vector<TenantId> tenants;
  for (const Restored& item : items) {
    if (std::find(tenants.begin(), tenants.end(), item.core.tenant) != tenants.end()) continue;
    tenants.push_back(item.core.tenant);
    command.push_back(keys.open(item.core.tenant));
  }
  command[kFirstKey - 1] = std::to_string(command.size() - kFirstKey);
  command.push_back(std::to_string(fence));
  command.push_back(std::to_string(now_s));
  for (const Restored& item : items) {
    const auto tenant = std::find(tenants.begin(), tenants.end(), item.core.tenant) - tenants.begin();
    command.push_back(conversation_id(item.conv));
    command.push_back(std::to_string(tenant + 4));
    command.push_back(encode_core(item.core));
    command.push_back(item.projection ? encode_projection(*item.projection) : std::string());
    const std::size_t count_at = command.size();
    command.emplace_back();
    std::size_t count = 0;
    for (const auto& [key, results] : item.senders) {
      if (results.empty()) continue;
      command.push_back(encode_sender_key(key));
      command.push_back(encode_sender(results));
      ++count;
    }
    command[count_at] = std::to_string(count);
  }
  return command;
}

Command evict_command(const Keys& keys, std::uint64_t fence, std::uint64_t archived_counter, std::int64_t before_s,
                      std::size_t limit) {
  return {"FCALL",
          "parley_j1_evict",
          "3",
          keys.state,
          keys.closed,
          keys.proj,
          std::to_string(fence),
          std::to_string(archived_counter),
          std::to_string(before_s),
          std::to_string(limit)};
}

}  // namespace parley::store::redis
