#pragma once
#include <optional>
#include <string>
#include <vector>

#include "parley/store/entities.hpp"
#include "parley/store/sql.hpp"

/// SQL of the entities, written once for every engine. Called inside Database::read and ::write; they throw SqlError
/// (kUnique when a unique value is taken). What is not found is nullopt. Every query of a tenant's things names the
/// tenant.
namespace parley::store {

namespace tenants {
void insert(Sql&, const Tenant&);
std::optional<Tenant> by_id(Sql&, TenantId);
std::optional<Tenant> by_slug(Sql&, std::string_view slug);
std::vector<Tenant> all(Sql&);
bool any(Sql&);
void update(Sql&, const Tenant&);
}  // namespace tenants

namespace accounts {
void insert(Sql&, const Account&);
std::optional<Account> by_id(Sql&, AccountId);
std::optional<Account> by_email(Sql&, std::string_view email);
void update(Sql&, const Account&);
}  // namespace accounts

namespace agents {
void insert(Sql&, const Agent&);
std::optional<Agent> by_id(Sql&, AgentId);
std::optional<Agent> in_tenant(Sql&, TenantId, AgentId);
std::vector<Agent> of_tenant(Sql&, TenantId);
std::vector<Agent> of_account(Sql&, AccountId);  ///< enabled ones in enabled tenants, oldest first
std::size_t enabled_owners(Sql&, TenantId);
void update(Sql&, const Agent&);  ///< role, display_name, disabled
}  // namespace agents

namespace channels {
void insert(Sql&, const Channel&);
std::optional<Channel> by_key(Sql&, std::string_view public_key);
std::optional<Channel> in_tenant(Sql&, TenantId, ChannelId);
std::vector<Channel> of_tenant(Sql&, TenantId);
void update(Sql&, const Channel&);  ///< name, allowed_origins, settings
}  // namespace channels

namespace console_sessions {
void insert(Sql&, const ConsoleSession&);
std::optional<ConsoleSession> by_hash(Sql&, std::string_view token_hash);
void touch(Sql&, std::string_view token_hash, std::int64_t now_ns);
void select_agent(Sql&, std::string_view token_hash, AgentId);
void erase(Sql&, std::string_view token_hash);
void erase_of_account(Sql&, AccountId, std::string_view except_hash);
void erase_idle(Sql&, std::int64_t created_before_ns, std::int64_t used_before_ns);
}  // namespace console_sessions

namespace api_tokens {
void insert(Sql&, const ApiToken&);
std::optional<ApiToken> by_hash(Sql&, std::string_view token_hash);
std::vector<ApiToken> of_agent(Sql&, AgentId);
bool erase(Sql&, AgentId, std::uint64_t id);
void touch(Sql&, std::uint64_t id, std::int64_t now_ns);
}  // namespace api_tokens

namespace word_lists {
void insert(Sql&, const WordList&);
std::vector<WordList> of_tenant(Sql&, TenantId);
bool update(Sql&, const WordList&);
bool erase(Sql&, TenantId, std::uint64_t id);
}  // namespace word_lists

}  // namespace parley::store
