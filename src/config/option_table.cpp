#include "option_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>

#include "duration.hpp"

namespace parley::config {
namespace {

using namespace std::chrono_literals;
using S = Settings;

/// Takes a text the check agrees with; `accepted` says it in words.
struct Text {
  std::string accepted;
  bool (*check)(std::string_view);
};
struct OneOf {
  std::vector<std::string> choices;
};
template <class T>
struct Range {
  T low, high;
};

std::string accepted_text(const Text& text) { return text.accepted; }
std::string accepted_text(const OneOf& one) {
  std::string out;
  for (const auto& choice : one.choices) out += (out.empty() ? "" : ", ") + choice;
  return out;
}
template <class T>
std::string accepted_text(const Range<T>& range) {
  if constexpr (std::same_as<T, Ms>) {
    return format_duration(range.low) + " … " + format_duration(range.high);
  } else {
    return fmt::format("{} … {}", range.low, range.high);
  }
}

/// Value → member. One overload per kind of member; each leaves the target alone when it returns false.
bool take(std::string& target, const Value& value, const Text& limits) {
  auto* text = std::get_if<std::string>(&value);
  if (!text || !limits.check(*text)) return false;
  target = *text;
  return true;
}
bool take(std::filesystem::path& target, const Value& value, const Text& limits) {
  std::string text;
  if (!take(text, value, limits)) return false;
  target = text;
  return true;
}
bool take(std::string& target, const Value& value, const OneOf& limits) {
  auto* text = std::get_if<std::string>(&value);
  if (!text || std::find(limits.choices.begin(), limits.choices.end(), *text) == limits.choices.end()) return false;
  target = *text;
  return true;
}
bool take(std::vector<std::string>& target, const Value& value, const Text& limits) {
  auto* list = std::get_if<std::vector<std::string>>(&value);
  if (!list || !std::all_of(list->begin(), list->end(), limits.check)) return false;
  target = *list;
  return true;
}
bool take(bool& target, const Value& value, const OneOf& limits) {
  std::string text;
  if (!take(text, value, limits)) return false;
  target = text == limits.choices.front();
  return true;
}
bool take(Ms& target, const Value& value, const Range<Ms>& range) {
  auto* text = std::get_if<std::string>(&value);
  auto duration = text ? parse_duration(*text) : std::nullopt;
  if (!duration || *duration < range.low || *duration > range.high) return false;
  target = *duration;
  return true;
}
template <std::unsigned_integral T>
bool take(T& target, const Value& value, const Range<T>& range) {
  auto* number = std::get_if<std::int64_t>(&value);
  if (!number || *number < static_cast<std::int64_t>(range.low) || *number > static_cast<std::int64_t>(range.high))
    return false;
  target = static_cast<T>(*number);
  return true;
}
bool take(double& target, const Value& value, const Range<double>& range) {
  double number = std::numeric_limits<double>::quiet_NaN();
  if (auto* whole = std::get_if<std::int64_t>(&value)) number = static_cast<double>(*whole);
  if (auto* real = std::get_if<double>(&value)) number = *real;
  if (!(number >= range.low && number <= range.high)) return false;  // also NaN
  target = number;
  return true;
}

std::string toml_of(const std::string& value) { return toml_quote(value); }
std::string toml_of(const std::filesystem::path& value) { return toml_quote(value.string()); }
std::string toml_of(const std::vector<std::string>& value) { return to_text(value); }
std::string toml_of(bool value) { return toml_quote(value ? "on" : "off"); }
std::string toml_of(Ms value) { return toml_quote(format_duration(value)); }
std::string toml_of(std::unsigned_integral auto value) { return std::to_string(value); }
std::string toml_of(double value) { return fmt::format("{}", value); }

template <class T>
constexpr const char* kType = "text";
template <>
constexpr const char* kType<Ms> = "duration";
template <>
constexpr const char* kType<double> = "number";
template <>
constexpr const char* kType<std::vector<std::string>> = "list of texts";
template <std::unsigned_integral T>
constexpr const char* kType<T> = "integer";
template <>
constexpr const char* kType<bool> = "switch";

/// The default is the member's own initializer.
template <class Part, class T, class Limits>
Row option(std::string key, Part S::*part, T Part::*member, Limits limits, std::string doc) {
  Row row;
  row.info = {std::move(key), kType<T>, toml_of(S{}.*part.*member), accepted_text(limits), std::move(doc)};
  row.assign = [part, member, limits](Settings& settings, const Value& value) {
    return take(settings.*part.*member, value, limits);
  };
  row.print = [part, member](const Settings& settings) { return toml_of(settings.*part.*member); };
  return row;
}

std::vector<Row> make_rows() {
  const Text address{"an IPv4 or IPv6 address", is_ip_address};
  const Range<std::uint16_t> port{0, 65535};
  const Range<std::uint32_t> window{16384, 16777216};
  const Range<double> rate{0.1, 100000};
  const Range<std::uint32_t> burst{1, 100000};
  std::vector<Row> rows{
      option("server.listen", &S::server, &S::Server::listen, address,
             "Address for visitors and agents. 0.0.0.0 or :: means every interface; put a TLS proxy in front before "
             "you do that."),
      option("server.port", &S::server, &S::Server::port, port,
             "TCP port for visitors and agents. 0 takes any free port."),
      option("server.public_url", &S::server, &S::Server::public_url,
             Text{"https://host[:port] without a path, or empty", is_origin_or_empty},
             "How browsers reach this server. Empty: what the Host header of a request says."),
      option("server.reactors", &S::server, &S::Server::reactors, Range<unsigned>{0, 64},
             "Event loop threads. 0: one per core."),
      option("server.trusted_proxies", &S::server, &S::Server::trusted_proxies,
             Text{"addresses or CIDR blocks", is_ip_or_cidr},
             "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Without a proxy leave it empty, or a "
             "visitor can lie about their address."),
      option("server.web_root", &S::server, &S::Server::web_root, Text{"a folder, or empty", is_path_or_empty},
             "The built pages. Empty: looked for beside the program."),
      option("server.drain", &S::server, &S::Server::drain, Range<Ms>{0ms, 10min},
             "At SIGTERM sessions are sent away over this time, so that they do not all come back at once."),

      option("ops.listen", &S::ops, &S::Ops::listen, address,
             "Address for /metrics, /healthz and /readyz. Keep it private."),
      option("ops.port", &S::ops, &S::Ops::port, port, "TCP port for metrics and health. 0 takes any free port."),
      option("ops.tenant_series_max", &S::ops, &S::Ops::tenant_series_max, Range<std::uint32_t>{0, 10000},
             "How many tenants have metrics of their own; the rest is summed up as \"other\"."),

      option("store.mode", &S::store, &S::Store::mode, OneOf{{"embedded", "standard"}},
             "embedded: everything in one SQLite file, no other server needed. standard: Redis is the journal and "
             "PostgreSQL the archive, see the sections redis and postgres."),
      option("store.folder", &S::store, &S::Store::folder, Text{"a folder", is_path},
             "The data folder: keys, lock, admin socket and, embedded, the database. Relative to where the program is "
             "started."),
      option("store.readers", &S::store, &S::Store::readers, Range<std::uint32_t>{1, 16},
             "Threads that read the database."),

      option("redis.url", &S::redis, &S::Redis::url,
             Text{"redis://[[user]:password@]host[:port][/db] or unix:/path", is_redis_url},
             "The journal of the standard store. A Unix socket saves a third of Redis's time. Run it with appendonly "
             "yes, appendfsync always and maxmemory-policy noeviction."),
      option("redis.prefix", &S::redis, &S::Redis::prefix, Text{"letters, digits, - and _", is_key_prefix},
             "Begins the name of every key, so that several installations can share a Redis."),
      option("redis.shards", &S::redis, &S::Redis::shards, Range<std::uint32_t>{1, 64},
             "Into how many streams the journal is divided; fixed with the first start. A tenant's conversations are "
             "all in one of them. One Redis wants one."),
      option("redis.backlog_bytes_max", &S::redis, &S::Redis::backlog_bytes_max,
             Range<std::uint64_t>{1u << 20, 1ull << 40},
             "How much of the journal may wait for PostgreSQL; above it senders are asked to wait (507). Keep it below "
             "Redis's maxmemory."),
      option("redis.lease", &S::redis, &S::Redis::lease, Range<Ms>{500ms, 1min},
             "How long a daemon that went silent keeps the store before another one may take it."),

      option("postgres.url", &S::postgres, &S::Postgres::url,
             Text{"a libpq connection string or postgresql:// URI", is_text},
             "The archive and the entities of the standard store. Passwords are better kept in a .pgpass file or the "
             "environment."),
      option("postgres.search", &S::postgres, &S::Postgres::search, OneOf{{"on", "off"}},
             "Keep an index for searching in messages."),

      option("session.hello", &S::session, &S::Session::hello, Range<Ms>{100ms, 1min},
             "A connection that has not said hello after this time is closed."),
      option("session.agent_ping", &S::session, &S::Session::agent_ping, Range<Ms>{100ms, 5min},
             "An agent's connection is pinged after this much silence."),
      option("session.agent_grace", &S::session, &S::Session::agent_grace, Range<Ms>{100ms, 5min},
             "How long an agent's answer to a ping may take."),
      option("session.visitor_ping", &S::session, &S::Session::visitor_ping, Range<Ms>{100ms, 5min},
             "The same for a visitor whose page is visible."),
      option("session.visitor_grace", &S::session, &S::Session::visitor_grace, Range<Ms>{100ms, 5min},
             "How long a visitor's answer to a ping may take."),
      option("session.hidden_ping", &S::session, &S::Session::hidden_ping, Range<Ms>{100ms, 10min},
             "The same for a page in the background. Stay below the idle limit of proxies, often 60s."),
      option("session.hidden_grace", &S::session, &S::Session::hidden_grace, Range<Ms>{100ms, 5min},
             "How long an answer from the background may take."),
      option("session.agent_presence", &S::session, &S::Session::agent_presence, Range<Ms>{0ms, 1h},
             "An agent stays as it was this long after its last connection ended; then it counts as away."),
      option("session.visitor_window", &S::session, &S::Session::visitor_window, window,
             "Bytes that may be on their way to a visitor without having been confirmed; beyond that the reader pulls "
             "at its own pace."),
      option("session.agent_window", &S::session, &S::Session::agent_window, window, "The same for an agent."),
      option("session.no_progress", &S::session, &S::Session::no_progress, Range<Ms>{100ms, 5min},
             "A lagging reader that takes nothing for this long is disconnected."),
      option("session.visitor_sends_per_second", &S::session, &S::Session::visitor_sends_per_second, rate,
             "Messages a second one visitor may send for long."),
      option("session.visitor_send_burst", &S::session, &S::Session::visitor_send_burst, burst,
             "Messages one visitor may send at once."),
      option("session.agent_sends_per_second", &S::session, &S::Session::agent_sends_per_second, rate,
             "Messages a second one agent may send for long."),
      option("session.agent_send_burst", &S::session, &S::Session::agent_send_burst, burst,
             "Messages one agent may send at once."),
      option("session.tenant_sends_per_second", &S::session, &S::Session::tenant_sends_per_second,
             Range<double>{0, 1000000}, "Messages a second one tenant may send. 0: no limit."),
      option("session.handshakes_per_second", &S::session, &S::Session::handshakes_per_second,
             Range<double>{1, 1000000},
             "New connections a second per reactor. Up to three times as many are told when to come back; above that "
             "they get a 503."),
      option("session.frame_errors_per_minute", &S::session, &S::Session::frame_errors_per_minute,
             Range<std::uint32_t>{1, 10000}, "A client that sends more malformed frames than this is disconnected."),

      option("tenant.reactors", &S::tenant, &S::Tenant::reactors, Range<std::uint32_t>{1, 64},
             "Over how many reactors a tenant is spread, unless `wide` names it."),
      option("tenant.wide", &S::tenant, &S::Tenant::wide, Text{"\"slug=number of reactors\" each", is_wide_tenant},
             "Tenants that need more than one core."),
      option("tenant.reopen_window_h", &S::tenant, &S::Tenant::reopen_window_h, Range<std::uint32_t>{0, 8760},
             "Hours within which a visitor's message reopens a closed conversation, for tenants that have not set "
             "their own."),

      option("log.level", &S::log, &S::Log::level, OneOf{{"trace", "debug", "info", "warn", "error", "off"}},
             "The least important lines that are written."),
      option("log.format", &S::log, &S::Log::format, OneOf{{"text", "json"}},
             "Lines for people, or for a log collector."),
      option("log.file", &S::log, &S::Log::file, Text{"a file, or empty", is_path_or_empty},
             "Empty: stderr. Lines are appended one by one, so logrotate works with copytruncate."),
  };
  return rows;
}

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> table = make_rows();
  return table;
}

const std::vector<Section>& sections() {
  static const std::vector<Section> all{
      {"server", "Where visitors and agents connect."},
      {"ops", "Where operators look."},
      {"store", "Where everything is kept."},
      {"redis", "The journal of the standard store; not used with store.mode = \"embedded\"."},
      {"postgres", "The archive of the standard store; not used with store.mode = \"embedded\"."},
      {"session", "Time limits, windows and rates of connections."},
      {"tenant", "Defaults of tenants."},
      {"log", "What is written about the server's own life. Never message texts, tokens or passwords."},
  };
  return all;
}

const Row* find_row(std::string_view key) {
  auto at = std::find_if(rows().begin(), rows().end(), [&](const Row& row) { return row.info.key == key; });
  return at == rows().end() ? nullptr : &*at;
}

}  // namespace parley::config
