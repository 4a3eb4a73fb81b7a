#pragma once
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "parley/base/ids.hpp"

namespace parley::store::standard {

/// Numbers of conversations that a lane has taken from Redis and not used yet, per tenant. Those that opened nothing
/// are used for the next conversation.
class ConversationNumbers {
 public:
  static constexpr std::uint64_t kAtOnce = 16;  ///< asked for

  /// The lowest one; 0: there is none.
  std::uint64_t take(TenantId tenant) {
    std::set<std::uint64_t>& free = tenants_[tenant].free;
    if (free.empty()) return 0;
    return free.extract(free.begin()).value();
  }
  void give_back(TenantId tenant, std::uint64_t number) { tenants_[tenant].free.insert(number); }

  /// False if they are asked for already.
  bool begin_asking(TenantId tenant) { return !std::exchange(tenants_[tenant].asked, true); }
  void end_asking(TenantId tenant) { tenants_[tenant].asked = false; }
  /// Those up to `last` are ours.
  void arrived(TenantId tenant, std::uint64_t last) {
    for (std::uint64_t number = last - kAtOnce + 1; number <= last; ++number) give_back(tenant, number);
  }

 private:
  struct Tenant {
    std::set<std::uint64_t> free;
    bool asked = false;
  };
  std::unordered_map<TenantId, Tenant> tenants_;
};

}  // namespace parley::store::standard
