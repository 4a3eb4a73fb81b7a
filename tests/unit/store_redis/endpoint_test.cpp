#include "redis/endpoint.hpp"

#include <gtest/gtest.h>

namespace parley::store::redis {
namespace {

TEST(RedisEndpoint, ReadsHostPortDatabaseAndUser) {
  struct Case {
    const char* url;
    const char* host;
    unsigned port;
    const char* user;
    const char* password;
    unsigned database;
  };
  for (const Case& c :
       {Case{"redis://localhost", "localhost", 6379, "", "", 0},
        Case{"redis://127.0.0.1:7000/3", "127.0.0.1", 7000, "", "", 3}, Case{"redis://h:1/", "h", 1, "", "", 0},
        Case{"redis://:secret@h", "h", 6379, "", "secret", 0},
        Case{"redis://parley:s%40c%2fr%3Aet@h:65535/15", "h", 65535, "parley", "s@c/r:et", 15},
        Case{"redis://[::1]:7000", "::1", 7000, "", "", 0}, Case{"redis://[fd00::2]/1", "fd00::2", 6379, "", "", 1}}) {
    const Result<Endpoint> endpoint = parse_endpoint(c.url);
    ASSERT_TRUE(endpoint) << c.url << ": " << endpoint.error().detail;
    EXPECT_EQ(endpoint->host, c.host) << c.url;
    EXPECT_EQ(endpoint->port, c.port) << c.url;
    EXPECT_EQ(endpoint->user, c.user) << c.url;
    EXPECT_EQ(endpoint->password, c.password) << c.url;
    EXPECT_EQ(endpoint->database, c.database) << c.url;
    EXPECT_EQ(endpoint->unix_socket, "") << c.url;
  }
}

TEST(RedisEndpoint, ReadsUnixSockets) {
  const Result<Endpoint> plain = parse_endpoint("unix:///run/redis/redis.sock");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->unix_socket, "/run/redis/redis.sock");
  const Result<Endpoint> brief = parse_endpoint("unix:/run/redis/redis.sock");
  ASSERT_TRUE(brief);
  EXPECT_EQ(brief->unix_socket, "/run/redis/redis.sock");
  const Result<Endpoint> full = parse_endpoint("unix://parley:pw@/run/redis.sock?database=4");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->unix_socket, "/run/redis.sock");
  EXPECT_EQ(full->user, "parley");
  EXPECT_EQ(full->password, "pw");
  EXPECT_EQ(full->database, 4u);
}

TEST(RedisEndpoint, RefusesWhatItCannotMeanAndNeverShowsThePassword) {
  const std::string long_path(108, 'x');
  for (const std::string& url : {std::string(""),
                                 std::string("localhost:6379"),
                                 std::string("http://h"),
                                 std::string("rediss://h"),
                                 std::string("redis://[[::1]"),
                                 std::string("redis://h\0i", 11),
                                 std::string("unix:/run\0/x", 12),
                                 std::string("redis://"),
                                 std::string("redis://:6379"),
                                 std::string("redis://h:"),
                                 std::string("redis://h:0"),
                                 std::string("redis://h:65536"),
                                 std::string("redis://h:x"),
                                 std::string("redis://h/x"),
                                 std::string("redis://h/99999"),
                                 std::string("redis://user@h"),
                                 std::string("redis://:hunter2%zz@h"),
                                 std::string("redis://:hunter2%4@h"),
                                 std::string("redis://[::1"),
                                 std::string("redis://[::1]x"),
                                 std::string("redis://h h"),
                                 std::string("redis://h?x=1"),
                                 std::string("unix://"),
                                 std::string("unix:///"),
                                 std::string("unix://run/x"),
                                 std::string("unix://:hunter2/x"),
                                 std::string("unix:///x?db=1"),
                                 std::string("unix:///x?database=a"),
                                 "unix:///" + long_path}) {
    const Result<Endpoint> endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, Errc::kBadInput);
    EXPECT_EQ(endpoint.error().detail.find("hunter2"), std::string::npos);
  }
}

TEST(RedisEndpoint, DescribesItselfWithoutThePassword) {
  EXPECT_EQ(describe(*parse_endpoint("redis://u:p@h:7/2")), "h:7");
  EXPECT_EQ(describe(*parse_endpoint("redis://[::1]")), "[::1]:6379");
  EXPECT_EQ(describe(*parse_endpoint("unix://u:p@/run/x")), "/run/x");
}

TEST(RedisEndpoint, SignsInWithWhatIsNeeded) {
  EXPECT_EQ(sign_in_commands(*parse_endpoint("redis://h")), (std::vector<Command>{{"PING"}}));
  EXPECT_EQ(sign_in_commands(*parse_endpoint("redis://:p@h/1")),
            (std::vector<Command>{{"AUTH", "p"}, {"SELECT", "1"}, {"PING"}}));
  EXPECT_EQ(sign_in_commands(*parse_endpoint("redis://u:p@h")), (std::vector<Command>{{"AUTH", "u", "p"}, {"PING"}}));
}

}  // namespace
}  // namespace parley::store::redis
