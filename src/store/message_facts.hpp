#pragma once
#include <cstdint>
#include <string>
#include <string_view>

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
  kAnyChange = kStatusChanged | kAssigneeChanged | kClaimGrew,
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

/// What domain::apply() needs to know of a stored row, for replay. `text` receives what facts.text points to.
domain::EntryFacts facts_of(const MessageRow& row, const protocol::PackItem& item, std::string_view original_body,
                            std::string& text);

/// The item as journals keep it, with the claim after it; views into `item`.
protocol::PackItem pack_item_of(const Append& item, std::uint64_t claim = 0);

/// "target" of an edit or a recall.
std::uint64_t target_of(std::string_view json);

}  // namespace parley::store
