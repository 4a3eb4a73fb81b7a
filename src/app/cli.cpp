#include "cli.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli_commands.hpp"

namespace parley::app {
namespace {

/// Options that stand in the configuration as well: the command line wins.
struct Overrides {
  std::string config;
  std::vector<std::pair<std::string, std::string>> values;  // flag name → value, in the order given
};

struct Flag {
  const char* name;
  const char* key;
  const char* what;
};
constexpr Flag kData{"--data", "store.folder", "The data folder (store.folder)"};
constexpr Flag kServeFlags[] = {
    {"--listen", "server.listen", "Address for visitors and agents (server.listen)"},
    {"--port", "server.port", "Port for visitors and agents; 0: any free one (server.port)"},
    {"--ops-port", "ops.port", "Port for metrics and health; 0: any free one (ops.port)"},
    {"--web-root", "server.web_root", "The built pages (server.web_root)"},
};

void add_flag(CLI::App& command, const Flag& flag, Overrides& overrides) {
  command.add_option_function<std::string>(
      flag.name, [&overrides, &flag](const std::string& value) { overrides.values.emplace_back(flag.name, value); },
      flag.what);
}

void add_config(CLI::App& command, Overrides& overrides) {
  command.add_option("--config", overrides.config, "A TOML file; without one every option has its default")
      ->envname("PARLEY_CONFIG");
}

const char* key_of(const std::string& flag) {
  if (flag == kData.name) return kData.key;
  for (const Flag& known : kServeFlags) {
    if (flag == known.name) return known.key;
  }
  return "";
}

config::Settings load(const Overrides& overrides, const CliHost& host) {
  config::Settings settings = config::load(overrides.config, host.environment, host.environment_names);
  for (const auto& [flag, value] : overrides.values) config::set(settings, key_of(flag), value, flag);
  config::check(settings);
  return settings;
}

/// The commands, their options, and what the chosen one does. Everything lives as long as run_cli().
class CommandLine {
 public:
  explicit CommandLine(CliHost& host) : host_(host) {
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(34);
    add_daemon_commands();
    add_config_commands();
    add_admin_commands();
    add_store_commands();
  }

  int run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants it
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::Success& e) {
      app_.exit(e, host_.out, host_.err);  // prints the help
      return 0;
    } catch (const CLI::ParseError& e) {
      host_.err << "parley: " << e.what() << "; see " << command_name() << " --help\n";
      return 2;
    }
    try {
      return action_();
    } catch (const config::ConfigError& e) {
      host_.err << "parley: " << e.what() << "\n";
      return 2;
    } catch (const std::exception& e) {
      host_.err << "parley: " << e.what() << "\n";
      return 1;
    }
  }

 private:
  std::string command_name() const {
    std::string name = "parley";
    const CLI::App* at = &app_;
    while (!at->get_subcommands().empty()) {
      at = at->get_subcommands().front();
      name += " " + at->get_name();
    }
    return name;
  }

  CLI::App& add(CLI::App& parent, const std::string& name, const std::string& what, std::function<int()> action) {
    CLI::App& command = *parent.add_subcommand(name, what);
    command.callback([this, action = std::move(action)] { action_ = action; });
    return command;
  }
  CLI::App& with_json(CLI::App& command) {
    command.add_flag("--json", json_, "Print JSON");
    return command;
  }
  CLI::App& with_data(CLI::App& command) {
    add_config(command, overrides_);
    add_flag(command, kData, overrides_);
    return command;
  }
  config::Settings settings() const { return load(overrides_, host_); }

  void add_daemon_commands() {
    CLI::App& serve = with_data(add(app_, "serve", "Run the server", [this] { return host_.serve(settings()); }));
    for (const Flag& flag : kServeFlags) add_flag(serve, flag, overrides_);

    with_json(add(app_, "version", "Say the version", [this] {
      if (json_) {
        host_.out << nlohmann::json{{"version", PARLEY_VERSION}}.dump() << "\n";
      } else {
        host_.out << "parley " PARLEY_VERSION "\n";
      }
      return 0;
    }));
  }

