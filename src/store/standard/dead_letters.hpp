#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/store/sql.hpp"

/// Items of the journal that PostgreSQL refused. Each keeps its place: where it would stand there is a placeholder, an
/// entry with an empty text, so that the conversation goes on behind it. For closures of Database::read and write; all
/// throw SqlError.
namespace parley::store::standard {

/// message.flags: what is shown is a placeholder, the item stands in dead_letter.
inline constexpr std::uint32_t kPlaceholder = 32;

struct DeadLetter {
  enum class State { kWaiting = 0, kReplayed = 1, kGivenUp = 2 };
  std::int64_t id = 0;
  unsigned shard = 0;
  std::uint64_t counter = 0;  ///< of the journal entry
  unsigned index = 0;         ///< in it
  ConversationId conv;
  std::uint64_t seq = 0;
  std::string reason;  ///< PostgreSQL's words
  std::int64_t created_ns = 0;
  State state = State::kWaiting;
};

/// Those that wait, oldest first, after `after`.
std::vector<DeadLetter> list_dead_letters(Sql&, std::int64_t after, unsigned limit);

struct DeadLetterDetail {
  DeadLetter letter;
  std::string item;                ///< Pack v1 with one item
  std::string kind, sender, body;  ///< of the item, for people; empty if it cannot be read
  std::int64_t ts_ns = 0;
};
std::optional<DeadLetterDetail> show_dead_letter(Sql&, std::int64_t id);

struct Replayed {
  bool done = false;
  std::string reason;  ///< why not
};
/// Puts the item in the place of its placeholder. NUL characters, which PostgreSQL cannot keep, become U+FFFD. An entry
/// that was edited or recalled meanwhile keeps its present text, and the item goes to the audit copy; an edit changes
/// what it names, unless a later one did. What PostgreSQL or the program still refuse stays a dead letter. For
/// Database::write: after a SqlError the transaction is to be rolled back.
Replayed replay_dead_letter(Sql&, std::int64_t id);
/// Says that nothing more is to be done about it: the placeholder stays. False if there is none that waits.
bool give_up_dead_letter(Sql&, std::int64_t id);

}  // namespace parley::store::standard
