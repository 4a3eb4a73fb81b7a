#include "parley/store/journal_dump.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "postgres/pg_connection.hpp"
#include "redis/blocking_client.hpp"
#include "redis/endpoint.hpp"
#include "redis/functions.hpp"

namespace parley::store {
namespace {

using namespace std::chrono_literals;
using Damaged = std::function<void(const std::string&, const std::string&)>;

constexpr std::size_t kLogAtOnce = 64;  // log entries of one answer of Redis, each of up to 4096 items
constexpr std::int64_t kRowsAtOnce = 1000;

/// An item that stands in a stream.
struct Streamed {
  std::uint64_t pos = 0, seq = 0, claim = 0;
  std::string pack;  // with this item only
};

redis::Reply ask(redis::BlockingClient& redis, const redis::Command& command) {
  redis::Reply reply = redis.call(command);
  if (reply.is_error()) throw std::runtime_error("store: Redis: " + reply.text);
  return reply;
}

void add_items(std::vector<Streamed>& out, const redis::LogEntry& log, const DumpRange& range) {
  for (std::size_t i = 0; i < log.items.size(); ++i) {
    const redis::Outcome::Kind outcome = log.results[i].outcome;
    if (outcome != redis::Outcome::Kind::kEntry && outcome != redis::Outcome::Kind::kRemembered) continue;
    const std::uint64_t pos = redis::position(log.counter, i);
    if (pos <= range.after || (range.conv && log.items[i].conv != range.conv)) continue;
    Streamed& item = out.emplace_back();
    item.pos = pos;
    item.seq = outcome == redis::Outcome::Kind::kEntry ? log.results[i].seq : 0;
    item.claim = log.results[i].claim;
    protocol::append_pack(item.pack, &log.items[i], 1);
  }
}

std::vector<Streamed> streamed_items(const StandardOptions& where, const DumpRange& range, const Damaged& damaged) {
  Result<redis::Endpoint> endpoint = redis::parse_endpoint(where.redis_url);
  if (!endpoint) throw std::runtime_error("redis.url: " + endpoint.error().detail);
  redis::BlockingClient redis(*endpoint, 3s, 10s);
  std::vector<Streamed> items;
  for (unsigned shard = 0; shard < where.shards; ++shard) {
    const redis::Keys keys(where.redis_prefix, shard);
    std::uint64_t incarnation = 0, counter = 0;
    for (;;) {
      redis::Reply page = ask(redis, redis::read_log_command(keys, incarnation, counter, kLogAtOnce));
      for (redis::Reply& element : page.items) {
        redis::LogEntry log;
        const Result<> read = redis::decode_log_entry(std::move(element), log);
        std::tie(incarnation, counter) = std::pair(log.incarnation, log.counter);
        if (read) {
          add_items(items, log, range);
        } else {
          damaged(keys.log + " " + std::to_string(incarnation) + "-" + std::to_string(counter), read.error().detail);
        }
      }
      if (page.items.size() < kLogAtOnce) break;
    }
  }
  std::ranges::sort(items, {}, &Streamed::pos);
  return items;
}

/// Rows of the archive in the order of the journal, in pages of one snapshot.
class Archived {
 public:
  Archived(const StandardOptions& where, const DumpRange& range)
      : db_(options_of(where)), range_(range), after_(range.conv ? 0 : range.after) {
    db_.begin();
  }

  /// Null at the end; good until the next call.
  const DumpedItem* next() {
    for (;;) {
      if (at_ == rows_.size()) {
        if (last_page_) return nullptr;
        load();
        continue;
      }
      read(rows_[at_++]);
      if (found_.pos > range_.after) return &found_;
    }
  }

 private:
  static PgOptions options_of(const StandardOptions& where) {
    PgOptions options;
    options.conninfo = where.postgres;
    options.read_only = true;
    options.statement = 60s;
    return options;
  }

