#include "parley/protocol/pack.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

namespace parley::protocol {
namespace {

static_assert(std::endian::native == std::endian::little, "pack v1 is little endian and written by memcpy");

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kVarintMax = 10;
// Everything of an item that has a fixed width.
constexpr std::size_t kFixedBytes = 1 + 8 + 8 + 8 + 8 + 1 + 8 + 12 + 8 + 1 + 1 + 8;
constexpr std::size_t kItemMin = kFixedBytes + 3;  // with the shortest n, claim and length

template <class T>
char* put(char* p, T value) {
  std::memcpy(p, &value, sizeof value);
  return p + sizeof value;
}

char* put_varint(char* p, std::uint64_t value) {
  while (value >= 0x80) {
    *p++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *p++ = static_cast<char>(value);
  return p;
}

/// Reads from a view; after the first failure everything is zero and failure() says why.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T fixed() {
    T value{};
    if (rest_.size() < sizeof value) {
      fail("cut off");
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kVarintMax; ++i) {
      if (i == rest_.size()) {
        fail("cut off");
        return 0;
      }
      const auto byte = static_cast<std::uint8_t>(rest_[i]);
      if (i + 1 == kVarintMax && byte > 1) break;  // above 64 bits
      value |= std::uint64_t{byte & 0x7fu} << (7 * i);
      if (byte < 0x80) {
        if (byte == 0 && i > 0) break;  // a shorter form exists; one value has one form, so that packs compare as bytes
        rest_.remove_prefix(i + 1);
        return value;
      }
    }
    fail("a varint that is too long");
    return 0;
  }

  std::string_view bytes(std::uint64_t size) {
    if (size > rest_.size()) {
      fail("cut off");
      return {};
    }
    const std::string_view out = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(out.size());
    return out;
  }

  void fail(const char* why) {
    if (failure_ == nullptr) failure_ = why;
    rest_ = {};
  }
  const char* failure() const { return failure_; }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  const char* failure_ = nullptr;
};

bool known(PrincipalKind kind) {
  switch (kind) {
    case PrincipalKind::kVisitor:
    case PrincipalKind::kAgent:
    case PrincipalKind::kBot:
    case PrincipalKind::kApiKey:
    case PrincipalKind::kSystem:
      return true;
  }
  return false;
}

PackItem read_item(Reader& in) {
  PackItem item;
  item.kind = static_cast<EntryType>(in.fixed<std::uint8_t>());
  item.tenant.value = in.fixed<std::uint64_t>();
  item.conv.value = in.fixed<std::uint64_t>();
  item.id.value = in.fixed<std::uint64_t>();
  item.ts_ns = in.fixed<std::int64_t>();
  item.principal.kind = static_cast<PrincipalKind>(in.fixed<std::uint8_t>());
  item.principal.id = in.fixed<std::uint64_t>();
  item.dev.bytes = in.fixed<decltype(item.dev.bytes)>();
  item.n = in.varint();
  item.hash = in.fixed<std::uint64_t>();
  item.claim = in.varint();
  const auto audience = in.fixed<std::uint8_t>();
  const auto codec = in.fixed<std::uint8_t>();
  item.key_id = in.fixed<std::uint64_t>();
  item.bytes = in.bytes(in.varint());
  if (in.failure() != nullptr) return item;
  if (!known(item.principal.kind)) in.fail("an unknown kind of principal");
  if (audience > static_cast<std::uint8_t>(Audience::kInternal)) in.fail("an unknown audience");
  if (codec > static_cast<std::uint8_t>(Codec::kSnappy)) in.fail("an unknown codec");
  item.audience = static_cast<Audience>(audience);
  item.codec = static_cast<Codec>(codec);
  return item;
}

}  // namespace

void append_pack(std::string& out, const PackItem* items, std::size_t count) {
  std::size_t bound = 2 + kVarintMax;
  for (std::size_t i = 0; i < count; ++i) bound += kFixedBytes + 3 * kVarintMax + items[i].bytes.size();
  const std::size_t before = out.size();
  out.resize(before + bound);
  char* p = out.data() + before;
  *p++ = static_cast<char>(kVersion);
  *p++ = 0;
  p = put_varint(p, count);
  for (std::size_t i = 0; i < count; ++i) {
    const PackItem& item = items[i];
    p = put(p, static_cast<std::uint8_t>(item.kind));
    p = put(p, item.tenant.value);
    p = put(p, item.conv.value);
    p = put(p, item.id.value);
    p = put(p, item.ts_ns);
    p = put(p, static_cast<std::uint8_t>(item.principal.kind));
    p = put(p, item.principal.id);
    p = put(p, item.dev.bytes);
    p = put_varint(p, item.n);
    p = put(p, item.hash);
    p = put_varint(p, item.claim);
    p = put(p, static_cast<std::uint8_t>(item.audience));
    p = put(p, static_cast<std::uint8_t>(item.codec));
    p = put(p, item.key_id);
    p = put_varint(p, item.bytes.size());
    if (!item.bytes.empty()) std::memcpy(p, item.bytes.data(), item.bytes.size());
    p += item.bytes.size();
  }
  out.resize(static_cast<std::size_t>(p - out.data()));
}

Result<std::vector<PackItem>> read_pack(std::string_view pack) {
  Reader in(pack);
  const auto version = in.fixed<std::uint8_t>();
  const auto flags = in.fixed<std::uint8_t>();
  const std::uint64_t count = in.failure() == nullptr && version == kVersion && flags == 0 ? in.varint() : 0;
  if (in.failure() == nullptr && (version != kVersion || flags != 0)) {
    return Error(Errc::kGone, "a pack of version " + std::to_string(version) + " with flags " + std::to_string(flags) +
                                  "; this program reads version 1 with flags 0, use a newer one");
  }
  std::vector<PackItem> items;
  // The count is not to be trusted before the bytes for it are there.
  if (count > in.left() / kItemMin) in.fail("cut off");
  if (in.failure() == nullptr) items.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count && in.failure() == nullptr; ++i) items.push_back(read_item(in));
  if (in.failure() == nullptr && in.left() != 0) in.fail("trailing bytes");
  if (in.failure() != nullptr) return Error(Errc::kBadInput, std::string("damaged pack: ") + in.failure());
  return items;
}

}  // namespace parley::protocol
