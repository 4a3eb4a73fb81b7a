#include "redis/setup.hpp"

#include <gtest/gtest.h>

#include "redis_fixture.hpp"

namespace parley::store::redis::test {
namespace {

std::string refusal_of(const Endpoint& endpoint) {
  BlockingClient client(endpoint, 1s, 1s);
  try {
    check_server(client);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(RedisSetup, FindsNothingToSayAboutADurableServer) {
  RedisServer server;
  BlockingClient client(tcp(server), 1s, 1s);
  const ServerFacts facts = check_server(client);
  EXPECT_TRUE(facts.version.starts_with("7.")) << facts.version;
  EXPECT_EQ(facts.appendonly, true);
  EXPECT_EQ(facts.appendfsync, "always");
  EXPECT_EQ(facts.maxmemory, 0u);
  EXPECT_EQ(facts.maxmemory_policy, "noeviction");
  EXPECT_TRUE(facts.warnings.empty());
}

TEST(RedisSetup, WarnsOfWhatAPowerLossCanTake) {
  RedisServer server;
  BlockingClient client(tcp(server), 1s, 1s);
  client.call({"CONFIG", "SET", "appendfsync", "everysec"});
  ASSERT_EQ(check_server(client).warnings.size(), 1u);
  EXPECT_TRUE(contains(check_server(client).warnings[0], "last second of acknowledged messages"));
  client.call({"CONFIG", "SET", "appendfsync", "no"});
  ASSERT_EQ(check_server(client).warnings.size(), 1u);
  EXPECT_TRUE(contains(check_server(client).warnings[0], "30 seconds"));
  client.call({"CONFIG", "SET", "appendonly", "no"});
  const ServerFacts facts = check_server(client);
  EXPECT_EQ(facts.appendonly, false);
  ASSERT_EQ(facts.warnings.size(), 1u);
  EXPECT_TRUE(contains(facts.warnings[0], "every acknowledged message that is not yet archived"));
}

TEST(RedisSetup, RefusesAServerThatEvicts) {
  RedisServer::Options options;
  options.arguments = {"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"};
  RedisServer server(options);
  const std::string refusal = refusal_of(tcp(server));
  EXPECT_TRUE(contains(refusal, "maxmemory-policy allkeys-lru")) << refusal;
  EXPECT_TRUE(contains(refusal, "set maxmemory-policy noeviction")) << refusal;
}

TEST(RedisSetup, RefusesAReplicaAndACluster) {
  RedisServer::Options replica;
  replica.arguments = {"--replicaof", "127.0.0.1 1"};
  RedisServer follower(replica);
  EXPECT_TRUE(contains(refusal_of(tcp(follower)), "is a replica"));
  RedisServer::Options cluster;
  cluster.arguments = {"--cluster-enabled", "yes", "--cluster-port", std::to_string(parley::test::free_port())};
  RedisServer member(cluster);
  EXPECT_TRUE(contains(refusal_of(tcp(member)), "cluster mode"));
}

TEST(RedisSetup, RefusesAnOldVersion) {
  FakeServer server([](int fd, int) {
    FakeServer::sign_in(fd);
    while (FakeServer::read_until(fd, "\r\n") != "") {
      const std::string info = "# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n";
      if (FakeServer::read_until(fd, "INFO\r\n").empty()) return;
      FakeServer::read_until(fd, "\r\n");
      FakeServer::read_until(fd, "\r\n");
      FakeServer::say(fd, "$" + std::to_string(info.size()) + "\r\n" + info + "\r\n");
    }
  });
  const std::string refusal = refusal_of(server.endpoint());
  EXPECT_TRUE(contains(refusal, "6.2.14")) << refusal;
  EXPECT_TRUE(contains(refusal, "7.0 or newer")) << refusal;
}

TEST(RedisSetup, ManagesWithoutConfigButSaysSo) {
  RedisServer server;
  BlockingClient admin(tcp(server), 1s, 1s);
  ASSERT_EQ(admin.call({"ACL", "SETUSER", "parley", "on", ">pw", "~*", "+@all", "-config"}).text, "OK");
  Endpoint endpoint = tcp(server);
  endpoint.user = "parley";
  endpoint.password = "pw";
  BlockingClient client(endpoint, 1s, 1s);
  const ServerFacts facts = check_server(client);
  EXPECT_EQ(facts.appendonly, true) << "INFO tells";
  EXPECT_EQ(facts.appendfsync, "");
  ASSERT_EQ(facts.warnings.size(), 1u);
  EXPECT_TRUE(contains(facts.warnings[0], "CONFIG GET is not allowed")) << facts.warnings[0];
  admin.call({"CONFIG", "SET", "maxmemory-policy", "volatile-lru"});
  EXPECT_TRUE(contains(refusal_of(endpoint), "volatile-lru")) << "INFO tells that too";
}

TEST(RedisSetup, SaysThatInfoIsForbidden) {
  RedisServer server;
  BlockingClient admin(tcp(server), 1s, 1s);
  admin.call({"ACL", "SETUSER", "parley", "on", ">pw", "~*", "+ping"});
  Endpoint endpoint = tcp(server);
  endpoint.user = "parley";
  endpoint.password = "pw";
  EXPECT_TRUE(contains(refusal_of(endpoint), "does not answer INFO"));
}

std::string library(const std::string& body) {
  return "#!lua name=testlib\nredis.register_function('test_f', function() return " + body + " end)\n";
}

TEST(RedisSetup, LoadsALibraryOnceAndAgainWhenItDiffers) {
  RedisServer server;
  BlockingClient client(tcp(server), 1s, 1s);
  EXPECT_TRUE(load_library(client, "testlib", library("1")));
  EXPECT_EQ(client.call({"FCALL", "test_f", "0"}).integer, 1);
  EXPECT_FALSE(load_library(client, "testlib", library("1")));
  EXPECT_TRUE(load_library(client, "testlib", library("2")));
  EXPECT_EQ(client.call({"FCALL", "test_f", "0"}).integer, 2);
  server.kill_hard();
  server.restart();
  EXPECT_THROW(client.call({"PING"}), ConnectionError);
  EXPECT_FALSE(load_library(client, "testlib", library("2"))) << "functions are in the append-only file";
  client.call({"FUNCTION", "FLUSH"});
  EXPECT_FALSE(library_is_current(client.call(library_query("testlib")), "testlib", library("2")));
  EXPECT_EQ(client.call(library_load(library("2"))).text, "testlib");
  EXPECT_TRUE(library_is_current(client.call(library_query("testlib")), "testlib", library("2")));
}

TEST(RedisSetup, SaysWhyALibraryIsRefused) {
  RedisServer server;
  BlockingClient client(tcp(server), 1s, 1s);
  try {
    load_library(client, "testlib", "#!lua name=testlib\nthis is no lua\n");
    FAIL() << "it was taken";
  } catch (const std::runtime_error& e) {
    EXPECT_TRUE(contains(e.what(), "refuses the function library testlib")) << e.what();
  }
}

}  // namespace
}  // namespace parley::store::redis::test
