#include "restored.hpp"

namespace parley::store::standard {

redis::Restored restored_of(const ConversationState& state) {
  redis::Restored out;
  out.conv = state.meta.id;
  out.core = redis::core_of(state.meta);
  out.senders = state.senders;
  if (state.meta.head > 0) out.projection = redis::Projection{state.meta, state.meta.last_pos};
  return out;
}

}  // namespace parley::store::standard
