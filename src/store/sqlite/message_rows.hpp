#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/protocol/pack.hpp"
#include "parley/store/journal.hpp"

namespace parley::store {

/// message.flags
enum MessageFlag : std::uint32_t {
  kStatusChanged = 1,
  kAssigneeChanged = 2,
  kClaimGrew = 4,
  kHasText = 8,  ///< the entry's text counts for previews
  kErased = 16,  ///< recalled, or an edit that a later one replaced: the body is gone
};

/// What stands beside the item in a row of the table message.
struct MessageRow {
  std::uint64_t pos = 0;
  std::uint64_t seq = 0;  ///< 0: a remembered answer
  std::uint64_t skip = 0;
  std::uint32_t flags = 0;
  protocol::Status status = protocol::Status::kNew;  ///< after it; kept if any of the change flags is set
  AgentId assignee;
  ChannelId channel;
  std::uint64_t target = 0;
};

/// Writes the table message. Throws SqlError.
class MessageRows {
 public:
  explicit MessageRows(Connection& db);
  void insert(const MessageRow& row, const protocol::PackItem& item);
  /// Gives the entry `target` the text of the edit `by` (`edit_json` is its body), or takes its body away (recall:
  /// `edit_json` is null). What was there goes to the audit copy. A target that does not exist changes nothing.
  void fold(ConversationId conv, std::uint64_t target, std::uint64_t by, const std::string* edit_json,
            std::int64_t now_ns);

 private:
  struct Row {
    std::uint64_t pos, rev;
    std::uint32_t flags;
    std::string pack;
  };
  std::optional<Row> find(ConversationId conv, std::uint64_t seq);
  void replace(ConversationId conv, std::uint64_t seq, const Row& row, std::uint64_t by, const std::string* new_body,
               std::int64_t now_ns);
  Statement insert_, find_, keep_original_, replace_;
  std::string pack_;  // reused
};

/// What domain::apply() needs to know of a stored row, for replay. `text` receives what facts.text points to.
domain::EntryFacts facts_of(const MessageRow& row, const protocol::PackItem& item, std::string_view original_body,
                            std::string& text);

/// "target" of an edit or a recall.
std::uint64_t target_of(std::string_view json);

}  // namespace parley::store
