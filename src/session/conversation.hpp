#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "journal_batcher.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/domain/sender.hpp"
#include "parley/store/journal.hpp"
#include "parley/tenant/token_bucket.hpp"
#include "requests.hpp"

namespace parley::session {

/// A session that gets every entry of a conversation.
struct Member {
  Who who;
  bool live = true;  ///< false: its catch-up is being read; new entries follow that, not now
};

/// A send on its way to the journal.
struct InFlight {
  std::uint64_t n = 0, hash = 0;
  bool is_void = false;
  domain::Change change;
  std::uint64_t order = 0;    ///< of hand-over to the journal, over all senders of the conversation
  std::uint64_t recalls = 0;  ///< the entry that this will recall
  Who who;                    ///< the newest socket that asked; none for what the home sends by itself
  std::uint64_t re = 0;
  bool adopted = false;  ///< its dev is not the session's own and is named in the answer
  bool changes() const { return change.status || change.assignee || change.new_claim; }
};

/// One sender instance in one conversation.
struct Sender {
  domain::SenderState settled;
  std::vector<InFlight> in_flight;  ///< at most kInFlightMax
  std::uint64_t next_n() const { return settled.expected() + in_flight.size(); }
  /// The journal could not take what came before: what is still in flight will be refused as out of order, and until
  /// then nothing can go on.
  bool broken() const { return !in_flight.empty() && in_flight.front().n != settled.expected(); }
};

struct Mark {
  std::uint64_t rcv = 0, read = 0;
};

/// A conversation at its home: the one place that orders it. Belongs to the home's reactor.
struct Conversation {
  domain::ConversationMeta meta;  ///< as the journal answered last
  bool stored = false;            ///< false: its first entry is not in the journal yet
  bool loading = false;
  std::vector<std::function<void(Conversation*, protocol::Code)>> waiting;  ///< for the load
  std::unordered_map<domain::SenderKey, Sender, domain::SenderKeyHash> senders;
  std::unordered_map<Principal, tenant::TokenBucket>
      buckets;                          ///< by person, since anybody may claim any number of devs
  AppendOrder appends;                  ///< over all senders
  std::size_t changing = 0;             ///< of those in flight: that change status, owner or claim
  std::size_t readers = 0;              ///< catch-ups and pages that wait for the store
  std::deque<store::StoredEntry> tail;  ///< newest entries, without a gap up to meta.head
  std::size_t tail_bytes = 0;
  std::vector<Member> members;
  std::unordered_map<Principal, Mark> marks;
  std::vector<std::pair<SessionKey, std::uint64_t>>
      awaiting_stable;     ///< who sent what is not archived yet, up to where
  std::uint64_t used = 0;  ///< when it was last used, in uses
  bool busy() const { return loading || appends.in_flight() > 0 || readers > 0 || !members.empty(); }
};

}  // namespace parley::session
