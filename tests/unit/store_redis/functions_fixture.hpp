#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "redis/blocking_client.hpp"
#include "redis/functions.hpp"
#include "support/servers.hpp"
#include "unit/store/store_fixture.hpp"

namespace parley::store::redis::test {

using namespace std::chrono_literals;
using parley::test::RedisServer;
using store::test::by_agent;
using store::test::dev;
using store::test::kAgent;
using store::test::kChannel;
using store::test::kNow;
using store::test::kTenant;
using store::test::kVisitor;
using store::test::note;
using store::test::opening;
using store::test::text;

inline constexpr std::uint64_t kFence = 7;
inline constexpr std::int64_t kSeconds = 1'763'715'600;

/// A shard in a Redis that is empty before each test, with the functions, and fence kFence. The server is one for all
/// tests of the program, so it is fast and forgets everything.
class FunctionsTest : public ::testing::Test {
 protected:
  static RedisServer& server() {
    static RedisServer server([] {
      RedisServer::Options options;
      options.appendonly = false;
      options.arguments = {"--enable-debug-command", "yes"};
      return options;
    }());
    return server;
  }
  FunctionsTest() : client(endpoint(), 2s, 20s), keys("parley", 0) {}
  void SetUp() override {
    call({"FLUSHALL"});
    call({"CONFIG", "SET", "maxmemory", "0"});
    call(load_library_command());
    fence(kFence);
    writer.fence = kFence;
    writer.now_s = kSeconds;
  }

  static Endpoint endpoint() {
    Endpoint endpoint;
    endpoint.unix_socket = server().unix_socket();
    return endpoint;
  }
  /// Throws if Redis refuses.
  Reply call(const Command& command) {
    Reply reply = client.call(command);
    if (reply.is_error()) throw std::runtime_error(command[0] + ": " + reply.text);
    return reply;
  }
  Shard fence(std::uint64_t number, std::uint64_t incarnation = 1, std::uint64_t counter_min = 0) {
    return *value(decode_shard(call(fence_command(keys, number, incarnation, counter_min, 0, 1))));
  }
  template <class T>
  static T value(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().detail);
    return std::move(*result);
  }

  static std::string epoch_of(ConversationId conv) { return "e" + std::to_string(conv.value % 1'000'000); }
  static std::uint64_t number_of(ConversationId conv) { return conv.value % 10'000 + 1; }
  /// Appends where nothing is archived: what Redis does not know does not exist.
  static std::vector<ItemNotes> notes_for(const std::vector<Append>& items, bool absent_is_new = true) {
    std::vector<ItemNotes> notes(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      notes[i].number = number_of(items[i].conv);
      notes[i].epoch = epoch_of(items[i].conv);
      notes[i].absent_is_new = absent_is_new;
    }
    return notes;
  }
  Result<AppendReply> try_append(const std::vector<Append>& items, bool absent_is_new = true) {
    const std::vector<ItemNotes> notes = notes_for(items, absent_is_new);
    const std::vector<const Append*> list = item_list(items);
    const AppendCommand command = encode_append(keys, writer, list, notes);
    Result<AppendReply> reply = decode_append(command, list, client.call(command.command));
    if (reply && reply->counter != 0) writer.floor = reply->counter;
    return reply;
  }
  AppendReply append(const std::vector<Append>& items, bool absent_is_new = true) {
    return value(try_append(items, absent_is_new));
  }
  Outcome append(Append item, bool absent_is_new = true) {
    std::vector<Append> items;
    items.push_back(std::move(item));
    return append(items, absent_is_new).outcomes[0];
  }

  LoadedConversation load(ConversationId conv) {
    const std::vector<ConversationId> one = {conv};
    return value(decode_load(call(load_command(keys, one, true)))).at(0);
  }
  std::optional<VisitorPointer> pointer(ChannelId channel = kChannel, VisitorId visitor = kVisitor) {
    return value(decode_visitor(call(visitor_command(keys, channel, visitor))));
  }
  std::vector<LogEntry> log() {
    std::vector<LogEntry> entries;
    Reply reply = call(read_log_command(keys, 0, 0, 100'000));
    for (Reply& element : reply.items) {
      LogEntry entry;
      value(decode_log_entry(std::move(element), entry));
      entries.push_back(std::move(entry));
    }
    return entries;
  }
  bool is_open(ConversationId conv) {
    return call({"SISMEMBER", keys.open(kTenant), conversation_id(conv)}).integer == 1;
  }
  bool is_closed(ConversationId conv) {
    return call({"ZSCORE", keys.closed, conversation_id(conv)}).type == Reply::Type::kString;
  }
  /// Everything that is in Redis, to see that something changed nothing.
  std::string everything() {
    std::vector<std::string> names;
    for (const Reply& name : call({"KEYS", "*"}).items) names.push_back(name.text);
    std::sort(names.begin(), names.end());
    std::string all;
    for (const std::string& name : names) all += name + call({"DEBUG", "DIGEST-VALUE", name}).items.at(0).text;
    return all;
  }

  static Append close(ConversationId conv, std::uint64_t n) {
    Append item = by_agent(text(conv, n, ""), EntryType::kClose, "{}");
    item.change.status = protocol::Status::kClosed;
    return item;
  }
  static Append reopen(ConversationId conv, std::uint64_t n) {
    Append item = by_agent(text(conv, n, ""), EntryType::kReopen, "{}");
    item.change.status = protocol::Status::kActive;
    item.change.assignee = kAgent;
    item.change.new_claim = true;
    return item;
  }
  static Append claim(ConversationId conv, std::uint64_t n, std::uint64_t if_claim) {
    Append item = by_agent(text(conv, n, ""), EntryType::kClaim, "{}");
    item.change.status = protocol::Status::kActive;
    item.change.assignee = kAgent;
    item.change.new_claim = true;
    item.if_claim = if_claim;
    return item;
  }
  static Append void_of(ConversationId conv, std::uint64_t n) {
    Append item = text(conv, n, "");
    item.kind = EntryType::kVoid;
    item.bytes.clear();
    item.text.clear();
    return item;
  }
  static Append refusal(ConversationId conv, std::uint64_t n, Code code) {
    Append item = text(conv, n, "refused");
    item.kind = EntryType::kRefusal;
    item.bytes.assign(1, static_cast<char>(code));
    item.text.clear();
    return item;
  }

  BlockingClient client;
  Keys keys;
  Writer writer;
};

}  // namespace parley::store::redis::test
