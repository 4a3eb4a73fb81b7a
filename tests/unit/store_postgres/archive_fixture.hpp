#pragma once
#include <optional>
#include <string>

#include "message_facts.hpp"
#include "parley/domain/sender.hpp"
#include "postgres/archive.hpp"
#include "postgres_fixture.hpp"
#include "sender_results.hpp"

namespace parley::store::test {

inline constexpr TenantId kTenant{11};
inline constexpr ChannelId kChannel{21};
inline constexpr VisitorId kVisitor{31};
inline constexpr AgentId kAgent{41};
inline constexpr std::int64_t kTime = 1'717'200'000'000'000'000;  // 2024-06-01

inline DevId dev(std::uint8_t number) {
  DevId id;
  id.bytes.fill(number);
  return id;
}
inline std::string bytes_of(const DevId& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

/// A row of message as the flusher leaves it.
struct ArchivedRow {
  std::uint64_t seq = 1, skip = 0, rev = 0;  // rev 0: seq
  std::uint32_t flags = kHasText;
  Audience audience = Audience::kPublic;
  EntryType type = EntryType::kText;
  Principal from = Principal::visitor(kVisitor);
  std::optional<protocol::Status> status;
  std::uint64_t claim = 0;
  std::uint64_t assignee = 0;
  std::optional<std::string> body = R"({"text":"hello"})";
  std::int64_t ts_ns = 0;  // 0: kTime + seq seconds
};

inline void add_row(Sql& sql, ConversationId conv, const ArchivedRow& row) {
  const auto number = [](std::uint64_t value) -> SqlValue { return static_cast<std::int64_t>(value); };
  sql.query(
      "insert into message (pos, tenant_id, conv, seq, id, ts_ns, channel_id, principal_id, n, hash, skip, rev, claim, "
      "assignee, flags, audience, kind, principal_kind, status, dev, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 7, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {number(row.seq * 4096),
       number(kTenant.value),
       number(conv.value),
       number(row.seq),
       number(900 + row.seq),
       row.ts_ns != 0 ? row.ts_ns : kTime + static_cast<std::int64_t>(row.seq) * 1'000'000'000,
       number(kChannel.value),
       number(row.from.id),
       number(row.seq),
       number(row.skip),
       number(row.rev != 0 ? row.rev : row.seq),
       number(row.claim),
       row.status ? number(row.assignee) : SqlValue(nullptr),
       number(row.flags),
       static_cast<std::int64_t>(row.audience),
       static_cast<std::int64_t>(row.type),
       static_cast<std::int64_t>(row.from.kind),
       row.status ? SqlValue(static_cast<std::int64_t>(*row.status)) : SqlValue(nullptr),
       Blob{bytes_of(dev(3))},
       row.body ? SqlValue(*row.body) : SqlValue(nullptr)});
}

}  // namespace parley::store::test
