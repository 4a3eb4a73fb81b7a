#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// Entries that PostgreSQL refused when they were archived, for the command line. The daemon may run. All functions
/// connect to `conninfo` and throw std::runtime_error with one line.
namespace parley::store {

struct DeadLetterView {
  std::int64_t id = 0;
  std::string conversation;
  std::uint64_t seq = 0;
  std::string reason;  ///< PostgreSQL's words
  std::int64_t created_ns = 0;
  std::string state;               ///< waiting, replayed, given_up
  std::string kind, sender, body;  ///< filled by show; empty if the item cannot be read
  std::int64_t sent_ns = 0;
};

/// Those that wait, oldest first, after number `after`.
std::vector<DeadLetterView> dead_letters(const std::string& conninfo, std::int64_t after, unsigned limit);
std::optional<DeadLetterView> dead_letter(const std::string& conninfo, std::int64_t id);
/// Puts it in the place of its placeholder. Empty, or why that did not work.
std::string replay_dead_letter(const std::string& conninfo, std::int64_t id);

}  // namespace parley::store