  /// The positions of one conversation rise with its seq, for which there is an index.
  void load() {
    std::string statement =
        "select pos, seq, kind, tenant_id, conv, id, ts_ns, principal_kind, principal_id, dev, n, hash, claim, "
        "audience, "
        "codec, key_id, body::text, sealed from message where ";
    std::vector<SqlValue> parameters;
    if (range_.conv) {
      statement += "conv = ? and seq > ? order by seq limit ?";
      parameters.emplace_back(static_cast<std::int64_t>(range_.conv.value));
    } else {
      statement += "pos > ? order by pos limit ?";
    }
    parameters.emplace_back(static_cast<std::int64_t>(after_));
    parameters.emplace_back(kRowsAtOnce);
    rows_ = db_.query(statement, parameters);
    at_ = 0;
    last_page_ = rows_.size() < static_cast<std::size_t>(kRowsAtOnce);
    if (!rows_.empty()) after_ = rows_.back().u64(range_.conv ? 1 : 0);
  }

  void read(const SqlRow& row) {
    const bool sealed = !row.null(17);
    bytes_ = row.text(sealed ? 17 : 16);
    found_.pos = row.u64(0);
    found_.seq = row.u64(1);
    protocol::PackItem& item = found_.item;
    item.kind = static_cast<protocol::EntryType>(row.i64(2));
    item.tenant = TenantId{row.u64(3)};
    item.conv = ConversationId{row.u64(4)};
    item.id = MessageId{row.u64(5)};
    item.ts_ns = row.i64(6);
    item.principal = {static_cast<PrincipalKind>(row.i64(7)), row.u64(8)};
    const std::string dev = row.text(9);
    item.dev = DevId();
    std::copy_n(dev.begin(), std::min(dev.size(), item.dev.bytes.size()), item.dev.bytes.begin());
    item.n = row.u64(10);
    item.hash = row.u64(11);
    item.claim = row.u64(12);
    item.audience = static_cast<protocol::Audience>(row.i64(13));
    item.codec = sealed ? static_cast<protocol::Codec>(row.i64(14)) : protocol::Codec::kJson;
    item.key_id = row.u64(15);
    item.bytes = bytes_;
  }

  PgConnection db_;
  const DumpRange range_;
  std::uint64_t after_;
  std::vector<SqlRow> rows_;
  std::size_t at_ = 0;
  bool last_page_ = false;
  DumpedItem found_;
  std::string bytes_;
};

void dump(const StandardOptions& where, const DumpRange& range, const std::function<bool(const DumpedItem&)>& visit,
          const Damaged& damaged) {
  // The streams first: what is taken out of them from now on is archived, and the snapshot begins later.
  const std::vector<Streamed> streamed = streamed_items(where, range, damaged);
  Archived archive(where, range);
  const DumpedItem* archived = archive.next();
  auto waiting = streamed.begin();
  while (archived || waiting != streamed.end()) {
    if (archived && (waiting == streamed.end() || archived->pos <= waiting->pos)) {
      if (waiting != streamed.end() && archived->pos == waiting->pos) ++waiting;
      if (!visit(*archived)) return;
      archived = archive.next();
      continue;
    }
    const Result<std::vector<protocol::PackItem>> items = protocol::read_pack(waiting->pack);
    if (items) {
      DumpedItem item{waiting->pos, waiting->seq, (*items)[0]};
      item.item.claim = waiting->claim;
      if (!visit(item)) return;
    } else {
      damaged("position " + std::to_string(waiting->pos), items.error().detail);
    }
    ++waiting;
  }
}

}  // namespace

void dump_standard_journal(const StandardOptions& where, const DumpRange& range,
                           const std::function<bool(const DumpedItem&)>& visit, const Damaged& damaged) {
  try {
    dump(where, range, visit, damaged);
  } catch (const SqlError& error) {
    throw std::runtime_error(std::string("store: PostgreSQL: ") + error.what());
  } catch (const redis::ConnectionError& error) {
    throw std::runtime_error(std::string("store: Redis: ") + error.what());
  }
}

}  // namespace parley::store
