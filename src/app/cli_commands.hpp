#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli.hpp"

/// What the commands do once the line is understood. All return the exit code, or throw std::runtime_error with one
/// line (exit code 1).
namespace parley::app {

struct AdminOptions {
  std::string tenant, name, slug, email;
  std::string locale = "en", time_zone = "UTC", role = "agent";
  std::vector<std::string> origins;
  bool password_stdin = false;
};
/// Commands that ask the running daemon through <folder>/admin.sock.
struct AdminSession {
  CliHost& host;
  std::filesystem::path folder;
  bool json = false;
};
int add_tenant(const AdminSession& session, const AdminOptions& options);
int list_tenants(const AdminSession& session, const AdminOptions& options);
int add_agent(const AdminSession& session, const AdminOptions& options);
int add_site(const AdminSession& session, const AdminOptions& options);
int add_token(const AdminSession& session, const AdminOptions& options);
int make_demo(const AdminSession& session, const AdminOptions& options);

struct JournalOptions {
  std::uint64_t conv = 0, after = 0, limit = 0;  ///< 0: no restriction
};
int cat_journal(CliHost& host, const config::Settings& settings, const JournalOptions& options);
int migrate(CliHost& host, const config::Settings& settings, bool json);
/// The same for the standard store.
int migrate_standard(CliHost& host, const config::Settings& settings, bool json);
/// Tries what is pending on a copy, with up to `rows` rows of each table.
int check_migrations(CliHost& host, const config::Settings& settings, std::uint64_t rows, bool json);

struct MoveCommand {
  std::string config;  ///< the file; empty: none
  bool dry_run = false, switch_over = false;
  std::int64_t freeze_s = 30;
};
int migrate_store(CliHost& host, const config::Settings& settings, const MoveCommand& command, bool json);

int list_dead_letters(CliHost& host, const config::Settings& settings, bool json);
int show_dead_letter(CliHost& host, const config::Settings& settings, std::int64_t id);
/// `id` 0: all that wait.
int replay_dead_letters(CliHost& host, const config::Settings& settings, std::int64_t id, bool json);
int run_doctor(CliHost& host, const config::Settings& settings, bool json);

}  // namespace parley::app
