#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "outcome.hpp"
#include "parley/domain/conversation.hpp"

/// How conversations look in REST.
namespace parley::net::api {

struct Context;

/// Names of the agents of a tenant, by id.
using Names = std::unordered_map<std::uint64_t, std::string>;
boost::asio::awaitable<Outcome<Names>> names_of(Context& c, TenantId tenant);
/// "" for somebody unknown.
std::string_view name_in(const Names& names, std::uint64_t agent);

/// Sorts rows as text, ascending: who waits longest comes first, then the newest. The same form as in the lists of the
/// socket.
std::string position_of(const domain::ConversationMeta& meta);
void append_row(std::string& out, const domain::ConversationMeta& meta, const Names& names);

}  // namespace parley::net::api
