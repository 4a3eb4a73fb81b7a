#include "conversation_views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "context.hpp"
#include "parley/protocol/server_frame.hpp"
#include "parley/store/repositories.hpp"

namespace parley::net::api {

using domain::ConversationMeta;
using protocol::Status;

asio::awaitable<Outcome<Names>> names_of(Context& c, TenantId tenant) {
  auto work = [tenant](store::Sql& sql) -> Outcome<Names> {
    Names names;
    for (store::Agent& agent : store::agents::of_tenant(sql, tenant))
      names.emplace(agent.id.value, std::move(agent.display_name));
    return names;
  };
  return c.deps.database.read(std::move(work));
}
std::string_view name_in(const Names& names, std::uint64_t agent) {
  const auto found = names.find(agent);
  return found == names.end() ? std::string_view() : found->second;
}

std::string position_of(const ConversationMeta& meta) {
  switch (meta.status) {
    case Status::kWaiting:
      return fmt::format("0{:019}", meta.waiting_since_ns);
    case Status::kClosed:
      return fmt::format("1{:019}", std::numeric_limits<std::int64_t>::max() - meta.closed_ns);
    case Status::kNew:
    case Status::kActive:
      break;
  }
  return fmt::format("1{:019}", std::numeric_limits<std::int64_t>::max() - std::max(meta.last_ts_ns, meta.created_ns));
}

void append_row(std::string& out, const ConversationMeta& meta, const Names& names) {
  const std::string position = position_of(meta);
  protocol::ConversationView view;
  view.conv = meta.id;
  view.number = meta.number;
  view.epoch = meta.epoch;
  view.head = meta.head;
  view.status = meta.status;
  view.claim = meta.claim;
  view.assignee = {meta.assignee.value, name_in(names, meta.assignee.value)};
  view.visitor = {meta.visitor.value, {}};
  view.channel = meta.channel;
  view.created_ms = to_ms(meta.created_ns);
  view.last_ts_ms = to_ms(meta.last_ts_ns);
  view.last_text = meta.preview;
  view.last_from = meta.last_from;
  view.last_seq = meta.last_text_seq;
  if (meta.status == Status::kWaiting) view.waiting_since_ms = to_ms(meta.waiting_since_ns);
  view.pos = position;
  protocol::append_conversation(out, view);
}

}  // namespace parley::net::api
