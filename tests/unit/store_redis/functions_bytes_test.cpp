#include <random>

#include "functions_fixture.hpp"

namespace parley::store::redis::test {
namespace {

ConversationCore some_core() {
  ConversationCore core;
  core.tenant = TenantId{11};
  core.channel = ChannelId{0x7fff'ffff'ffff'ffff};
  core.visitor = VisitorId{31};
  core.created_ns = -5;
  core.number = 1'000'000;
  core.epoch = "abcd";
  core.head = (1ULL << 48) - 1;
  core.public_head = 1ULL << 40;
  core.claim = 0xffff'ffff;
  core.status = protocol::Status::kClosed;
  core.assignee = AgentId{41};
  core.touched = 99;
  return core;
}

std::vector<domain::SendResult> some_results(std::uint64_t first, std::uint64_t last) {
  std::vector<domain::SendResult> results;
  for (std::uint64_t n = first; n <= last; ++n)
    results.push_back({n, ~n, n + 1, static_cast<std::int64_t>(n) - 3, MessageId{n << 40}, Code::kFiltered});
  return results;
}

Projection some_projection() {
  Projection projection;
  projection.applied_pos = ~0ULL;
  projection.meta.preview = std::string("a\0b", 3);
  projection.meta.epoch = "abcd";
  projection.meta.closed_by = Principal::visitor(VisitorId{3});
  return projection;
}

Reply text_reply(std::string bytes) {
  Reply reply;
  reply.type = Reply::Type::kString;
  reply.text = std::move(bytes);
  return reply;
}
Reply array_reply(std::vector<Reply> items) {
  Reply reply;
  reply.type = Reply::Type::kArray;
  reply.items = std::move(items);
  return reply;
}

TEST(FunctionsBytes, ACoreComesBackAsItWas) {
  const ConversationCore core = some_core();
  const std::string bytes = encode_core(core);
  EXPECT_EQ(bytes.size(), 87u);
  const Result<ConversationCore> back = decode_core(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_core(*back), bytes);
  EXPECT_EQ(back->channel, core.channel);
  EXPECT_EQ(back->epoch, "abcd");
  EXPECT_EQ(back->head, core.head);
  EXPECT_EQ(back->created_ns, -5);
  EXPECT_EQ(back->touched, 99u);
}

TEST(FunctionsBytes, ASenderKeepsTheLastSixteenAnswersWithoutHoles) {
  std::vector<domain::SendResult> results = some_results(5, 30);
  const std::vector<domain::SendResult> back = *decode_sender(encode_sender(results));
  ASSERT_EQ(back.size(), 16u);
  EXPECT_EQ(back.front().n, 15u);
  EXPECT_EQ(back.back().n, 30u);
  EXPECT_EQ(back.back().hash, ~30ULL);
  EXPECT_EQ(back.back().id, MessageId{30ULL << 40});
  EXPECT_EQ(back.back().code, Code::kFiltered);
  results.erase(results.end() - 4);
  EXPECT_EQ(decode_sender(encode_sender(results))->size(), 3u);
  EXPECT_EQ(encode_sender({}), "");
  EXPECT_TRUE(decode_sender("")->empty());
}

TEST(FunctionsBytes, SenderKeysComeBackAsTheyWere) {
  const domain::SenderKey a{Principal::visitor(VisitorId{~0ULL >> 1}), dev(7)}, b{Principal::agent(AgentId{5}), dev(8)};
  const std::vector<domain::SenderKey> back = *decode_sender_keys(encode_sender_key(a) + encode_sender_key(b));
  EXPECT_EQ(back, (std::vector<domain::SenderKey>{a, b}));
}

TEST(FunctionsBytes, AProjectionComesBackAsItWas) {
  const std::string bytes = encode_projection(some_projection());
  const Result<Projection> back = decode_projection(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode_projection(*back), bytes);
  EXPECT_EQ(back->meta.preview.size(), 3u);
  std::string newer = bytes;
  newer[0] = 2;
  EXPECT_EQ(decode_projection(newer).error().code, Errc::kGone);
}

TEST(FunctionsBytes, CutOffBytesAreRefused) {
  const std::string core = encode_core(some_core()), sender = encode_sender(some_results(1, 3)),
                    projection = encode_projection(some_projection());
  for (std::size_t i = 0; i < core.size(); ++i) EXPECT_FALSE(decode_core(core.substr(0, i))) << i;
  for (std::size_t i = 1; i < sender.size(); ++i) {
    const bool whole = i % 37 == 0;
    EXPECT_EQ(decode_sender(sender.substr(0, i)).has_value(), whole) << i;
  }
  for (std::size_t i = 0; i < projection.size(); ++i) EXPECT_FALSE(decode_projection(projection.substr(0, i))) << i;
  for (std::size_t i = 1; i < kResultBytes; ++i) EXPECT_FALSE(decode_results(std::string(i, '\0'))) << i;
  for (std::size_t i = 1; i < kOpeningBytes; ++i) EXPECT_FALSE(decode_openings(std::string(i, 'x'))) << i;
  for (std::size_t i = 1; i < kSenderKeyBytes; ++i) EXPECT_FALSE(decode_sender_keys(std::string(i, 'v'))) << i;
  EXPECT_FALSE(decode_core(core + "x"));
  EXPECT_FALSE(decode_projection(projection + "x"));
}

TEST(FunctionsBytes, ValuesOutOfRangeAreRefused) {
  std::string result(kResultBytes, '\0');
  EXPECT_TRUE(decode_results(result));
  for (const auto& [at, bad] : {std::pair<std::size_t, char>{0, 100}, {2, 4}, {3, 5}}) {
    std::string damaged = result;
    damaged[at] = bad;
    EXPECT_FALSE(decode_results(damaged)) << at;
  }
  std::string core = encode_core(some_core());
  core[16] = 4;  // status
  EXPECT_FALSE(decode_core(core));
  EXPECT_FALSE(decode_sender_keys(std::string(kSenderKeyBytes, 'x')));
}

/// Bytes that are often nearly right: random ones, or valid ones with a few changes.
std::string damage(std::mt19937& random, const std::string& valid) {
  std::string bytes = valid;
  if (random() % 4 == 0) {
    bytes.resize(random() % 200);
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
  if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
  for (unsigned changes = random() % 4; changes > 0 && !bytes.empty(); --changes)
    bytes[random() % bytes.size()] = static_cast<char>(random());
  return bytes;
}

TEST(FunctionsBytes, NoBytesCrashTheReaders) {
  std::mt19937 random(42);
  const std::string core = encode_core(some_core()), sender = encode_sender(some_results(1, 16)),
                    projection = encode_projection(some_projection()), result(kResultBytes * 2, '\1'),
                    opening_record(kOpeningBytes * 2, 'o');
  std::vector<Append> items = {opening(ConversationId{1}, "hello"), text(ConversationId{1}, 2, "more")};
  const Keys keys("parley", 0);
  const std::vector<const Append*> list = item_list(items);
  const AppendCommand command = encode_append(keys, Writer(), list, {});
  const std::string pack = command.command.pieces.at(1);
  ASSERT_TRUE(protocol::read_pack(pack)) << "the pack stands where this test takes it from";
  const std::string extras(96, '\0'), numbers(8, '\0');
  std::size_t understood = 0;
  for (int i = 0; i < 20'000; ++i) {
    understood += decode_core(damage(random, core)).has_value();
    understood += decode_sender(damage(random, sender)).has_value();
    understood += decode_projection(damage(random, projection)).has_value();
    understood += decode_results(damage(random, result)).has_value();
    understood += decode_openings(damage(random, opening_record)).has_value();
    understood += decode_sender_keys(damage(random, sender)).has_value();
    understood += decode_shard(text_reply(damage(random, std::string(20, '\1')))).has_value();
    understood += decode_visitor(text_reply(damage(random, "12345678o"))).has_value();
    Reply counter;
    counter.type = Reply::Type::kInteger;
    counter.integer = static_cast<std::int64_t>(random() % 3) - 1;
    const Reply answer = array_reply({counter, text_reply(damage(random, result)), text_reply(damage(random, extras)),
                                      text_reply(damage(random, numbers))});
    understood += decode_append(command, list, answer).has_value();
    Reply element = array_reply({text_reply(damage(random, "1-2")),
                                 array_reply({text_reply("p"), text_reply(damage(random, pack)), text_reply("r"),
                                              text_reply(damage(random, result)), text_reply("o"),
                                              text_reply(damage(random, opening_record))})});
    LogEntry entry;
    understood += decode_log_entry(std::move(element), entry).has_value();
    const Reply loaded = array_reply(
        {array_reply({text_reply(damage(random, core)), text_reply(damage(random, std::string(21, 'v'))),
                      array_reply({text_reply(damage(random, sender))}), text_reply(damage(random, projection))})});
    understood += decode_load(loaded).has_value();
  }
  EXPECT_GT(understood, 1000u);
}

TEST(FunctionsBytes, AnswersOfAnotherShapeAreRefused) {
  const std::vector<Append> items = {opening(ConversationId{1}, "hello")};
  const std::vector<const Append*> list = item_list(items);
  const AppendCommand command = encode_append(Keys("parley", 0), Writer(), list, {});
  for (const Reply& reply :
       {Reply(), text_reply("x"), array_reply({}), array_reply({Reply(), Reply(), Reply(), Reply()})}) {
    EXPECT_EQ(decode_append(command, list, reply).error().code, Errc::kInternal);
    LogEntry entry;
    Reply copy = reply;
    EXPECT_FALSE(decode_log_entry(std::move(copy), entry));
  }
  EXPECT_FALSE(decode_load(text_reply("x")));
  EXPECT_FALSE(decode_load(array_reply({Reply()})));
}

TEST(FunctionsBytes, ErrorsOfRedisKeepTheirMeaning) {
  for (const auto& [words, code] : {std::pair<const char*, Errc>{"FENCED x", Errc::kForbidden},
                                    {"REGRESSED x", Errc::kGone},
                                    {"OOM command not allowed", Errc::kStorageFull},
                                    {"WRONGFORMAT", Errc::kInternal},
                                    {"LOADING Redis is loading", Errc::kUnavailable}}) {
    Reply reply;
    reply.type = Reply::Type::kError;
    reply.text = words;
    EXPECT_EQ(error_of(reply).code, code);
    EXPECT_EQ(error_of(reply).detail, words);
  }
}

TEST(FunctionsBytes, PositionsRiseAcrossBatchesAndInThem) {
  EXPECT_LT(position(1, kBatchItemsMax - 1), position(2, 0));
  EXPECT_EQ(counter_of(position(77, 5)), 77u);
  EXPECT_EQ(index_of(position(77, 5)), 5u);
}

TEST(FunctionsBytes, KeysOfAShardShareASlot) {
  const Keys keys("parley", 3);
  EXPECT_EQ(keys.state, "{parley:3}state");
  EXPECT_EQ(keys.log, "{parley:3}log");
  EXPECT_EQ(keys.open(TenantId{12}), "{parley:3}open:12");
}

}  // namespace
}  // namespace parley::store::redis::test
