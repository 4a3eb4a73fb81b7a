#pragma once
#include <array>
#include <charconv>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace parley {

/// A 64-bit snowflake (base/snowflake.hpp) that knows what it names. Zero means "none". In JSON always a string of
/// decimal digits.
template <class Tag>
struct Id {
  std::uint64_t value = 0;
  auto operator<=>(const Id&) const = default;
  explicit operator bool() const noexcept { return value != 0; }
  std::string str() const { return std::to_string(value); }
  /// nullopt unless `text` is 1 to 19 decimal digits without sign or leading zero, and fits in 63 bits.
  static std::optional<Id> parse(std::string_view text) noexcept {
    std::uint64_t v = 0;
    if (text.empty() || text.size() > 19 || text[0] == '0') return std::nullopt;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (ec != std::errc{} || end != text.data() + text.size() || v > INT64_MAX) return std::nullopt;
    return Id{v};
  }
};

using TenantId = Id<struct TenantTag>;
using AccountId = Id<struct AccountTag>;
using AgentId = Id<struct AgentTag>;
using VisitorId = Id<struct VisitorTag>;
using ChannelId = Id<struct ChannelTag>;
using ConversationId = Id<struct ConversationTag>;  ///< ends in 6 bits of count and 6 bits of lane
using MessageId = Id<struct MessageTag>;

/// Who acts. The letter is the one used on the wire and in stores.
enum class PrincipalKind : std::uint8_t { kVisitor = 'v', kAgent = 'a', kBot = 'b', kApiKey = 'k', kSystem = 's' };
struct Principal {
  PrincipalKind kind = PrincipalKind::kSystem;
  std::uint64_t id = 0;
  auto operator<=>(const Principal&) const = default;
  static Principal visitor(VisitorId v) { return {PrincipalKind::kVisitor, v.value}; }
  static Principal agent(AgentId a) { return {PrincipalKind::kAgent, a.value}; }
  std::string str() const { return std::string(1, static_cast<char>(kind)) + ':' + std::to_string(id); }
};

/// A sender instance: 12 random bytes, 16 characters of base64url on the wire.
struct DevId {
  std::array<std::uint8_t, 12> bytes{};
  auto operator<=>(const DevId&) const = default;
  static std::optional<DevId> parse(std::string_view base64url) noexcept;  ///< exactly 16 characters
  std::string str() const;
};

/// Spreads ids over hash tables and lanes (the finaliser of SplitMix64).
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// CRC-32 (IEEE) of the id's eight little-endian bytes: chooses a tenant's home reactor.
std::uint32_t crc32_of(std::uint64_t id) noexcept;

}  // namespace parley

template <class Tag>
struct std::hash<parley::Id<Tag>> {
  std::size_t operator()(parley::Id<Tag> id) const noexcept { return parley::mix64(id.value); }
};
template <>
struct std::hash<parley::Principal> {
  std::size_t operator()(const parley::Principal& p) const noexcept {
    return parley::mix64(p.id * 31 + static_cast<unsigned>(p.kind));
  }
};
