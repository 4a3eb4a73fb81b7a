#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <ostream>

#include "parley/store/repositories.hpp"

/// What every engine must do with the SQL of the entities. A test binary includes this once and names its engine:
/// INSTANTIATE_TEST_SUITE_P(Sqlite, RepositoriesTest, ::testing::Values(EngineKind{"sqlite", &make_engine}));
namespace parley::store::test {

/// An empty, migrated database and a connection to it.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual Sql& sql() = 0;
};
struct EngineKind {
  const char* name;
  std::unique_ptr<Engine> (*make)();
};
inline void PrintTo(const EngineKind& kind, std::ostream* out) { *out << kind.name; }  // in the names of tests

class RepositoriesTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  RepositoriesTest() : engine(GetParam().make()), sql(engine->sql()) {
    tenants::insert(sql, tenant(1, "one"));
    tenants::insert(sql, tenant(2, "two"));
    accounts::insert(sql, account(5, "a@example.org"));
    accounts::insert(sql, account(6, "b@example.org"));
  }
  static Tenant tenant(std::uint64_t id, std::string slug) {
    Tenant t;
    t.id = TenantId{id};
    t.slug = std::move(slug);
    t.name = "Name 名";
    t.created_ns = 7;
    return t;
  }
  static Account account(std::uint64_t id, std::string email) {
    Account a;
    a.id = AccountId{id};
    a.email = std::move(email);
    a.password_hash = "hash";
    return a;
  }
  static Agent agent(std::uint64_t id, std::uint64_t tenant, std::uint64_t account, Role role) {
    Agent a;
    a.id = AgentId{id};
    a.tenant = TenantId{tenant};
    a.account = AccountId{account};
    a.role = role;
    a.display_name = "Li Na";
    a.created_ns = static_cast<std::int64_t>(id);
    return a;
  }
  template <class F>
  static SqlError::Kind kind_of(F work) {
    try {
      work();
    } catch (const SqlError& error) {
      return error.kind;
    }
    return SqlError::Kind::kOther;
  }

  std::unique_ptr<Engine> engine;
  Sql& sql;
};

TEST_P(RepositoriesTest, Tenants) {
  EXPECT_TRUE(tenants::any(sql));
  EXPECT_EQ(tenants::all(sql).size(), 2u);
  EXPECT_FALSE(tenants::by_slug(sql, "three"));
  Tenant one = *tenants::by_slug(sql, "one");
  EXPECT_EQ(one.name, "Name 名");
  EXPECT_EQ(one.created_ns, 7);
  one.disabled = true;
  one.settings = R"({"reopen_window_h":1})";
  tenants::update(sql, one);
  EXPECT_TRUE(tenants::by_id(sql, one.id)->disabled);
  EXPECT_EQ(tenants::by_id(sql, one.id)->settings, one.settings);
  EXPECT_FALSE(tenants::by_id(sql, TenantId{2})->disabled);
  EXPECT_EQ(kind_of([&] { tenants::insert(sql, tenant(3, "one")); }), SqlError::Kind::kUnique);
}

TEST_P(RepositoriesTest, Accounts) {
  EXPECT_FALSE(accounts::by_email(sql, "c@example.org"));
  Account a = *accounts::by_email(sql, "a@example.org");
  a.locale = "zh-CN";
  a.password_hash = "other";
  accounts::update(sql, a);
  EXPECT_EQ(accounts::by_id(sql, a.id)->locale, "zh-CN");
  EXPECT_EQ(accounts::by_id(sql, a.id)->password_hash, "other");
  a.email = "b@example.org";
  EXPECT_EQ(kind_of([&] { accounts::update(sql, a); }), SqlError::Kind::kUnique);
}

TEST_P(RepositoriesTest, Agents) {
  agents::insert(sql, agent(10, 1, 5, Role::kOwner));
  agents::insert(sql, agent(11, 1, 6, Role::kAgent));
  agents::insert(sql, agent(12, 2, 5, Role::kAdmin));
  EXPECT_EQ(kind_of([&] { agents::insert(sql, agent(13, 2, 5, Role::kAgent)); }), SqlError::Kind::kUnique)
      << "one person once per tenant";
  EXPECT_EQ(agents::by_id(sql, AgentId{10})->email, "a@example.org");
  EXPECT_TRUE(agents::in_tenant(sql, TenantId{1}, AgentId{11}));
  EXPECT_FALSE(agents::in_tenant(sql, TenantId{2}, AgentId{11})) << "another tenant's";
  EXPECT_EQ(agents::of_tenant(sql, TenantId{1}).size(), 2u);
  EXPECT_EQ(agents::of_account(sql, AccountId{5}).size(), 2u);
  EXPECT_EQ(agents::enabled_owners(sql, TenantId{1}), 1u);
  EXPECT_EQ(agents::enabled_owners(sql, TenantId{2}), 0u);

  Agent owner = *agents::by_id(sql, AgentId{10});
  owner.disabled = true;
  owner.role = Role::kSupervisor;
  owner.display_name = "Other";
  agents::update(sql, owner);
  EXPECT_EQ(agents::by_id(sql, AgentId{10})->role, Role::kSupervisor);
  EXPECT_EQ(agents::by_id(sql, AgentId{10})->display_name, "Other");
  EXPECT_EQ(agents::enabled_owners(sql, TenantId{1}), 0u);
  ASSERT_EQ(agents::of_account(sql, AccountId{5}).size(), 1u) << "disabled ones are left out";
  Tenant two = *tenants::by_id(sql, TenantId{2});
  two.disabled = true;
  tenants::update(sql, two);
  EXPECT_TRUE(agents::of_account(sql, AccountId{5}).empty()) << "and those of disabled tenants";
}

