#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "journal_batcher.hpp"
#include "parley/domain/conversation.hpp"
#include "parley/domain/sender.hpp"
#include "parley/store/journal.hpp"
#include "parley/tenant/token_bucket.hpp"
#include "requests.hpp"

namespace parley::session {

class Home;
struct Conversation;
struct Sender;

/// A send on its way to the journal: all that its answer needs.
struct InFlight final : AppendWaiter {
  InFlight(Home& h, Conversation& c, Sender& s) : home(h), conversation(c), sender(s) {}
  void answered(const store::Appended& result) override;
  bool changes() const { return change.status || change.assignee || change.new_claim; }
  bool is_void() const { return kind == protocol::EntryType::kVoid; }

  Home& home;
  Conversation& conversation;  ///< busy, so it stays where it is
  Sender& sender;
  std::uint64_t n = 0, hash = 0;
  std::uint64_t order = 0;  ///< of hand-over to the journal, over all senders of the conversation
  Who who;                  ///< the newest socket that asked; none for what the home sends by itself
  std::uint64_t re = 0;
  DevId dev;
  bool adopted = false;  ///< its dev is not the session's own and is named in the answer
  bool as_sent = false;  ///< a text that is stored as it came and changes nothing else
  protocol::EntryType kind = protocol::EntryType::kText;
  protocol::Audience audience = protocol::Audience::kPublic;
  Principal principal;  ///< who signs it; also of what the home sends by itself
  std::chrono::steady_clock::time_point arrived;
  domain::Change change;
  std::uint64_t target = 0;  ///< edit, recall: the entry they change
  std::string body;          ///< JSON
  std::string text;          ///< preview of the plain public text
  std::optional<ChannelId> opening;
  /// Of what is refused for good.
  struct Refusal {
    protocol::Code code;
    std::string field, message;
    ConversationId moved_to;  ///< as closed: where to go on
  };
  std::unique_ptr<const Refusal> refusal;
};

/// A session that gets every entry of a conversation.
struct Member {
  Who who;
  bool live = true;  ///< false: its catch-up is being read; new entries follow that, not now
};

/// One sender instance in one conversation.
struct Sender {
  domain::SenderState settled;
  std::vector<std::unique_ptr<InFlight>> in_flight;  ///< at most kInFlightMax, by n
  std::uint64_t next_n() const { return settled.expected() + in_flight.size(); }
  /// The journal could not take what came before: what is still in flight will be refused as out of order, and until
  /// then nothing can go on.
  bool broken() const { return !in_flight.empty() && in_flight.front()->n != settled.expected(); }
};

/// The senders of a conversation. Most have two, so the last two are found without the table.
class Senders {
 public:
  Sender* find(const domain::SenderKey& key) {
    for (Entry* entry : last_) {
      if (entry && entry->first == key) return &entry->second;
    }
    const auto found = all_.find(key);
    return found == all_.end() ? nullptr : &used(*found);
  }
  Sender& obtain(const domain::SenderKey& key) {
    Sender* known = find(key);
    return known ? *known : used(*all_.try_emplace(key).first);
  }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  using Table = std::unordered_map<domain::SenderKey, Sender, domain::SenderKeyHash>;
  using Entry = Table::value_type;
  Sender& used(Entry& entry) {
    last_ = {&entry, last_[0]};
    return entry.second;
  }
  Table all_;  // never loses one
  std::array<Entry*, 2> last_{};
};

/// How much each person may send: by person, since anybody may claim any number of devs. They are few.
class Buckets {
 public:
  tenant::TokenBucket& of(Principal who, double per_second, double burst, std::chrono::steady_clock::time_point now) {
    for (auto& [principal, bucket] : all_) {
      if (principal == who) return bucket;
    }
    return all_.emplace_back(who, tenant::TokenBucket(per_second, burst, now)).second;
  }

 private:
  std::vector<std::pair<Principal, tenant::TokenBucket>> all_;
};

struct Mark {
  std::uint64_t rcv = 0, read = 0;
};

/// A conversation at its home: the one place that orders it. Belongs to the home's reactor.
struct Conversation {
  bool loading = false;
  bool stored = false;                           ///< false: its first entry is not in the journal yet
  std::size_t changing = 0;                      ///< of those in flight: that change status, owner or claim
  std::size_t readers = 0;                       ///< catch-ups and pages that wait for the store
  std::vector<std::uint64_t> changed_meanwhile;  ///< since the first of these: targets of edits and recalls
  std::uint64_t used = 0;                        ///< when it was last used, in uses
  AppendOrder appends;                           ///< over all senders
  domain::ConversationMeta meta;                 ///< as the journal answered last
  Senders senders;
  Buckets buckets;
  std::vector<Member> members;
  std::deque<store::StoredEntry> tail;  ///< newest entries, without a gap up to meta.head
  std::size_t tail_bytes = 0;
  std::uint64_t archived = 0;  ///< up to this seq at least, as far as was told since the load
  std::vector<std::pair<SessionKey, std::uint64_t>>
      awaiting_stable;  ///< who sent what is not archived yet, up to where
  std::unordered_map<Principal, Mark> marks;
  std::vector<std::function<void(Conversation*, protocol::Code)>> waiting;  ///< for the load
  bool busy() const { return loading || appends.in_flight() > 0 || readers > 0 || !members.empty(); }
};

}  // namespace parley::session
