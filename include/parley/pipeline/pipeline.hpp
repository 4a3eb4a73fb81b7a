#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parley/base/ids.hpp"
#include "parley/base/result.hpp"
#include "parley/protocol/pack.hpp"
#include "parley/protocol/types.hpp"

/// What happens to a message between "allowed" and "journaled": a declared, ordered list of stages, each a function
/// from message to message, tested without a socket.
namespace parley::pipeline {

class WordFilter;  // pipeline/word_filter.hpp

/// A message on its way. Stages change it in place.
struct Draft {
  TenantId tenant;
  Principal from;
  protocol::EntryType type = protocol::EntryType::kText;
  std::string text;      ///< the visible text (text, note, edit); stages may mask parts of it
  bool flagged = false;  ///< a word with action flag was found
  /// Set by the caller between text stages and stored-form stages.
  std::string body;  ///< canonical JSON
  protocol::Codec codec = protocol::Codec::kJson;
};

/// What the tenant chose. Immutable; replaced as a whole, so that a change needs no lock and no restart.
struct TenantPolicy {
  std::vector<std::string> text_stages{"validate", "filter"};  ///< in this order
  std::vector<std::string> stored_stages{"compress"};
  std::shared_ptr<const WordFilter> filter;  ///< null: no words
};

struct StageResult {
  protocol::Code code =
      protocol::Code::kOk;  ///< kOk goes on; anything else refuses the message (kBadFrame, kTooLarge, kFiltered)
  std::string field;
  std::string message;
};

/// One stage. `name` is used in configuration and as the metric label. Run on a reactor: must not block and should stay
/// under 100 µs.
struct Stage {
  std::string_view name;
  StageResult (*run)(Draft& draft, const TenantPolicy& policy);
};
/// All that exist. Those on text leave other types than text, note and edit alone.
///   validate  strips control characters other than line feed and tab; kBadFrame: not UTF-8, or nothing visible is
///   left; kTooLarge: above 4,000 code points filter    the tenant's words: kFiltered for an action block (which word
///   is not told), masks, sets `flagged` compress  Snappy from 512 bytes on, if it saves an eighth (stored form)
std::span<const Stage> all_stages();
/// kBadInput if a name is unknown or a stage stands in the wrong list.
Result<> check_policy(const TenantPolicy& policy);

/// Runs stages by name in the order given; `on_stage(index in all_stages(), duration)` is told of each, unless it is
/// empty. kInternal: a name that check_policy() would have refused.
StageResult run_stages(Draft& draft, const TenantPolicy& policy, std::span<const std::string> names,
                       const std::function<void(std::size_t, std::chrono::nanoseconds)>& on_stage);

/// Undoes the stored form: decompresses. kTooLarge if it would exceed `bytes_max` (a bomb), kBadInput if damaged.
Result<std::string> restore_body(protocol::Codec codec, std::string_view stored, std::size_t bytes_max);

}  // namespace parley::pipeline
