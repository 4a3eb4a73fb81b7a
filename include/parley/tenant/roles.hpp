#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

/// Who may do what in a tenant. A role includes every right of the roles below it.
namespace parley::tenant {

/// The number is what stores keep and never changes; a higher one may do more.
enum class Role : std::uint8_t { kAgent = 0, kSupervisor = 1, kAdmin = 2, kOwner = 3 };

inline constexpr std::array<std::string_view, 4> kRoleNames{"agent", "supervisor", "admin", "owner"};
constexpr std::string_view to_string(Role role) noexcept { return kRoleNames[static_cast<std::size_t>(role)]; }
constexpr std::optional<Role> role_of(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kRoleNames.size(); ++i) {
    if (kRoleNames[i] == name) return static_cast<Role>(i);
  }
  return std::nullopt;
}

/// What the REST interface asks for. Rights on a single conversation also depend on who has it:
/// domain/conversation.hpp.
enum class Right : std::uint8_t {
  kUseConsole,     ///< own session, account and tokens; colleagues' names; sites; conversations
  kReadWordLists,  ///< see and try the lists of sensitive words
  kEditWordLists,
  kManageSites,
  kManagePeople,  ///< add and change agents up to the own role
  kManageOwners,  ///< make owners, and change what they are
  kEditTenant,
};
inline constexpr std::array<Role, 7> kLeastRole{Role::kAgent, Role::kSupervisor, Role::kAdmin, Role::kAdmin,
                                                Role::kAdmin, Role::kOwner,      Role::kAdmin};
constexpr bool may(Role role, Right right) noexcept { return role >= kLeastRole[static_cast<std::size_t>(right)]; }

/// May `actor` give an agent who is `from` (nullopt: a new one) the role `to`, or change a person of role `from` at
/// all? Owners are made, changed and unmade by owners only; everybody else by admins up.
constexpr bool may_change_role(Role actor, std::optional<Role> from, Role to) noexcept {
  const bool touches_owner = to == Role::kOwner || from == Role::kOwner;
  return may(actor, touches_owner ? Right::kManageOwners : Right::kManagePeople);
}

}  // namespace parley::tenant