TEST_P(RepositoriesTest, Channels) {
  Channel c;
  c.id = ChannelId{20};
  c.tenant = TenantId{1};
  c.name = "Site";
  c.public_key = "pk_a";
  c.allowed_origins = {"https://a.example", "http://b.example:8080"};
  channels::insert(sql, c);
  EXPECT_EQ(channels::by_key(sql, "pk_a")->allowed_origins, c.allowed_origins);
  EXPECT_FALSE(channels::by_key(sql, "pk_b"));
  EXPECT_FALSE(channels::in_tenant(sql, TenantId{2}, c.id));
  c.allowed_origins.clear();
  c.settings = R"({"color":"#fff"})";
  channels::update(sql, c);
  ASSERT_EQ(channels::of_tenant(sql, TenantId{1}).size(), 1u);
  EXPECT_TRUE(channels::of_tenant(sql, TenantId{1})[0].allowed_origins.empty());
  EXPECT_EQ(channels::in_tenant(sql, TenantId{1}, c.id)->settings, c.settings);
}

TEST_P(RepositoriesTest, ConsoleSessions) {
  agents::insert(sql, agent(10, 1, 5, Role::kOwner));
  agents::insert(sql, agent(12, 2, 5, Role::kAdmin));
  const std::string hash("\0binary\xff", 8), other = "other";
  for (const std::string& token : {hash, other}) {
    ConsoleSession s;
    s.token_hash = token;
    s.account = AccountId{5};
    s.agent = AgentId{10};
    s.created_ns = 100;
    s.last_used_ns = 100;
    s.remember = true;
    console_sessions::insert(sql, s);
  }
  console_sessions::touch(sql, hash, 500);
  console_sessions::touch(sql, hash, 400);
  console_sessions::select_agent(sql, hash, AgentId{12});
  const ConsoleSession found = *console_sessions::by_hash(sql, hash);
  EXPECT_EQ(found.last_used_ns, 500) << "never backwards";
  EXPECT_EQ(found.agent, AgentId{12});
  EXPECT_TRUE(found.remember);
  EXPECT_EQ(found.token_hash, hash);
  console_sessions::erase_idle(sql, 50, 200);
  EXPECT_FALSE(console_sessions::by_hash(sql, other)) << "not used since 100";
  EXPECT_TRUE(console_sessions::by_hash(sql, hash));
  console_sessions::erase_of_account(sql, AccountId{5}, hash);
  EXPECT_TRUE(console_sessions::by_hash(sql, hash));
  console_sessions::erase_of_account(sql, AccountId{5}, "");
  EXPECT_FALSE(console_sessions::by_hash(sql, hash));
}

TEST_P(RepositoriesTest, ApiTokens) {
  agents::insert(sql, agent(10, 1, 5, Role::kOwner));
  ApiToken t;
  t.id = 30;
  t.agent = AgentId{10};
  t.name = "script";
  t.token_hash = "hash";
  t.created_ns = 1;
  api_tokens::insert(sql, t);
  api_tokens::touch(sql, 30, 9);
  EXPECT_EQ(api_tokens::by_hash(sql, "hash")->last_used_ns, 9);
  EXPECT_EQ(api_tokens::of_agent(sql, AgentId{10}).size(), 1u);
  EXPECT_FALSE(api_tokens::erase(sql, AgentId{11}, 30)) << "somebody else's";
  EXPECT_TRUE(api_tokens::erase(sql, AgentId{10}, 30));
  EXPECT_FALSE(api_tokens::by_hash(sql, "hash"));
}

TEST_P(RepositoriesTest, WordLists) {
  WordList w;
  w.id = 40;
  w.tenant = TenantId{1};
  w.name = "bad";
  w.action = "mask";
  w.words = {"foo", "坏", "with \"quotes\""};
  word_lists::insert(sql, w);
  ASSERT_EQ(word_lists::of_tenant(sql, TenantId{1}).size(), 1u);
  EXPECT_EQ(word_lists::of_tenant(sql, TenantId{1})[0].words, w.words);
  EXPECT_TRUE(word_lists::of_tenant(sql, TenantId{2}).empty());
  w.action = "block";
  EXPECT_TRUE(word_lists::update(sql, w));
  EXPECT_EQ(word_lists::of_tenant(sql, TenantId{1})[0].action, "block");
  w.tenant = TenantId{2};
  EXPECT_FALSE(word_lists::update(sql, w)) << "another tenant's";
  EXPECT_FALSE(word_lists::erase(sql, TenantId{2}, 40));
  EXPECT_TRUE(word_lists::erase(sql, TenantId{1}, 40));
}

TEST_P(RepositoriesTest, TheStatementCacheForgetsTheOldest) {
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(sql.query("select " + std::to_string(i % 300) + ", ?", {"x"})[0].i64(0), i % 300);
  }
}

}  // namespace parley::store::test
