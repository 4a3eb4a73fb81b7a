#include "parley/protocol/pack.hpp"

#include <gtest/gtest.h>

namespace parley::protocol {
namespace {

PackItem sample(std::string_view bytes = R"({"text":"hi"})") {
  PackItem item;
  item.kind = EntryType::kEdit;
  item.tenant = {0x0102030405060708};
  item.conv = {7261402113};
  item.id = {7261409999};
  item.ts_ns = -5;
  item.principal = {PrincipalKind::kVisitor, 42};
  for (unsigned i = 0; i < 12; ++i) item.dev.bytes[i] = static_cast<std::uint8_t>(i + 1);
  item.n = 300;
  item.hash = 0xfedcba9876543210;
  item.claim = 2;
  item.audience = Audience::kInternal;
  item.codec = Codec::kSnappy;
  item.key_id = 9;
  item.bytes = bytes;
  return item;
}

std::string packed(const std::vector<PackItem>& items) {
  std::string out;
  append_pack(out, items.data(), items.size());
  return out;
}

void expect_same(const PackItem& a, const PackItem& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.tenant, b.tenant);
  EXPECT_EQ(a.conv, b.conv);
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.ts_ns, b.ts_ns);
  EXPECT_EQ(a.principal, b.principal);
  EXPECT_EQ(a.dev, b.dev);
  EXPECT_EQ(a.n, b.n);
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_EQ(a.claim, b.claim);
  EXPECT_EQ(a.audience, b.audience);
  EXPECT_EQ(a.codec, b.codec);
  EXPECT_EQ(a.key_id, b.key_id);
  EXPECT_EQ(a.bytes, b.bytes);
}

TEST(Pack, GivesBackWhatWasPutIn) {
  PackItem refusal;
  refusal.kind = EntryType::kRefusal;
  refusal.n = (1ULL << 53) - 1;
  const char code[] = {12};
  refusal.bytes = {code, 1};
  const std::string big(70000, 'x');
  PackItem extreme = sample(big);
  extreme.n = UINT64_MAX;
  extreme.claim = UINT64_MAX;
  const std::vector<PackItem> items{sample(), refusal, extreme, PackItem{}};
  const std::string bytes = packed(items);
  const auto read = read_pack(bytes);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i) expect_same((*read)[i], items[i]);
  EXPECT_TRUE(read_pack(packed({}))->empty());
}

TEST(Pack, LayoutIsTheDocumentedOne) {
  const std::string bytes = packed({sample("ab")});
  const std::string expected =
      std::string("\x01\x00\x01", 3) + "\x08" + "\x08\x07\x06\x05\x04\x03\x02\x01" +
      std::string("\xc1\xf8\xcf\xb0\x01\x00\x00\x00", 8) + std::string("\x8f\x17\xd0\xb0\x01\x00\x00\x00", 8) +
      "\xfb\xff\xff\xff\xff\xff\xff\xff" + "v" + std::string("\x2a\x00\x00\x00\x00\x00\x00\x00", 8) +
      "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c" + "\xac\x02" + "\x10\x32\x54\x76\x98\xba\xdc\xfe" + "\x02" +
      "\x01" + "\x01" + std::string("\x09\x00\x00\x00\x00\x00\x00\x00", 8) + "\x02" + "ab";
  // 7261402113 and 7261409999 as hexadecimal, least significant byte first.
  std::string conv, id;
  for (int i = 0; i < 8; ++i) {
    conv += static_cast<char>(7261402113ULL >> (8 * i) & 0xff);
    id += static_cast<char>(7261409999ULL >> (8 * i) & 0xff);
  }
  std::string fixed = expected;
  fixed.replace(12, 8, conv).replace(20, 8, id);
  EXPECT_EQ(bytes, fixed);
}

TEST(Pack, RefusesEveryTruncationAndTrailingBytes) {
  const std::string bytes = packed({sample(), sample("")});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = read_pack(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, Errc::kBadInput) << size;
  }
  const auto trailing = read_pack(bytes + "x");
  ASSERT_FALSE(trailing);
  EXPECT_NE(trailing.error().detail.find("trailing"), std::string::npos);
}

TEST(Pack, StopsAtAVersionItDoesNotKnowAndSaysSo) {
  std::string bytes = packed({sample()});
  bytes[0] = 2;
  auto read = read_pack(bytes);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kGone);
  EXPECT_NE(read.error().detail.find("version 2"), std::string::npos);
  bytes[0] = 1;
  bytes[1] = 1;
  read = read_pack(bytes);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kGone);
}

TEST(Pack, RefusesWhatItCannotMean) {
  const std::string good = packed({sample()});
  const auto with = [&](std::size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    return read_pack(bytes);
  };
  const std::size_t principal = 3 + 1 + 8 + 8 + 8 + 8, n = principal + 9 + 12, hash = n + 2, audience = hash + 8 + 1,
                    codec = audience + 1;
  ASSERT_EQ(good[principal], 'v');
  for (const auto& [at, value, word] : std::vector<std::tuple<std::size_t, char, std::string>>{
           {principal, '?', "principal"}, {audience, 2, "audience"}, {codec, 2, "codec"}, {n + 1, 0, "varint"}}) {
    const auto read = with(at, value);
    ASSERT_FALSE(read) << word;
    EXPECT_EQ(read.error().code, Errc::kBadInput);
    EXPECT_NE(read.error().detail.find(word), std::string::npos) << read.error().detail;
  }
  EXPECT_FALSE(read_pack(std::string("\x01\x00", 2) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")) << "above 64 bits";
  EXPECT_FALSE(read_pack(std::string("\x01\x00", 2) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
      << "a count without items";
  EXPECT_FALSE(read_pack(std::string("\x01\x00", 2) + "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
      << "eleven bytes";
}

}  // namespace
}  // namespace parley::protocol
