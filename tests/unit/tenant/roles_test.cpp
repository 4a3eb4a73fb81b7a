#include "parley/tenant/roles.hpp"

#include <gtest/gtest.h>

#include <string>

namespace parley::tenant {
namespace {

constexpr Role kAll[]{Role::kAgent, Role::kSupervisor, Role::kAdmin, Role::kOwner};

/// Which of agent, supervisor, admin, owner have the right: "..xx".
std::string who(Right right) {
  std::string out;
  for (const Role role : kAll) out += may(role, right) ? 'x' : '.';
  return out;
}

TEST(Roles, TheTableOfRights) {
  EXPECT_EQ(who(Right::kUseConsole), "xxxx");
  EXPECT_EQ(who(Right::kReadWordLists), ".xxx");
  EXPECT_EQ(who(Right::kEditWordLists), "..xx");
  EXPECT_EQ(who(Right::kManageSites), "..xx");
  EXPECT_EQ(who(Right::kManagePeople), "..xx");
  EXPECT_EQ(who(Right::kManageOwners), "...x");
  EXPECT_EQ(who(Right::kEditTenant), "..xx");
}

TEST(Roles, OnlyOwnersMakeChangeAndUnmakeOwners) {
  for (const Role actor : kAll) {
    const bool owner = actor == Role::kOwner;
    EXPECT_EQ(may_change_role(actor, std::nullopt, Role::kOwner), owner);
    EXPECT_EQ(may_change_role(actor, Role::kAdmin, Role::kOwner), owner);
    EXPECT_EQ(may_change_role(actor, Role::kOwner, Role::kAgent), owner);
    EXPECT_EQ(may_change_role(actor, Role::kOwner, Role::kOwner), owner)
        << "not even the name of an owner is an admin's to change";
  }
}

TEST(Roles, AdminsMakeAndChangeAllOthers) {
  for (const Role actor : kAll) {
    const bool admin = actor >= Role::kAdmin;
    EXPECT_EQ(may_change_role(actor, std::nullopt, Role::kAdmin), admin);
    EXPECT_EQ(may_change_role(actor, Role::kAgent, Role::kSupervisor), admin);
    EXPECT_EQ(may_change_role(actor, Role::kAdmin, Role::kAgent), admin);
  }
}

TEST(Roles, NamesGoThereAndBack) {
  for (const Role role : kAll) EXPECT_EQ(role_of(to_string(role)), role);
  EXPECT_EQ(role_of("root"), std::nullopt);
  EXPECT_EQ(role_of("Owner"), std::nullopt);
  EXPECT_EQ(role_of(""), std::nullopt);
}

}  // namespace
}  // namespace parley::tenant
