#pragma once
#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/snowflake.hpp"
#include "parley/config/settings.hpp"

namespace parley::session {

/// Which reactor does what. A tenant hashes by CRC-32 to its first reactor; a wide tenant has the following ones too,
/// and its conversations are spread over them by the lane in their id. Pure and immutable: every reactor computes the
/// same.
class Placement {
 public:
  Placement(std::size_t reactors, const config::Settings::Tenant& settings);

  /// Number of reactors of a tenant, by its slug (configuration names slugs).
  std::size_t width(std::string_view slug) const;
  /// Queue, lists and presence of the tenant.
  std::size_t desk(TenantId tenant) const { return crc32_of(tenant.value) % reactors_; }
  /// The home of a conversation.
  std::size_t home(TenantId tenant, std::size_t width, ConversationId conv) const {
    return nth(tenant, lane_of(conv) % width);
  }
  /// Where a visitor's sockets and its open-conversation pointer live; its new conversations carry lane(), so they have
  /// their home there too.
  std::size_t visitor(TenantId tenant, std::size_t width, VisitorId visitor) const {
    return nth(tenant, lane(visitor) % width);
  }
  std::size_t agent(TenantId tenant, std::size_t width, AgentId agent) const {
    return nth(tenant, crc32_of(agent.value) % width);
  }
  /// Of all conversations of a visitor, whatever the width, so that visitor and conversations meet on one reactor also
  /// after the tenant was given more of them.
  static unsigned lane(VisitorId visitor) { return static_cast<unsigned>(mix64(visitor.value) & 63); }

 private:
  std::size_t nth(TenantId tenant, std::size_t i) const { return (crc32_of(tenant.value) + i) % reactors_; }
  std::size_t reactors_;
  std::size_t default_width_;
  std::unordered_map<std::string, std::size_t> wide_;
};

}  // namespace parley::session
