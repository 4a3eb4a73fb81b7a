// How fast a backlog of the standard store becomes rows, and how fast old pages are read from them:
//   flush_bench [--items N] [--rounds N] [--conversations N] [--fsync on|off] [--batch N] [--no-index] [--pages N]
// Starts a Redis and a PostgreSQL of its own. In each round it fills the journal (300-byte bodies, 256 items an entry)
// and times the flusher (--batch: items of a transaction). Then N pages of 50 entries at random places, the search
// reader and some searches. Prints one JSON object.
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "postgres/archive.hpp"
#include "postgres/migrations.hpp"
#include "postgres/pg_connection.hpp"
#include "redis/blocking_client.hpp"
#include "redis/functions.hpp"
#include "redis/setup.hpp"
#include "standard/flusher.hpp"
#include "standard/search.hpp"
#include "support/servers.hpp"

namespace {

using namespace parley;
using namespace parley::store;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::size_t kBodyBytes = 300, kBatch = 256;
constexpr unsigned kPage = 50;

struct Arguments {
  std::uint64_t items = 200'000, rounds = 1, conversations = 2000, pages = 2000;
  std::size_t batch = 0;
  bool fsync = true, index = true;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--no-index") {
      arguments.index = false;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    const std::uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    if (option == "--items" && number > 0) {
      arguments.items = number;
    } else if (option == "--rounds" && number > 0) {
      arguments.rounds = number;
    } else if (option == "--conversations" && number > 0) {
      arguments.conversations = number;
    } else if (option == "--pages") {
      arguments.pages = number;
    } else if (option == "--batch" && number > 0) {
      arguments.batch = number;
    } else if (option == "--fsync" && (value == "on" || value == "off")) {
      arguments.fsync = value == "on";
    } else {
      std::fprintf(stderr, "flush_bench: %s %s is not understood; see the top of the source\n", option.c_str(),
                   value.c_str());
      std::exit(2);
    }
  }
  return arguments;
}

ConversationId conversation(std::uint64_t which) { return ConversationId{(1000 + which) << 12}; }

[[noreturn]] void fail(const char* what, const std::string& why) {
  std::fprintf(stderr, "flush_bench: %s: %s\n", what, why.c_str());
  std::exit(1);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Backlog {
 public:
  Backlog(const redis::Endpoint& endpoint, std::uint64_t conversations)
      : client_(endpoint, 2000ms, 30000ms), n_(conversations, 0) {
    redis::load_library(client_, redis::kLibraryName, redis::kLibrarySource);
    client_.call(redis::fence_command(keys_, 1, 1, 0, 0, 1));
  }
  void fill(std::uint64_t items) {
    for (std::uint64_t done = 0; done < items; done += kBatch) append(std::min<std::uint64_t>(kBatch, items - done));
  }

 private:
  void append(std::uint64_t size) {
    std::vector<Append> batch(size);
    std::vector<redis::ItemNotes> notes(size);
    for (std::size_t i = 0; i < size; ++i) {
      Append& item = batch[i];
      const std::uint64_t which = mix64(++count_) % n_.size();
      item.tenant = TenantId{1};
      item.conv = conversation(which);
      item.id = MessageId{count_};
      item.ts_ns = 1'763'715'600'000'000'000 + static_cast<std::int64_t>(count_);
      item.principal = Principal::visitor(VisitorId{which + 1});
      item.n = ++n_[which];
      item.hash = mix64(count_);
      item.text =
          "message " + std::to_string(count_) + " of a chat about refund number " + std::to_string(mix64(which));
      item.bytes = "{\"text\":\"" + item.text + " " + std::string(kBodyBytes - item.text.size() - 12, 'x') + "\"}";
      notes[i].absent_is_new = true;
      if (item.n != 1) continue;
      item.opening = Append::Opening{ChannelId{1}, VisitorId{which + 1}};
      item.change.status = protocol::Status::kWaiting;
      notes[i].number = ++numbers_;
      notes[i].epoch = "bench1";
    }
    redis::Writer writer;
    writer.fence = 1;
    const std::vector<const Append*> items = redis::item_list(batch);
    const redis::AppendCommand command = redis::encode_append(keys_, writer, items, notes);
    const auto reply = redis::decode_append(command, items, client_.call(command.command));
    if (!reply || reply->counter == 0) {
      fail("append", reply ? "nothing was stored" : reply.error().detail);
    }
  }

  redis::BlockingClient client_;
  const redis::Keys keys_{"bench", 0};
  std::vector<std::uint64_t> n_;
  std::uint64_t count_ = 0, numbers_ = 0;
};

template <class Work>
json time_of(std::uint64_t items, Work work) {
  const double cpu = cpu_seconds();
  const Clock::time_point begin = Clock::now();
  work();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return {{"items", items},
          {"seconds", seconds},
          {"rows_per_s", static_cast<double>(items) / seconds},
          {"own_cpu_us_per_row", (cpu_seconds() - cpu) / static_cast<double>(items) * 1e6}};
}

/// Pages of 50 at random places of random conversations, as somebody sees who scrolls back.
json time_pages(Sql& sql, const Arguments& arguments) {
  std::vector<double> ms;
  const std::uint64_t each = arguments.rounds * arguments.items / arguments.conversations;
  for (std::uint64_t i = 0; i < arguments.pages; ++i) {
    Journal::Range range;
    range.limit = kPage;
    range.before = 2 + mix64(2 * i) % (each + 1);
    const Clock::time_point begin = Clock::now();
    archive::read_page(sql, conversation(mix64(2 * i + 1) % arguments.conversations), range);
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  if (ms.empty()) return nullptr;
  std::sort(ms.begin(), ms.end());
  auto at = [&](double share) { return ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))]; };
  return {{"count", ms.size()}, {"p50_ms", at(0.5)}, {"p95_ms", at(0.95)}, {"p99_ms", at(0.99)}};
}

