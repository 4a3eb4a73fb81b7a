#pragma once
#include "parley/domain/conversation.hpp"

namespace parley::store {

/// The columns of a conversation that every engine has, in the order of meta_of().
inline constexpr const char* kMetaColumns =
    "tenant_id, id, channel_id, visitor_id, number, epoch, status, claim, assignee, head, public_head, last_pos, "
    "created_ns, last_ts_ns, last_text_seq, last_from, preview, waiting_since, first_response_at, closed_ns, "
    "closed_by_kind, closed_by_id, closed_reason";
inline constexpr int kBehindMeta = 23;  ///< the column that comes next

/// Of a row with these columns, whatever engine it comes from: it has u64(), i64() and text() of a column.
template <class Row>
domain::ConversationMeta meta_of(const Row& row) {
  domain::ConversationMeta meta;
  meta.tenant = TenantId{row.u64(0)};
  meta.id = ConversationId{row.u64(1)};
  meta.channel = ChannelId{row.u64(2)};
  meta.visitor = VisitorId{row.u64(3)};
  meta.number = row.u64(4);
  meta.epoch = row.text(5);
  meta.status = static_cast<protocol::Status>(row.i64(6));
  meta.claim = row.u64(7);
  meta.assignee = AgentId{row.u64(8)};
  meta.head = row.u64(9);
  meta.public_head = row.u64(10);
  meta.last_pos = row.u64(11);
  meta.created_ns = row.i64(12);
  meta.last_ts_ns = row.i64(13);
  meta.last_text_seq = row.u64(14);
  meta.last_from = static_cast<char>(row.i64(15));
  meta.preview = row.text(16);
  meta.waiting_since_ns = row.i64(17);
  meta.first_response_ns = row.i64(18);
  meta.closed_ns = row.i64(19);
  if (meta.closed_ns != 0) meta.closed_by = {static_cast<PrincipalKind>(row.i64(20)), row.u64(21)};
  meta.closed_reason = row.text(22);
  return meta;
}

}  // namespace parley::store