  void add_config_commands() {
    CLI::App& check =
        with_json(add(app_, "check-config", "Read the configuration and say whether it would be accepted", [this] {
          try {
            settings();
          } catch (const config::ConfigError& e) {
            if (!json_) throw;
            host_.out << nlohmann::json{{"ok", false}, {"error", e.what()}}.dump(
                             -1, ' ', false, nlohmann::json::error_handler_t::replace)
                      << "\n";
            return 2;
          }
          if (json_) {
            host_.out << nlohmann::json{{"ok", true}}.dump() << "\n";
          } else {
            host_.out << (overrides_.config.empty() ? "defaults and environment" : overrides_.config) << ": ok\n";
          }
          return 0;
        }));
    with_data(check);
    CLI::App& config = *app_.add_subcommand("config", "Documents about the configuration");
    config.require_subcommand(1);
    add(config, "example", "Print the commented example file", [this] { return print(config::example_toml()); });
    add(config, "reference", "Print the reference in Markdown", [this] { return print(config::reference_markdown()); });
  }
  int print(const std::string& text) {
    host_.out << text;
    return 0;
  }

  void add_admin_commands() {
    auto group = [this](const char* name, const char* what) -> CLI::App& {
      CLI::App& command = *app_.add_subcommand(name, what);
      command.require_subcommand(1);
      return command;
    };
    auto admin = [this](auto call) {
      return [this, call] { return call(AdminSession{host_, settings().store.folder, json_}, admin_); };
    };

    CLI::App& tenants = group("tenant", "Tenants of the running server");
    CLI::App& tenant_add = with_json(with_data(add(tenants, "add", "Add a tenant", admin(add_tenant))));
    tenant_add.add_option("--name", admin_.name, "Its name")->required();
    tenant_add.add_option("--slug", admin_.slug, "Its short name in addresses: a-z, 0-9 and -")->required();
    tenant_add.add_option("--locale", admin_.locale, "Language: en or zh-CN")->capture_default_str();
    tenant_add.add_option("--time-zone", admin_.time_zone, "Time zone, as Asia/Shanghai")->capture_default_str();
    with_json(with_data(add(tenants, "list", "List the tenants", admin(list_tenants))));

    CLI::App& agent_add = with_json(
        with_data(add(group("agent", "People who answer"), "add", "Add a person to a tenant", admin(add_agent))));
    agent_add.add_option("--tenant", admin_.tenant, "Slug of the tenant")->required();
    agent_add.add_option("--email", admin_.email, "Their address; also what they sign in with")->required();
    agent_add.add_option("--name", admin_.name, "The name visitors see")->required();
    agent_add.add_option("--role", admin_.role, "agent, supervisor, admin or owner")
        ->check(CLI::IsMember({"agent", "supervisor", "admin", "owner"}))
        ->capture_default_str();
    agent_add.add_flag("--password-stdin", admin_.password_stdin,
                       "Read the password from standard input; without it one is made and printed once");

    CLI::App& site_add = with_json(with_data(
        add(group("site", "Web sites that show the widget"), "add", "Add a site to a tenant", admin(add_site))));
    site_add.add_option("--tenant", admin_.tenant, "Slug of the tenant")->required();
    site_add.add_option("--name", admin_.name, "Its name")->required();
    site_add.add_option("--origin", admin_.origins,
                        "An origin that may show the widget, as https://www.example.com; may be repeated");

    CLI::App& token_add =
        with_json(with_data(add(group("token", "Tokens for programs"), "add",
                                "Make a token that acts as a person; printed once", admin(add_token))));
    token_add.add_option("--tenant", admin_.tenant, "Slug of the tenant")->required();
    token_add.add_option("--email", admin_.email, "Whose token it is")->required();
    token_add.add_option("--name", admin_.name, "What it is for")->required();

    with_json(with_data(add(app_, "demo",
                            "Make the demo tenant with its owner and site; a second time it only says where it is",
                            admin(make_demo))));
  }

