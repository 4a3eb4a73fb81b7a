// How fast a backlog of the standard store becomes rows: flush_bench [items] [fsync: on|off] [items of a transaction]
// Starts a Redis and a PostgreSQL of its own, fills the journal (300-byte bodies, 2,000 conversations, 256 items an
// entry), then times the flusher and the search reader.
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

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

constexpr std::uint64_t kConversations = 2000;
constexpr std::size_t kBodyBytes = 300, kBatch = 256;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Backlog {
 public:
  explicit Backlog(const redis::Endpoint& endpoint) : client_(endpoint, 2000ms, 30000ms), n_(kConversations, 0) {
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
      const std::uint64_t which = mix64(++count_) % kConversations;
      item.tenant = TenantId{1};
      item.conv = ConversationId{(1000 + which) << 12};
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
    const redis::AppendCommand command = redis::encode_append(keys_, writer, batch, notes);
    const auto reply = redis::decode_append(command, batch, client_.call(command.command));
    if (!reply || reply->counter == 0) {
      std::fprintf(stderr, "append: %s\n", reply ? "nothing was stored" : reply.error().detail.c_str());
      std::exit(1);
    }
  }

  redis::BlockingClient client_;
  const redis::Keys keys_{"bench", 0};
  std::vector<std::uint64_t> n_;
  std::uint64_t count_ = 0, numbers_ = 0;
};

template <class Work>
void time_of(const char* what, std::uint64_t items, Work work) {
  const double cpu = cpu_seconds();
  const Clock::time_point begin = Clock::now();
  work();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("%-8s %9.0f rows/s  %6.2f s  %5.1f us of our CPU per row\n", what, static_cast<double>(items) / seconds,
              seconds, (cpu_seconds() - cpu) / static_cast<double>(items) * 1e6);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  const std::uint64_t items = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  test::RedisServer::Options in_memory;
  in_memory.appendonly = false;
  test::RedisServer redis_server(in_memory);
  test::PostgresServer::Options durable;
  durable.fsync = argc <= 2 || std::string(argv[2]) == "on";
  test::PostgresServer postgres(durable);
  const std::string conninfo = postgres.create_database("bench");
  postgres::migrate(conninfo);

  redis::Endpoint endpoint;
  endpoint.unix_socket = redis_server.unix_socket();
  Backlog backlog(endpoint);
  time_of("append", items, [&] { backlog.fill(items); });

  standard::FlusherOptions options;
  options.endpoint = endpoint;
  options.prefix = "bench";
  options.postgres = conninfo;
  options.owner_token = "1:bench";
  if (argc > 3) options.batch_items = std::strtoull(argv[3], nullptr, 10);
  standard::Flusher flusher(options, {});
  time_of("flush", items, [&] {
    flusher.start();
    if (!flusher.request_sync(600s)) {
      std::fprintf(stderr, "flush: %s\n", flusher.trouble().c_str());
      std::exit(1);
    }
  });
  flusher.stop();
  std::printf("         %lu transactions\n", flusher.stats().transactions);

  standard::SearchReaderOptions search;
  search.postgres = conninfo;
  standard::SearchReader reader(search);
  time_of("index", items, [&] {
    reader.start();
    if (!reader.request_sync(600s)) {
      std::fprintf(stderr, "index: %s\n", reader.trouble().c_str());
      std::exit(1);
    }
  });
  reader.stop();

  PgOptions how;
  how.conninfo = conninfo;
  PgConnection sql(how);
  sql.execute("analyze");
  for (const char* words : {"refund", "chat about", "123456", "nothing like it"}) {
    const Clock::time_point begin = Clock::now();
    standard::SearchQuery query;
    query.tenant = TenantId{1};
    query.text = words;
    const std::size_t hits = standard::search(sql, query).hits.size();
    std::printf("search   \"%s\": %zu hits, %.1f ms\n", words, hits,
                std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
}
