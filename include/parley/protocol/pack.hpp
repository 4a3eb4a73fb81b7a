#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/result.hpp"
#include "parley/protocol/types.hpp"

/// Pack v1: the bytes in which journals keep entries. Little endian:
///   u8 version = 1 · u8 flags = 0 · varint count · then per item
///   u8 kind · u64 tenant · u64 conv · u64 id · i64 ts_ns · u8 principal kind + u64 principal id · 12 B dev · varint n
///   · u64 hash · varint claim · u8 audience · u8 codec (0 JSON, 1 Snappy) · u64 key_id (0 = plain) · varint length ·
///   bytes
/// varint = LEB128, unsigned, at most 10 bytes, shortest form. A reader stops at a version it does not know and says
/// which one it reads.
namespace parley::protocol {

enum class Codec : std::uint8_t { kJson = 0, kSnappy = 1 };

struct PackItem {
  EntryType kind = EntryType::kText;
  TenantId tenant;
  ConversationId conv;
  MessageId id;
  std::int64_t ts_ns = 0;
  Principal principal;
  DevId dev;
  std::uint64_t n = 0;
  std::uint64_t hash = 0;
  std::uint64_t claim = 0;  ///< ownership number after this item
  Audience audience = Audience::kPublic;
  Codec codec = Codec::kJson;
  std::uint64_t key_id = 0;
  std::string_view bytes;  ///< body; for kRefusal one byte, the Code
};

/// Appends header and items.
void append_pack(std::string& out, const PackItem* items, std::size_t count);
/// Views point into `pack`. Errors: kBadInput (cut off, trailing bytes, a long varint, an unknown codec, audience or
/// kind of principal); kGone: a version or flags this program does not read. Unknown kinds of entries are passed on:
/// they advance seq and are not shown.
Result<std::vector<PackItem>> read_pack(std::string_view pack);

}  // namespace parley::protocol
