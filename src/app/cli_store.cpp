#include <snappy.h>
#include <sqlite3.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli_commands.hpp"
#include "parley/base/bytes.hpp"
#include "parley/protocol/pack.hpp"
#include "parley/store/journal_dump.hpp"

namespace parley::app {
namespace {

constexpr const char* kDatabaseName = "parley.db";
constexpr std::size_t kBodyMax = 1u << 20;  // a damaged length must not take memory

using Db = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;
using Query = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;

/// Read-only, beside a daemon that may be writing.
Db open_database(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kDatabaseName;
  if (!std::filesystem::exists(file))
    throw std::runtime_error(file.string() + " does not exist; give the data folder with --data");
  sqlite3* raw = nullptr;
  int rc = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  Db db(raw, sqlite3_close);
  if (rc != SQLITE_OK) throw std::runtime_error(file.string() + ": " + (raw ? sqlite3_errmsg(raw) : "out of memory"));
  sqlite3_busy_timeout(raw, 5000);
  return db;
}

Query prepare(const Db& db, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db.get(), sql, -1, &raw, nullptr) != SQLITE_OK)
    throw std::runtime_error(std::string("store: ") + sqlite3_errmsg(db.get()));
  return Query(raw, sqlite3_finalize);
}

bool step(const Db& db, const Query& query) {
  int rc = sqlite3_step(query.get());
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    throw std::runtime_error(std::string("store: ") + sqlite3_errmsg(db.get()));
  return rc == SQLITE_ROW;
}

/// 0: there is no store yet.
std::int64_t schema_version(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / kDatabaseName)) return 0;
  Db db = open_database(folder);
  Query exists = prepare(db, "select 1 from sqlite_master where type = 'table' and name = 'schema_version'");
  if (!step(db, exists)) return 0;
  Query newest = prepare(db, "select coalesce(max(version), 0) from schema_version");
  step(db, newest);
  return sqlite3_column_int64(newest.get(), 0);
}

/// The body as JSON, or in a form that still shows what is there.
nlohmann::ordered_json body_of(const protocol::PackItem& item) {
  if (item.key_id != 0) return {{"sealed", base64url_encode(item.bytes)}};
  std::string plain(item.bytes);
  if (item.codec == protocol::Codec::kSnappy) {
    std::size_t size = 0;
    bool fits = snappy::GetUncompressedLength(item.bytes.data(), item.bytes.size(), &size) && size <= kBodyMax;
    if (!fits || !snappy::Uncompress(item.bytes.data(), item.bytes.size(), &plain))
      return {{"damaged", base64url_encode(item.bytes)}};
  }
  auto json = nlohmann::ordered_json::parse(plain, nullptr, false);
  if (json.is_discarded()) return {{"bytes", base64url_encode(plain)}};
  return json;
}

nlohmann::ordered_json line_of(std::uint64_t pos, std::uint64_t seq, const protocol::PackItem& item) {
  nlohmann::ordered_json line;
  line["pos"] = pos;
  line["tenant"] = item.tenant.str();
  line["conv"] = item.conv.str();
  line["seq"] = seq;  // 0: a remembered answer without a place
  line["type"] = protocol::to_string(item.kind);
  line["id"] = item.id.str();
  line["ts_ns"] = item.ts_ns;
  line["from"] = item.principal.str();
  line["dev"] = item.dev.str();
  line["n"] = item.n;
  line["claim"] = item.claim;
  line["audience"] = item.audience == protocol::Audience::kPublic ? "public" : "internal";
  if (item.kind == protocol::EntryType::kRefusal && !item.bytes.empty()) {
    line["code"] = protocol::info(static_cast<protocol::Code>(item.bytes[0])).name;
  } else {
    line["body"] = body_of(item);
  }
  return line;
}

void print(CliHost& host, std::uint64_t pos, std::uint64_t seq, const protocol::PackItem& item) {
  host.out << line_of(pos, seq, item).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

int cat_embedded(CliHost& host, const std::filesystem::path& folder, const JournalOptions& options) {
  Db db = open_database(folder);
  Query rows = prepare(
      db,
      "select pos, coalesce(seq, 0), item from message where pos > ?1 and (?2 = 0 or conv = ?2) order by pos limit ?3");
  sqlite3_bind_int64(rows.get(), 1, static_cast<std::int64_t>(options.after));
  sqlite3_bind_int64(rows.get(), 2, static_cast<std::int64_t>(options.conv));
  sqlite3_bind_int64(rows.get(), 3, options.limit == 0 ? -1 : static_cast<std::int64_t>(options.limit));
  int code = 0;
  while (step(db, rows) && host.out) {
    const auto pos = static_cast<std::uint64_t>(sqlite3_column_int64(rows.get(), 0));
    const auto seq = static_cast<std::uint64_t>(sqlite3_column_int64(rows.get(), 1));
    const void* bytes = sqlite3_column_blob(rows.get(), 2);
    std::string_view pack(static_cast<const char*>(bytes),
                          static_cast<std::size_t>(sqlite3_column_bytes(rows.get(), 2)));
    Result<std::vector<protocol::PackItem>> items = protocol::read_pack(pack);
    if (!items) {
      // The rest may still be readable, and whoever runs this wants to see it.
      host.err << "parley: position " << pos << ": " << items.error().detail << "\n";
      code = 1;
      continue;
    }
    for (const protocol::PackItem& item : *items) print(host, pos, seq, item);
  }
  return code;
}

int cat_standard(CliHost& host, const config::Settings& settings, const JournalOptions& options) {
  store::StandardOptions where;
  where.redis_url = settings.redis.url;
  where.redis_prefix = settings.redis.prefix;
  where.shards = settings.redis.shards;
  where.postgres = settings.postgres.url;
  int code = 0;
  std::uint64_t lines = 0;
  const auto visit = [&](const store::DumpedItem& found) {
    print(host, found.pos, found.seq, found.item);
    return host.out && ++lines != options.limit;
  };
  const auto damaged = [&](const std::string& place, const std::string& why) {
    host.err << "parley: " << place << ": " << why << "\n";
    code = 1;
  };
  store::dump_standard_journal(where, {ConversationId{options.conv}, options.after}, visit, damaged);
  return code;
}

}  // namespace

int cat_journal(CliHost& host, const config::Settings& settings, const JournalOptions& options) {
  return settings.store.standard() ? cat_standard(host, settings, options)
                                   : cat_embedded(host, settings.store.folder, options);
}

int migrate(CliHost& host, const config::Settings& settings, bool json) {
  const std::int64_t before = schema_version(settings.store.folder);
  host.migrate(settings);
  const std::int64_t after = schema_version(settings.store.folder);
  if (json) {
    host.out << nlohmann::json{{"from", before}, {"to", after}}.dump() << "\n";
  } else if (before == after) {
    host.out << "schema " << after << ": nothing to do\n";
  } else {
    host.out << "schema " << before << " -> " << after << "\n";
  }
  return 0;
}

}  // namespace parley::app
