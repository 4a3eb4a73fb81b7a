#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Everything that can be configured: one struct, filled from config/parley.toml and PARLEY_SECTION__KEY, checked,
/// documented and listed from one table of options.
namespace parley::config {

/// One line: file, line, key, what is accepted. Ends the start with exit code 2.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Ms = std::chrono::milliseconds;

struct Settings {
  struct Server {
    std::string listen = "127.0.0.1";
    std::uint16_t port = 8080;
    std::string public_url;                    ///< e.g. https://chat.example.com; empty: what the Host header says
    unsigned reactors = 0;                     ///< 0: one per core
    std::vector<std::string> trusted_proxies;  ///< addresses or CIDR whose X-Forwarded-For and -Proto count
    std::string web_root;                      ///< built pages; empty: beside the program
    Ms drain{10000};                           ///< SIGTERM: sessions are sent away over this time
  } server;
  struct Ops {
    std::string listen = "127.0.0.1";
    std::uint16_t port = 9090;
    std::uint32_t tenant_series_max = 100;  ///< tenants with series of their own; the rest is summed as "other"
  } ops;
  struct Store {
    std::string mode = "embedded";  ///< or "standard"
    std::filesystem::path folder = "data";
    std::uint32_t readers = 2;
    bool standard() const { return mode == "standard"; }
  } store;
  struct Redis {
    std::string url = "redis://127.0.0.1:6379/0";
    std::string prefix = "parley";  ///< of all keys
    std::uint32_t shards = 1;       ///< fixed with the first start
    std::uint64_t backlog_bytes_max = 1u << 30;
    Ms lease{5000};
  } redis;
  struct Postgres {
    std::string url = "host=127.0.0.1 dbname=parley user=parley";
    bool search = true;
  } postgres;
  struct Session {
    Ms hello{5000};
    Ms agent_ping{15000}, agent_grace{10000};
    Ms visitor_ping{25000}, visitor_grace{15000};
    Ms hidden_ping{50000}, hidden_grace{20000};
    Ms agent_presence{180000};
    std::uint32_t visitor_window = 131072, agent_window = 524288;
    Ms no_progress{10000};
    double visitor_sends_per_second = 5;
    std::uint32_t visitor_send_burst = 30;
    double agent_sends_per_second = 20;
    std::uint32_t agent_send_burst = 100;
    double tenant_sends_per_second = 0;  ///< 0: no limit
    double handshakes_per_second =
        2000;  ///< per reactor; above it up to three times as many are told to come back, above that 503
    std::uint32_t frame_errors_per_minute = 10;
  } session;
  struct Tenant {
    std::uint32_t reactors = 1;     ///< reactors a tenant is spread over, unless `wide` names it
    std::vector<std::string> wide;  ///< "slug=2": this tenant's number of reactors
    std::uint32_t reopen_window_h = 24;
  } tenant;
  struct Log {
    std::string level = "info";
    std::string format = "text";  ///< text or json
    std::string file;
  } log;
};

/// One row of the table: where the documentation, the example file, the checks and the environment names come from.
struct OptionInfo {
  std::string key;           ///< "session.hello"
  std::string type;          ///< "duration", "integer", "number", "text", "list of texts"
  std::string default_text;  ///< as it would stand in TOML
  std::string accepted;      ///< "1s … 1min"
  std::string doc;
};
/// In the order of the file. Any thread.
const std::vector<OptionInfo>& options();
/// "PARLEY_SESSION__HELLO" for "session.hello".
std::string environment_name(std::string_view key);

using Environment = std::function<const char*(const char*)>;  ///< a variable's value, or null; like getenv

/// Reads `file` (empty: defaults only), then the environment. Throws ConfigError.
/// `environment_names`: all names that are set; those that look like ours but name no option are refused. Names such as
/// PARLEY_TEST_SCALE, which name no section, are not ours.
Settings load(const std::filesystem::path& file, const Environment& environment,
              const std::vector<std::string>& environment_names = {});
/// The same for a text in memory; `name` stands for the file in errors.
Settings load_text(std::string_view name, std::string_view toml, const Environment& environment = {},
                   const std::vector<std::string>& environment_names = {});
/// Sets one option from text, written as in the environment (a list is separated by commas). `origin` begins the error,
/// e.g. "--port". Throws ConfigError.
void set(Settings& settings, std::string_view key, std::string_view value, std::string_view origin);
/// What no single option can tell, e.g. two listeners on one port. load() calls it; call it again after set(). Throws
/// ConfigError.
void check(const Settings& settings);

/// The commented example file and docs/configuration.md, from the table.
std::string example_toml();
std::string reference_markdown();

}  // namespace parley::config
