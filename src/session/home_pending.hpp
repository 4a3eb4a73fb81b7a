#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "home.hpp"

namespace parley::session {

/// What is known of an append until the journal answers.
struct Home::Pending {
  store::Append item;          // without bytes, which went to the journal
  std::string body;            // JSON
  std::string field, message;  // of a refusal
  ConversationId moved_to;     // of a refusal as closed
  std::optional<protocol::Audience> target_audience;
  std::chrono::steady_clock::time_point arrived;
};

}  // namespace parley::session