  void add_store_commands() {
    CLI::App& schema =
        with_json(with_data(add(app_, "migrate", "Bring the store to this version's schema; the server must not run",
                                [this] { return run_migrate(); })));
    schema.add_flag("--check", check_,
                    "Only try it on a copy: say how long each step takes and what it locks; the server may run");
    schema.add_option("--rows", rows_, "With --check and the standard store: rows of each large table in the copy")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    add_move_command();
    add_dead_letter_commands();
    CLI::App& journal = *app_.add_subcommand("journal", "The log of all conversations");
    journal.require_subcommand(1);
    CLI::App& cat = with_data(add(journal, "cat", "Print the journal as JSON lines; the server may run",
                                  [this] { return cat_journal(host_, settings(), journal_); }));
    cat.add_option("--conv", journal_.conv, "Only this conversation")->check(CLI::PositiveNumber);
    cat.add_option("--after", journal_.after, "Only after this position")->check(CLI::NonNegativeNumber);
    cat.add_option("--limit", journal_.limit, "At most this many lines")->check(CLI::PositiveNumber);
    CLI::App& doctor = with_json(with_data(add(app_, "doctor", "Look for what would stop or slow the server",
                                               [this] { return run_doctor(host_, settings(), json_); })));
    for (const Flag& flag : kServeFlags) add_flag(doctor, flag, overrides_);
  }

  int run_migrate() {
    const config::Settings loaded = settings();
    if (check_) return check_migrations(host_, loaded, rows_, json_);
    return loaded.store.standard() ? migrate_standard(host_, loaded, json_) : migrate(host_, loaded, json_);
  }

  void add_move_command() {
    CLI::App& command = with_json(with_data(add(
        app_, "migrate-store",
        "Move the embedded store of the data folder to the standard store of redis.url and postgres.url; the server "
        "may run",
        [this] {
          move_.config = overrides_.config;
          return migrate_store(host_, settings(), move_, json_);
        })));
    command.add_flag("--dry-run", move_.dry_run, "Only look whether it could be done");
    command.add_flag("--switch", move_.switch_over,
                     "Set store.mode = \"standard\" in the configuration file at the end");
    command
        .add_option("--freeze-seconds", move_.freeze_s,
                    "How long the server stays frozen if this program dies meanwhile, 5 to 60")
        ->check(CLI::Range(5, 60))
        ->capture_default_str();
  }

  void add_dead_letter_commands() {
    CLI::App& letters = *app_.add_subcommand("dead-letters", "Entries that PostgreSQL refused when they were archived");
    letters.require_subcommand(1);
    with_json(with_data(add(letters, "list", "List those that wait: number, conversation, seq, time, reason",
                            [this] { return list_dead_letters(host_, settings(), json_); })));
    CLI::App& show = with_data(add(letters, "show", "Print one as JSON, with its body",
                                   [this] { return show_dead_letter(host_, settings(), letter_); }));
    show.add_option("id", letter_, "Its number")->required()->check(CLI::PositiveNumber);
    CLI::App& replay =
        with_json(with_data(add(letters, "replay", "Try again: put one, or all, in their places in the archive",
                                [this] { return replay_dead_letters(host_, settings(), letter_, json_); })));
    CLI::App& which = *replay.add_option_group("which");
    which.add_option("id", letter_, "Its number")->check(CLI::PositiveNumber);
    which.add_flag("--all", all_letters_, "All that wait");
    which.require_option(1);
  }

  CliHost& host_;
  CLI::App app_{"Parley: live chat in which no acknowledged message is lost", "parley"};
  Overrides overrides_;
  AdminOptions admin_;
  JournalOptions journal_;
  MoveCommand move_;
  std::uint64_t rows_ = 100'000;
  std::int64_t letter_ = 0;
  bool json_ = false, check_ = false, all_letters_ = false;
  std::function<int()> action_;
};

}  // namespace

int run_cli(std::vector<std::string> arguments, CliHost& host) { return CommandLine(host).run(std::move(arguments)); }

}  // namespace parley::app