json time_index(const std::string& conninfo, std::uint64_t items) {
  standard::SearchReaderOptions search;
  search.postgres = conninfo;
  standard::SearchReader reader(search);
  json timed = time_of(items, [&] {
    reader.start();
    if (!reader.request_sync(1h)) fail("index", reader.trouble());
  });
  reader.stop();
  return timed;
}

json time_searches(Sql& sql) {
  json timed = json::object();
  for (const char* words : {"refund", "chat about", "123456", "nothing like it"}) {
    const Clock::time_point begin = Clock::now();
    SearchQuery query;
    query.tenant = TenantId{1};
    query.text = words;
    const std::size_t hits = standard::search(sql, query).hits.size();
    timed[words] = {{"hits", hits}, {"ms", std::chrono::duration<double, std::milli>(Clock::now() - begin).count()}};
  }
  return timed;
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  const Arguments arguments = parse(argc, argv);
  test::RedisServer::Options in_memory;
  in_memory.appendonly = false;
  test::RedisServer redis_server(in_memory);
  test::PostgresServer::Options durable;
  durable.fsync = arguments.fsync;
  test::PostgresServer postgres(durable);
  const std::string conninfo = postgres.create_database("bench");
  postgres::migrate(conninfo);

  redis::Endpoint endpoint;
  endpoint.unix_socket = redis_server.unix_socket();
  Backlog backlog(endpoint, arguments.conversations);
  standard::FlusherOptions options;
  options.endpoint = endpoint;
  options.prefix = "bench";
  options.postgres = conninfo;
  options.owner_token = "1:bench";
  if (arguments.batch > 0) options.batch_items = arguments.batch;
  json result = {{"conversations", arguments.conversations}, {"append", json::array()}, {"flush", json::array()}};
  for (std::uint64_t round = 0; round < arguments.rounds; ++round) {
    result["append"].push_back(time_of(arguments.items, [&] { backlog.fill(arguments.items); }));
    standard::Flusher flusher(options, {});
    result["flush"].push_back(time_of(arguments.items, [&] {
      flusher.start();
      if (!flusher.request_sync(1h)) fail("flush", flusher.trouble());
    }));
    flusher.stop();
    result["flush"].back()["transactions"] = flusher.stats().transactions;
  }

  PgOptions how;
  how.conninfo = conninfo;
  PgConnection sql(how);
  sql.execute("analyze");
  const std::uint64_t stored = arguments.rounds * arguments.items;
  result["stored"] = stored;
  result["pages"] = time_pages(sql, arguments);
  if (arguments.index) {
    result["index"] = time_index(conninfo, stored);
    result["searches"] = time_searches(sql);
  }
  std::printf("%s\n", result.dump(1).c_str());
}
