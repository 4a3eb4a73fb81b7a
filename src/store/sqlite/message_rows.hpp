#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "message_facts.hpp"
#include "parley/protocol/pack.hpp"

namespace parley::store {

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

}  // namespace parley::store
