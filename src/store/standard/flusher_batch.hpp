#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "message_facts.hpp"
#include "parley/domain/sender.hpp"
#include "parley/protocol/pack.hpp"
#include "postgres/pg_bulk.hpp"
#include "postgres/pg_connection.hpp"
#include "standard/flusher_entry.hpp"
#include "standard/flusher_state.hpp"

namespace parley::store::standard {

/// Archives entries of one shard in one transaction, all of them or none. Use it once.
class FlushBatch {
 public:
  FlushBatch(PgConnection& session, unsigned shard, const std::string& owner, Position from);
  /// Everything but the commit, in the transaction that is open. Throws PgError (refuses_data(): an item is refused),
  /// ShardStopped, Fenced, PositionMoved. `entries` follow `from` and are not empty.
  void write(std::span<const FlushEntry> entries);

  Position position() const noexcept { return to_; }
  Flusher::Heads heads() const;
  std::uint64_t items() const noexcept { return items_; }

  /// Whether PostgreSQL takes these items, in a transaction that is rolled back. Throws PgError with refuses_data() if
  /// not.
  static void probe(PgConnection& session, std::span<const FlushItem> items);

 private:
  /// The body of an entry, or what encryption made of it.
  struct Content {
    std::optional<std::string> json;
    std::optional<std::string> sealed;
    std::uint64_t key_id = 0;
    std::uint8_t codec = 0;
  };
  /// An entry that this transaction adds or changes.
  struct Row {
    const FlushItem* added = nullptr;  // null: it is archived already
    bool changed = false;              // archived, and other now
    std::uint64_t pos = 0, rev = 0;
    std::uint32_t flags = 0;
    std::int64_t ts_ns = 0, erased_ns = 0;
    TenantId tenant;
    ChannelId channel;
    Content content;
  };
  struct Original {
    ConversationId conv;
    std::uint64_t seq, replaced_by;
    TenantId tenant;
    std::int64_t replaced_ns;
    Content content;
  };
  struct Conversation {
    domain::ConversationMeta meta;
    bool exists = false;         // has a row
    std::uint64_t archived = 0;  // before this transaction
    std::uint64_t applied_pos = 0;
    bool changed = false;
  };
  using Place = std::pair<ConversationId, std::uint64_t>;  // conversation and seq
  struct Sender {
    domain::SenderState state;
    TenantId tenant;
  };
  using SenderPlace = std::pair<ConversationId, domain::SenderKey>;

  void lock_position();
  void load_conversations(std::span<const FlushEntry> entries);
  void load_senders();
  /// Decides what is new, and applies it to the conversations.
  void sort_items(std::span<const FlushEntry> entries);
  void add_item(const FlushEntry& entry, const FlushItem& item, std::string& text);
  /// Entries that the journal has below what is archived must be the archived ones.
  void compare_repeated();
  void load_targets();
  void load_rows(const std::vector<Place>& places);
  void fold_all();
  void fold(const FlushItem& by, std::uint64_t target);
  void replace(Place place, Row& row, const FlushItem& by, const Content* with);

  void copy_rows();
  void write_changed_rows();
  void write_originals();
  void write_conversations();
  void write_senders();
  void write_counters(std::span<const FlushEntry> entries);
  void write_dead_letters();
  void move_position();

  static Content content_of(const FlushItem& item);
  static void copy_row(CopyRows& out, const FlushItem& item, const Row& row);

  PgConnection& session_;
  const unsigned shard_;
  const std::string& owner_;
  const Position from_;
  Position to_;
  std::uint64_t items_ = 0;
  std::unordered_map<ConversationId, Conversation> conversations_;
  std::map<Place, Row> rows_;
  std::vector<const Row*> added_;  // in the order of the journal
  std::vector<const FlushItem*> repeated_;
  std::vector<std::pair<const FlushItem*, std::uint64_t>> folds_;  // edits and recalls with their targets
  std::vector<Original> originals_;
  std::map<SenderPlace, Sender> senders_;
  struct Answer {
    SenderPlace sender;
    TenantId tenant;
    domain::SendResult result;
  };
  std::vector<Answer> answers_;
  struct DeadLetter {
    std::uint64_t counter;
    const FlushItem* item;
  };
  std::vector<DeadLetter> dead_;
};

/// A body of a placeholder.
inline constexpr const char* kPlaceholderBody = R"({"text":""})";

}  // namespace parley::store::standard
