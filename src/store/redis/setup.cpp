#include "redis/setup.hpp"

#include <charconv>
#include <stdexcept>

#include "redis/endpoint.hpp"
#include "redis/info.hpp"

namespace parley::store::redis {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

[[noreturn]] void refuse(const BlockingClient& client, const std::string& why) {
  throw std::runtime_error("Redis at " + describe(client.endpoint()) + " " + why);
}

unsigned major_of(std::string_view version) {
  unsigned major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

void read_info(std::string_view info, ServerFacts& facts) {
  facts.version = info_value(info, "redis_version");
  facts.maxmemory = number(info_value(info, "maxmemory"));
  facts.maxmemory_policy = info_value(info, "maxmemory_policy");
  const std::string aof = info_value(info, "aof_enabled");
  if (!aof.empty()) facts.appendonly = aof == "1";
}

/// CONFIG GET answers names and values in turn.
void read_config(const Reply& reply, ServerFacts& facts) {
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) {
    const std::string& name = reply.items[i].text;
    const std::string& value = reply.items[i + 1].text;
    if (name == "appendonly") facts.appendonly = value == "yes";
    if (name == "appendfsync") facts.appendfsync = value;
    if (name == "maxmemory") facts.maxmemory = number(value);
    if (name == "maxmemory-policy") facts.maxmemory_policy = value;
  }
}

void warn_of_losses(ServerFacts& facts) {
  if (facts.appendonly == false) {
    facts.warnings.push_back(
        "appendonly is no: a restart or crash of Redis loses every acknowledged message that is not yet archived; set "
        "appendonly yes and appendfsync always");
    return;
  }
  if (facts.appendfsync == "everysec")
    facts.warnings.push_back(
        "appendfsync is everysec: a power loss can lose about the last second of acknowledged messages; set "
        "appendfsync always to lose none");
  else if (!facts.appendfsync.empty() && facts.appendfsync != "always")
    facts.warnings.push_back("appendfsync is " + facts.appendfsync +
                             ": a power loss can lose about the last 30 seconds of acknowledged messages; set "
                             "appendfsync always to lose none");
}

}  // namespace

ServerFacts check_server(BlockingClient& client) {
  ServerFacts facts;
  // One call per section: INFO takes several only since 7.0, and an older server must be told so.
  std::string info;
  for (const char* section : {"server", "memory", "persistence", "replication", "cluster"}) {
    const Reply reply = client.call(Command{"INFO", section});
    if (reply.is_error())
      refuse(client, "does not answer INFO (" + reply.text + "); allow the user of Parley the commands it needs");
    info += reply.text;
  }
  read_info(info, facts);
  if (major_of(facts.version) < 7)
    refuse(client, "has version " + (facts.version.empty() ? "unknown" : facts.version) +
                       "; Parley needs Redis 7.0 or newer (functions): upgrade it");
  if (info_value(info, "role") == "slave")
    refuse(client, "is a replica and takes no writes; give the address of its primary");
  if (info_value(info, "redis_mode") == "cluster")
    refuse(client, "runs in cluster mode, which Parley does not speak; use a stand-alone server");

  const Reply config = client.call(Command{"CONFIG", "GET", "append*"});
  const Reply limits = client.call(Command{"CONFIG", "GET", "maxmemory*"});
  if (config.is_error() || limits.is_error())
    facts.warnings.push_back("CONFIG GET is not allowed (" + (config.is_error() ? config : limits).text +
                             "): it could not be checked that appendonly is yes, appendfsync always and "
                             "maxmemory-policy noeviction");
  read_config(config, facts);
  read_config(limits, facts);
  if (!facts.maxmemory_policy.empty() && facts.maxmemory_policy != "noeviction")
    refuse(client, "has maxmemory-policy " + facts.maxmemory_policy +
                       ", which throws messages away when memory is short; set maxmemory-policy noeviction");
  warn_of_losses(facts);
  return facts;
}

Command library_query(std::string_view name) {
  return Command{"FUNCTION", "LIST", "LIBRARYNAME", std::string(name), "WITHCODE"};
}

bool library_is_current(const Reply& reply, std::string_view name, std::string_view source) {
  for (const Reply& library : reply.items) {
    bool same_name = false, same_code = false;
    for (std::size_t i = 0; i + 1 < library.items.size(); i += 2) {
      if (library.items[i].text == "library_name") same_name = library.items[i + 1].text == name;
      if (library.items[i].text == "library_code") same_code = library.items[i + 1].text == source;
    }
    if (same_name && same_code) return true;
  }
  return false;
}

Command library_load(std::string_view source) { return Command{"FUNCTION", "LOAD", "REPLACE", std::string(source)}; }

bool load_library(BlockingClient& client, std::string_view name, std::string_view source) {
  // If listing is not allowed, loading may be.
  if (library_is_current(client.call(library_query(name)), name, source)) return false;
  const Reply loaded = client.call(library_load(source));
  if (loaded.is_error()) refuse(client, "refuses the function library " + std::string(name) + ": " + loaded.text);
  return true;
}

}  // namespace parley::store::redis
