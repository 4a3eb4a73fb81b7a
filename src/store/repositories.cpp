#include "parley/store/repositories.hpp"

#include <nlohmann/json.hpp>

namespace parley::store {
namespace {

using Values = std::initializer_list<SqlValue>;

SqlValue num(std::uint64_t value) { return static_cast<std::int64_t>(value); }
template <class Tag>
SqlValue num(Id<Tag> id) {
  return static_cast<std::int64_t>(id.value);
}
SqlValue flag(bool value) { return std::int64_t{value ? 1 : 0}; }
SqlValue text(std::string_view value) { return std::string(value); }

std::string json_list(const std::vector<std::string>& values) {
  return nlohmann::json(values).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
std::vector<std::string> list_of(const std::string& json) {
  std::vector<std::string> values;
  const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_array()) return values;
  for (const auto& value : parsed) {
    if (value.is_string()) values.push_back(value.get<std::string>());
  }
  return values;
}

template <class Make>
auto all_of(const std::vector<SqlRow>& rows, Make make) {
  std::vector<decltype(make(rows[0]))> found;
  found.reserve(rows.size());
  for (const SqlRow& row : rows) found.push_back(make(row));
  return found;
}
template <class Make>
auto first_of(const std::vector<SqlRow>& rows, Make make) -> std::optional<decltype(make(rows[0]))> {
  if (rows.empty()) return std::nullopt;
  return make(rows[0]);
}

}  // namespace

namespace tenants {
namespace {
Tenant tenant_of(const SqlRow& row) {
  Tenant out;
  out.id = TenantId{row.u64(0)};
  out.slug = row.text(1);
  out.name = row.text(2);
  out.locale = row.text(3);
  out.time_zone = row.text(4);
  out.disabled = row.i64(5) != 0;
  out.settings = row.text(6);
  out.created_ns = row.i64(7);
  return out;
}
constexpr const char* kSelect =
    "select id, slug, name, locale, time_zone, status, settings, created_ns from tenant where deleted_at is null";
}  // namespace

void insert(Sql& sql, const Tenant& t) {
  sql.query(
      "insert into tenant (id, slug, name, locale, time_zone, status, settings, created_ns) values (?, ?, ?, ?, ?, ?, "
      "?, ?)",
      {num(t.id), text(t.slug), text(t.name), text(t.locale), text(t.time_zone), flag(t.disabled), text(t.settings),
       t.created_ns});
}
std::optional<Tenant> by_id(Sql& sql, TenantId id) {
  return first_of(sql.query(std::string(kSelect) + " and id = ?", {num(id)}), tenant_of);
}
std::optional<Tenant> by_slug(Sql& sql, std::string_view slug) {
  return first_of(sql.query(std::string(kSelect) + " and slug = ?", {text(slug)}), tenant_of);
}
std::vector<Tenant> all(Sql& sql) {
  return all_of(sql.query(std::string(kSelect) + " order by id", Values{}), tenant_of);
}
bool any(Sql& sql) { return !sql.query("select 1 from tenant limit 1", Values{}).empty(); }
void update(Sql& sql, const Tenant& t) {
  sql.query(
      "update tenant set slug = ?, name = ?, locale = ?, time_zone = ?, status = ?, settings = ?, row_version = "
      "row_version + 1 where id = ?",
      {text(t.slug), text(t.name), text(t.locale), text(t.time_zone), flag(t.disabled), text(t.settings), num(t.id)});
}
}  // namespace tenants

namespace accounts {
namespace {
Account account_of(const SqlRow& row) {
  Account out;
  out.id = AccountId{row.u64(0)};
  out.email = row.text(1);
  out.password_hash = row.text(2);
  out.locale = row.text(3);
  out.time_zone = row.text(4);
  out.created_ns = row.i64(5);
  return out;
}
constexpr const char* kSelect =
    "select id, email, password_hash, locale, time_zone, created_ns from account where deleted_at is null";
}  // namespace

void insert(Sql& sql, const Account& a) {
  sql.query("insert into account (id, email, password_hash, locale, time_zone, created_ns) values (?, ?, ?, ?, ?, ?)",
            {num(a.id), text(a.email), text(a.password_hash), text(a.locale), text(a.time_zone), a.created_ns});
}
std::optional<Account> by_id(Sql& sql, AccountId id) {
  return first_of(sql.query(std::string(kSelect) + " and id = ?", {num(id)}), account_of);
}
std::optional<Account> by_email(Sql& sql, std::string_view email) {
  return first_of(sql.query(std::string(kSelect) + " and email = ?", {text(email)}), account_of);
}
void update(Sql& sql, const Account& a) {
  sql.query(
      "update account set email = ?, password_hash = ?, locale = ?, time_zone = ?, row_version = row_version + 1 where "
      "id = ?",
      {text(a.email), text(a.password_hash), text(a.locale), text(a.time_zone), num(a.id)});
}
}  // namespace accounts

namespace agents {
namespace {
Agent agent_of(const SqlRow& row) {
  Agent out;
  out.id = AgentId{row.u64(0)};
  out.tenant = TenantId{row.u64(1)};
  out.account = AccountId{row.u64(2)};
  out.role = static_cast<Role>(row.i64(3));
  out.display_name = row.text(4);
  out.disabled = row.i64(5) != 0;
  out.created_ns = row.i64(6);
  out.email = row.text(7);
  return out;
}
constexpr const char* kSelect =
    "select agent.id, agent.tenant_id, agent.account_id, agent.role, agent.display_name, agent.disabled, "
    "agent.created_ns, account.email "
    "from agent join account on account.id = agent.account_id where agent.deleted_at is null";
}  // namespace

void insert(Sql& sql, const Agent& a) {
  sql.query(
      "insert into agent (id, tenant_id, account_id, role, display_name, disabled, created_ns) values (?, ?, ?, ?, ?, "
      "?, ?)",
      {num(a.id), num(a.tenant), num(a.account), static_cast<std::int64_t>(a.role), text(a.display_name),
       flag(a.disabled), a.created_ns});
}
std::optional<Agent> by_id(Sql& sql, AgentId id) {
  return first_of(sql.query(std::string(kSelect) + " and agent.id = ?", {num(id)}), agent_of);
}
std::optional<Agent> in_tenant(Sql& sql, TenantId tenant, AgentId id) {
  return first_of(sql.query(std::string(kSelect) + " and agent.tenant_id = ? and agent.id = ?", {num(tenant), num(id)}),
                  agent_of);
}
std::vector<Agent> of_tenant(Sql& sql, TenantId tenant) {
  return all_of(sql.query(std::string(kSelect) + " and agent.tenant_id = ? order by agent.id", {num(tenant)}),
                agent_of);
}
std::vector<Agent> of_account(Sql& sql, AccountId account) {
  return all_of(
      sql.query(std::string(kSelect) + " and agent.account_id = ? and agent.disabled = 0 and exists (select 1 from "
                                       "tenant where tenant.id = agent.tenant_id and tenant.status = 0 "
                                       "and tenant.deleted_at is null) order by agent.created_ns, agent.id",
                {num(account)}),
      agent_of);
}
std::size_t enabled_owners(Sql& sql, TenantId tenant) {
  return sql
      .query("select count(*) from agent where tenant_id = ? and role = ? and disabled = 0 and deleted_at is null",
             {num(tenant), static_cast<std::int64_t>(Role::kOwner)})[0]
      .u64(0);
}
void update(Sql& sql, const Agent& a) {
  sql.query(
      "update agent set role = ?, display_name = ?, disabled = ?, row_version = row_version + 1 where tenant_id = ? "
      "and id = ?",
      {static_cast<std::int64_t>(a.role), text(a.display_name), flag(a.disabled), num(a.tenant), num(a.id)});
}
}  // namespace agents

namespace channels {
namespace {
Channel channel_of(const SqlRow& row) {
  Channel out;
  out.id = ChannelId{row.u64(0)};
  out.tenant = TenantId{row.u64(1)};
  out.kind = row.text(2);
  out.name = row.text(3);
  out.public_key = row.text(4);
  out.allowed_origins = list_of(row.text(5));
  out.settings = row.text(6);
  out.created_ns = row.i64(7);
  return out;
}
constexpr const char* kSelect =
    "select id, tenant_id, kind, name, public_key, allowed_origins, settings, created_ns from channel where deleted_at "
    "is null";
}  // namespace

void insert(Sql& sql, const Channel& c) {
  sql.query(
      "insert into channel (id, tenant_id, kind, name, public_key, allowed_origins, settings, created_ns) values (?, "
      "?, ?, ?, ?, ?, ?, ?)",
      {num(c.id), num(c.tenant), text(c.kind), text(c.name), text(c.public_key), json_list(c.allowed_origins),
       text(c.settings), c.created_ns});
}
std::optional<Channel> by_key(Sql& sql, std::string_view key) {
  return first_of(sql.query(std::string(kSelect) + " and public_key = ?", {text(key)}), channel_of);
}
std::optional<Channel> in_tenant(Sql& sql, TenantId tenant, ChannelId id) {
  return first_of(sql.query(std::string(kSelect) + " and tenant_id = ? and id = ?", {num(tenant), num(id)}),
                  channel_of);
}
std::vector<Channel> of_tenant(Sql& sql, TenantId tenant) {
  return all_of(sql.query(std::string(kSelect) + " and tenant_id = ? order by id", {num(tenant)}), channel_of);
}
void update(Sql& sql, const Channel& c) {
  sql.query(
      "update channel set name = ?, allowed_origins = ?, settings = ?, row_version = row_version + 1 where tenant_id = "
      "? and id = ?",
      {text(c.name), json_list(c.allowed_origins), text(c.settings), num(c.tenant), num(c.id)});
}
}  // namespace channels

namespace console_sessions {
void insert(Sql& sql, const ConsoleSession& s) {
  sql.query(
      "insert into console_session (token_hash, account_id, agent_id, created_ns, last_used_ns, remember) values (?, "
      "?, ?, ?, ?, ?)",
      {Blob{s.token_hash}, num(s.account), num(s.agent), s.created_ns, s.last_used_ns, flag(s.remember)});
}
std::optional<ConsoleSession> by_hash(Sql& sql, std::string_view token_hash) {
  return first_of(sql.query("select token_hash, account_id, agent_id, created_ns, last_used_ns, remember from "
                            "console_session where token_hash = ?",
                            {Blob{std::string(token_hash)}}),
                  [](const SqlRow& row) {
                    ConsoleSession out;
                    out.token_hash = row.text(0);
                    out.account = AccountId{row.u64(1)};
                    out.agent = AgentId{row.u64(2)};
                    out.created_ns = row.i64(3);
                    out.last_used_ns = row.i64(4);
                    out.remember = row.i64(5) != 0;
                    return out;
                  });
}
void touch(Sql& sql, std::string_view token_hash, std::int64_t now_ns) {
  sql.query("update console_session set last_used_ns = ? where token_hash = ? and last_used_ns < ?",
            {now_ns, Blob{std::string(token_hash)}, now_ns});
}
void select_agent(Sql& sql, std::string_view token_hash, AgentId agent) {
  sql.query("update console_session set agent_id = ? where token_hash = ?",
            {num(agent), Blob{std::string(token_hash)}});
}
void erase(Sql& sql, std::string_view token_hash) {
  sql.query("delete from console_session where token_hash = ?", {Blob{std::string(token_hash)}});
}
void erase_of_account(Sql& sql, AccountId account, std::string_view except_hash) {
  sql.query("delete from console_session where account_id = ? and token_hash <> ?",
            {num(account), Blob{std::string(except_hash)}});
}
void erase_idle(Sql& sql, std::int64_t created_before_ns, std::int64_t used_before_ns) {
  sql.query("delete from console_session where created_ns < ? or last_used_ns < ?",
            {created_before_ns, used_before_ns});
}
}  // namespace console_sessions

namespace api_tokens {
namespace {
ApiToken token_of(const SqlRow& row) {
  ApiToken out;
  out.id = row.u64(0);
  out.agent = AgentId{row.u64(1)};
  out.name = row.text(2);
  out.token_hash = row.text(3);
  out.created_ns = row.i64(4);
  out.last_used_ns = row.i64(5);
  return out;
}
constexpr const char* kSelect = "select id, agent_id, name, token_hash, created_ns, last_used_ns from api_token where ";
}  // namespace

void insert(Sql& sql, const ApiToken& t) {
  sql.query(
      "insert into api_token (id, agent_id, name, token_hash, created_ns, last_used_ns) values (?, ?, ?, ?, ?, ?)",
      {num(t.id), num(t.agent), text(t.name), Blob{t.token_hash}, t.created_ns, t.last_used_ns});
}
std::optional<ApiToken> by_hash(Sql& sql, std::string_view token_hash) {
  return first_of(sql.query(std::string(kSelect) + "token_hash = ?", {Blob{std::string(token_hash)}}), token_of);
}
std::vector<ApiToken> of_agent(Sql& sql, AgentId agent) {
  return all_of(sql.query(std::string(kSelect) + "agent_id = ? order by id", {num(agent)}), token_of);
}
bool erase(Sql& sql, AgentId agent, std::uint64_t id) {
  sql.query("delete from api_token where agent_id = ? and id = ?", {num(agent), num(id)});
  return sql.changes() > 0;
}
void touch(Sql& sql, std::uint64_t id, std::int64_t now_ns) {
  sql.query("update api_token set last_used_ns = ? where id = ? and last_used_ns < ?", {now_ns, num(id), now_ns});
}
}  // namespace api_tokens

namespace word_lists {
void insert(Sql& sql, const WordList& w) {
  sql.query("insert into word_list (id, tenant_id, name, action, words, updated_ns) values (?, ?, ?, ?, ?, ?)",
            {num(w.id), num(w.tenant), text(w.name), text(w.action), json_list(w.words), w.updated_ns});
}
std::vector<WordList> of_tenant(Sql& sql, TenantId tenant) {
  return all_of(sql.query("select id, tenant_id, name, action, words, updated_ns from word_list where tenant_id = ? "
                          "and deleted_at is null order by id",
                          {num(tenant)}),
                [](const SqlRow& row) {
                  WordList out;
                  out.id = row.u64(0);
                  out.tenant = TenantId{row.u64(1)};
                  out.name = row.text(2);
                  out.action = row.text(3);
                  out.words = list_of(row.text(4));
                  out.updated_ns = row.i64(5);
                  return out;
                });
}
bool update(Sql& sql, const WordList& w) {
  sql.query(
      "update word_list set name = ?, action = ?, words = ?, updated_ns = ?, row_version = row_version + 1 where "
      "tenant_id = ? and id = ?",
      {text(w.name), text(w.action), json_list(w.words), w.updated_ns, num(w.tenant), num(w.id)});
  return sql.changes() > 0;
}
bool erase(Sql& sql, TenantId tenant, std::uint64_t id) {
  sql.query("delete from word_list where tenant_id = ? and id = ?", {num(tenant), num(id)});
  return sql.changes() > 0;
}
}  // namespace word_lists

}  // namespace parley::store
