#include "redis/blocking_client.hpp"

#include <gtest/gtest.h>

#include "redis_fixture.hpp"

namespace parley::store::redis::test {
namespace {

std::string failure_of(BlockingClient& client, const Command& command) {
  try {
    client.call(command);
  } catch (const ConnectionError& e) {
    return e.what();
  }
  return {};
}

TEST(BlockingClient, AnswersOverTcpAndUnixSocketWithErrorsAsValues) {
  RedisServer server;
  for (Endpoint endpoint : {tcp(server), unix_socket(server)}) {
    endpoint.database = 2;
    BlockingClient client(endpoint, 1s, 1s);
    EXPECT_EQ(client.call({"SET", "k", std::string("a\0b", 3)}).text, "OK");
    EXPECT_EQ(client.call({"GET", "k"}).text, std::string("a\0b", 3));
    EXPECT_EQ(client.call({"LPUSH", "k", "x"}).error_word(), "WRONGTYPE");
    EXPECT_EQ(client.call({"GET", "none"}).type, Reply::Type::kNil);
    client.call({"SELECT", "0"});
    EXPECT_EQ(client.call({"DBSIZE"}).integer, 0) << "the database of the endpoint was selected";
  }
}

TEST(BlockingClient, PipelinesManyAndLargeCommandsInOrder) {
  RedisServer::Options options;
  options.appendonly = false;
  RedisServer server(options);
  BlockingClient client(tcp(server), 1s, 5s);
  std::vector<Command> commands;
  for (int i = 0; i < 20000; ++i) commands.push_back({"ECHO", std::to_string(i)});
  for (int i = 0; i < 20; ++i) commands.push_back({"ECHO", std::string(2u << 20, static_cast<char>('a' + i))});
  commands.push_back({"NOSUCH"});
  const std::vector<Reply> replies = client.pipeline(commands);
  ASSERT_EQ(replies.size(), commands.size());
  for (std::size_t i = 0; i < 20020; ++i) ASSERT_TRUE(replies[i].text == commands[i][1]) << i;
  EXPECT_TRUE(replies.back().is_error());
  EXPECT_TRUE(client.pipeline({}).empty());
}

TEST(BlockingClient, SaysWhatIsWrongAndConnectsAnewWithTheNextCommand) {
  RedisServer server;
  BlockingClient client(tcp(server), 300ms, 300ms);
  EXPECT_EQ(client.call({"PING"}).text, "PONG");
  server.pause();
  EXPECT_NE(failure_of(client, {"PING"}).find("no answer within 300 ms"), std::string::npos);
  server.resume();
  EXPECT_EQ(client.call({"ECHO", "x"}).text, "x") << "not the late answer to the PING";
  server.kill_hard();
  EXPECT_NE(failure_of(client, {"PING"}), "");
  const std::string refused = failure_of(client, {"PING"});
  EXPECT_NE(refused.find("cannot connect"), std::string::npos) << refused;
  EXPECT_NE(refused.find("127.0.0.1:" + std::to_string(server.port())), std::string::npos) << refused;
  server.restart();
  EXPECT_EQ(client.call({"PING"}).text, "PONG");
  client.disconnect();
  EXPECT_EQ(client.call({"PING"}).text, "PONG");
}

TEST(BlockingClient, SaysThatThePasswordIsWrong) {
  RedisServer::Options options;
  options.arguments = {"--requirepass", "secret"};
  RedisServer server(options);
  Endpoint endpoint = unix_socket(server);
  BlockingClient without(endpoint, 1s, 1s);
  EXPECT_NE(failure_of(without, {"PING"}).find("a password is needed"), std::string::npos);
  endpoint.password = "wrong";
  BlockingClient wrong(endpoint, 1s, 1s);
  const std::string reason = failure_of(wrong, {"PING"});
  EXPECT_NE(reason.find("wrong user or password"), std::string::npos) << reason;
  EXPECT_EQ(reason.find("secret"), std::string::npos);
  endpoint.password = "secret";
  BlockingClient right(endpoint, 1s, 1s);
  EXPECT_EQ(right.call({"PING"}).text, "PONG");
}

TEST(BlockingClient, ThrowsAtGarbage) {
  FakeServer server([](int fd, int) {
    FakeServer::sign_in(fd);
    FakeServer::read_until(fd, "PING\r\n");
    FakeServer::say(fd, "?what\r\n");
  });
  BlockingClient client(server.endpoint(), 1s, 1s);
  EXPECT_NE(failure_of(client, {"PING"}).find("Protocol error"), std::string::npos);
}

}  // namespace
}  // namespace parley::store::redis::test
