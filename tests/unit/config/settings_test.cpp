#include "parley/config/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "config/option_table.hpp"

namespace parley::config {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

using Variables = std::map<std::string, std::string>;

Settings with(const Variables& variables, std::string_view toml = "") {
  std::vector<std::string> names;
  for (const auto& [name, value] : variables) names.push_back(name);
  return load_text(
      "parley.toml", toml,
      [&](const char* name) -> const char* {
        auto at = variables.find(name);
        return at == variables.end() ? nullptr : at->second.c_str();
      },
      names);
}

/// The one line a person would see; "" if `toml` is accepted.
std::string refusal(std::string_view toml) {
  try {
    load_text("parley.toml", toml);
    return "";
  } catch (const ConfigError& e) {
    return e.what();
  }
}
std::string refusal_of_environment(const Variables& variables) {
  try {
    with(variables);
    return "";
  } catch (const ConfigError& e) {
    return e.what();
  }
}

TEST(Settings, AnEmptyFileGivesTheDefaults) {
  Settings settings = load_text("parley.toml", "");
  EXPECT_EQ(settings.server.port, 8080);
  EXPECT_EQ(settings.session.hello, 5s);
  EXPECT_EQ(settings.store.folder, "data");
}

TEST(Settings, ReadsEveryKindOfValue) {
  Settings settings = load_text("parley.toml", R"(
[server]
listen = "::1"
port = 0
trusted_proxies = ["10.0.0.0/8", "::1"]
drain = "2min"
[store]
folder = "/var/lib/parley"
[session]
visitor_sends_per_second = 2.5
agent_sends_per_second = 7
hello = "250ms"
[tenant]
wide = ["demo=2"]
[log]
format = "json"
)");
  EXPECT_EQ(settings.server.listen, "::1");
  EXPECT_EQ(settings.server.port, 0);
  EXPECT_THAT(settings.server.trusted_proxies, testing::ElementsAre("10.0.0.0/8", "::1"));
  EXPECT_EQ(settings.server.drain, 2min);
  EXPECT_EQ(settings.store.folder, "/var/lib/parley");
  EXPECT_DOUBLE_EQ(settings.session.visitor_sends_per_second, 2.5);
  EXPECT_DOUBLE_EQ(settings.session.agent_sends_per_second, 7) << "a whole number is a number too";
  EXPECT_EQ(settings.session.hello, 250ms);
  EXPECT_THAT(settings.tenant.wide, testing::ElementsAre("demo=2"));
  EXPECT_EQ(settings.log.format, "json");
}

TEST(Settings, AnUnknownKeyNamesFileLineAndTheNearestKey) {
  EXPECT_EQ(refusal("[session]\n\nhelo = \"5s\""),
            "parley.toml:3: there is no option session.helo; did you mean session.hello?");
  EXPECT_EQ(refusal("[server]\nfolder = \"x\""),
            "parley.toml:2: there is no option server.folder; did you mean store.folder?")
      << "the right key in the wrong section";
  EXPECT_EQ(refusal("port = 1"), "parley.toml:1: there is no option port; did you mean server.port?");
  EXPECT_EQ(refusal("[sesion]\nhello = \"5s\""),
            "parley.toml:1: there is no section [sesion]; did you mean [session]?");
  EXPECT_EQ(refusal("[server]\nzzzzzzzzzz = 1"), "parley.toml:2: there is no option server.zzzzzzzzzz")
      << "no guess is better than a wild one";
  EXPECT_EQ(refusal("[server]\n\"a\\nb\" = 1").find('\n'), std::string::npos) << "a key cannot break the line";
}

TEST(Settings, AValueThatIsNotAcceptedNamesKeyValueAndRange) {
  EXPECT_EQ(refusal("[server]\nport = 99999"),
            "parley.toml:2: server.port = 99999 is not accepted; expected an integer (0 … 65535)");
  EXPECT_EQ(refusal("[session]\nhello = \"1ms\""),
            "parley.toml:2: session.hello = \"1ms\" is not accepted; expected a duration (100ms … 1min), such as "
            "\"15s\", \"250ms\", \"5min\" or \"12h\"");
  EXPECT_THAT(refusal("[session]\nhello = 5"), HasSubstr("session.hello = 5 is not accepted"))
      << "a number without a unit";
  EXPECT_THAT(refusal("[session]\nhello = \"61s\""), HasSubstr("not accepted"));
  EXPECT_THAT(refusal("[log]\nlevel = \"loud\""), EndsWith("expected a text (trace, debug, info, warn, error, off)"));
  EXPECT_THAT(refusal("[server]\nport = -1"), HasSubstr("server.port = -1"));
  EXPECT_THAT(refusal("[server]\nport = \"80\""), HasSubstr("server.port = \"80\""));
  EXPECT_THAT(refusal("[server]\nport = 80.5"), HasSubstr("server.port = 80.5"));
  EXPECT_THAT(refusal("[server]\nport = true"), HasSubstr("server.port = true"));
  EXPECT_THAT(refusal("[server]\nport = 1979-05-27"), HasSubstr("server.port = a value of another kind"));
  EXPECT_THAT(refusal("[server.port]\na = 1"), HasSubstr("server.port = a value of another kind"));
  EXPECT_THAT(refusal("[session]\nvisitor_sends_per_second = nan"), HasSubstr("not accepted"));
  EXPECT_THAT(refusal("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"here\"]"),
              HasSubstr("[\"10.0.0.0/8\", \"here\"] is not accepted"));
  EXPECT_THAT(refusal("[server]\ntrusted_proxies = [1]"), HasSubstr("not accepted"));
  EXPECT_THAT(refusal("[store]\nfolder = \"\""), HasSubstr("not accepted"));
}

TEST(Settings, TheFirstProblemOfTheFileIsTheOneReported) {
  EXPECT_THAT(refusal("[store]\nreaders = 0\n[log]\nlevel = \"x\"\n"), StartsWith("parley.toml:2: store.readers"))
      << "although `log` sorts before `store`";
}

TEST(Settings, ABrokenFileNamesTheLine) {
  EXPECT_THAT(refusal("[server]\nport = \n"), StartsWith("parley.toml:2: "));
  EXPECT_THAT(refusal("[server]\nport = 1\nport = 2"), StartsWith("parley.toml:3: "));
}

TEST(Settings, ARefusalStaysOneLineWhateverTheFileHolds) {
  const std::string line = refusal("[server]\nlisten = t\nport = 8080\n");
  EXPECT_THAT(line, HasSubstr("parley.toml:"));
  EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  EXPECT_EQ(refusal("listen = t\x1b\r\n").find_first_of("\x1b\r\n"), std::string::npos);
}

TEST(Settings, TheEnvironmentWinsOverTheFile) {
  Settings settings = with({{"PARLEY_SERVER__PORT", "9000"},
                            {"PARLEY_SERVER__TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16"},
                            {"PARLEY_SESSION__HELLO", "2s"},
                            {"PARLEY_SESSION__VISITOR_SENDS_PER_SECOND", "0.5"},
                            {"PARLEY_STORE__FOLDER", "/tmp/x"}},
                           "[server]\nport = 8000\nlisten = \"0.0.0.0\"");
  EXPECT_EQ(settings.server.port, 9000);
  EXPECT_EQ(settings.server.listen, "0.0.0.0");
  EXPECT_THAT(settings.server.trusted_proxies, testing::ElementsAre("10.0.0.1", "10.1.0.0/16"));
  EXPECT_EQ(settings.session.hello, 2s);
  EXPECT_DOUBLE_EQ(settings.session.visitor_sends_per_second, 0.5);
  EXPECT_EQ(settings.store.folder, "/tmp/x");
  EXPECT_TRUE(with({{"PARLEY_SERVER__TRUSTED_PROXIES", ""}}, "[server]\ntrusted_proxies = [\"::1\"]")
                  .server.trusted_proxies.empty());
}

TEST(Settings, TheEnvironmentIsCheckedLikeTheFile) {
  EXPECT_THAT(refusal_of_environment({{"PARLEY_SERVER__PORT", "80a"}}),
              StartsWith("PARLEY_SERVER__PORT: server.port = \"80a\" is not accepted; expected an integer"));
  EXPECT_EQ(refusal_of_environment({{"PARLEY_SERVER__PROT", "1"}}),
            "environment: PARLEY_SERVER__PROT names no option; did you mean PARLEY_SERVER__PORT?");
  EXPECT_EQ(refusal_of_environment({{"PARLEY_SERVER_PORT", "1"}}),
            "environment: PARLEY_SERVER_PORT names no option; did you mean PARLEY_SERVER__PORT?")
      << "one underscore too few";
  EXPECT_EQ(refusal_of_environment({{"PARLEY_TEST_SCALE", "full"}, {"HOME", "/root"}}), "")
      << "names of others are left alone";
}

TEST(Settings, TwoListenersCannotShareAPort) {
  EXPECT_EQ(refusal("[server]\nport = 9090"),
            "server.port and ops.port are both 9090; give the metrics a port of their own with ops.port");
  EXPECT_EQ(refusal("[server]\nport = 0\n[ops]\nport = 0"), "") << "0 means any free port";
}

TEST(Settings, SetTakesOneOptionFromTheCommandLine) {
  Settings settings;
  set(settings, "server.port", "8181", "--port");
  EXPECT_EQ(settings.server.port, 8181);
  auto message = [&](std::string_view key, std::string_view value) {
    try {
      set(settings, key, value, "--x");
      return std::string();
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(message("server.port", "x"), StartsWith("--x: server.port = \"x\" is not accepted"));
  EXPECT_THAT(message("server.prt", "1"), StartsWith("--x: there is no option server.prt"));
  EXPECT_EQ(settings.server.port, 8181) << "a refused value changes nothing";
}

TEST(Settings, AFileThatCannotBeReadIsRefused) {
  auto message = [](const std::filesystem::path& file) {
    try {
      load(file, nullptr);
      return std::string();
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(message("no/such.toml"), StartsWith("no/such.toml: cannot be read"));
  EXPECT_THAT(message("/"), StartsWith("/: cannot be read"));
  EXPECT_EQ(message(""), "") << "no file: the defaults";
  auto file = std::filesystem::temp_directory_path() / ("parley-config-" + std::to_string(::getpid()) + ".toml");
  std::ofstream(file) << "[server]\nport = 1\n";
  EXPECT_EQ(load(file, nullptr).server.port, 1);
  std::filesystem::remove(file);
}

/// Counts the members of an aggregate: how many things that convert to anything does its braced list take?
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... Given>
consteval std::size_t members() {
  if constexpr (requires { T{std::declval<Given>()..., Anything()}; }) {
    return members<T, Given..., Anything>();
  } else {
    return sizeof...(Given);
  }
}

TEST(OptionTable, HasARowForEveryMemberOfSettings) {
  static_assert(members<Settings>() == 8, "a new section: add its members below");
  constexpr std::size_t expected = members<Settings::Server>() + members<Settings::Ops>() + members<Settings::Store>() +
                                   members<Settings::Redis>() + members<Settings::Postgres>() +
                                   members<Settings::Session>() + members<Settings::Tenant>() +
                                   members<Settings::Log>();
  EXPECT_EQ(rows().size(), expected) << "src/config/option_table.cpp lacks a row, or has one too many";
}

TEST(OptionTable, KeysAreUniqueAndBelongToASection) {
  std::set<std::string> keys;
  for (const OptionInfo& info : options()) {
    EXPECT_TRUE(keys.insert(info.key).second) << info.key;
    EXPECT_FALSE(info.doc.empty()) << info.key;
    std::string section = info.key.substr(0, info.key.find('.'));
    EXPECT_TRUE(std::any_of(sections().begin(), sections().end(), [&](const Section& s) { return s.name == section; }))
        << info.key;
  }
}

TEST(OptionTable, EveryDefaultIsAcceptedByItsOwnRow) {
  std::string toml;
  for (const OptionInfo& info : options()) toml += info.key + " = " + info.default_text + "\n";
  EXPECT_EQ(refusal(toml), "");
}

TEST(OptionTable, EveryRowChangesItsOwnMemberAndNoOther) {
  for (const Row& row : rows()) {
    Settings changed;
    bool taken = false;
    for (const char* text : {"11", "64", "20000", "17s", "192.0.2.1", "http://a.example", "x=2", "debug", "json",
                             "standard", "redis://192.0.2.1", "off", "2097152"}) {
      try {
        set(changed, row.info.key, text, "test");
        taken = true;
        break;
      } catch (const ConfigError&) {  // a value for another kind of row
      }
    }
    ASSERT_TRUE(taken) << row.info.key << ": give this test a value the row accepts";
    for (const Row& other : rows()) {
      if (other.info.key == row.info.key) {
        EXPECT_NE(other.print(changed), other.info.default_text) << row.info.key << " does not write what it prints";
      } else {
        EXPECT_EQ(other.print(changed), other.info.default_text)
            << row.info.key << " writes the member of " << other.info.key;
      }
    }
  }
}

TEST(Settings, RefusesAddressesOfRedisThatCannotWork) {
  for (const char* url : {"redis://127.0.0.1", "redis://:secret@db.example:6380/2", "unix:/run/redis.sock"})
    EXPECT_EQ(refusal(std::string("[redis]\nurl = \"") + url + "\"\n"), "") << url;
  for (const char* url : {"127.0.0.1:6379", "redis://", "redis:///0", "unix:", "http://a.example"})
    EXPECT_THAT(refusal(std::string("[redis]\nurl = \"") + url + "\"\n"), HasSubstr("redis.url")) << url;
  EXPECT_THAT(refusal("[redis]\nprefix = \"a{b\"\n"), HasSubstr("redis.prefix"));
}

TEST(EnvironmentName, IsUpperCaseWithTwoUnderscoresForTheDot) {
  EXPECT_EQ(environment_name("session.visitor_ping"), "PARLEY_SESSION__VISITOR_PING");
}

}  // namespace
}  // namespace parley::config
