// How many messages a second the embedded journal takes, and what one costs: append_bench [folder] [seconds per row]
// One reactor keeps one batch in flight, so a batch is a commit: 300-byte bodies, spread over 2,000 conversations.
#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parley/store/sqlite_store.hpp"

namespace {

using namespace parley;
using namespace parley::store;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kConversations = 2000;
constexpr std::size_t kBodyBytes = 300;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Lives on the reactor; answers start the next batch.
class Load {
 public:
  Load(Reactor& home, Journal& journal) : home_(home), journal_(journal), n_(kConversations, 0) {}

  /// From outside: runs batches of `size` for `seconds`, returns how many items were stored.
  std::uint64_t run(std::size_t size, double seconds) {
    stored_ = 0;
    size_ = size;
    latencies_us_.clear();
    end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::promise<void> done;
    done_ = &done;
    home_.post([this] { next(); });
    done.get_future().wait();
    return stored_;
  }
  double percentile_us(double p) {
    if (latencies_us_.empty()) return 0;
    std::sort(latencies_us_.begin(), latencies_us_.end());
    return latencies_us_[static_cast<std::size_t>(static_cast<double>(latencies_us_.size() - 1) * p)];
  }

 private:
  void next() {
    const Clock::time_point begin = Clock::now();
    if (begin >= end_) return done_->set_value();
    std::vector<Append> batch(size_);
    for (Append& item : batch) {
      const std::uint64_t which = mix64(++count_) % kConversations;
      item.tenant = TenantId{1};
      item.conv = ConversationId{1000 + which};
      item.id = MessageId{count_};
      item.ts_ns = static_cast<std::int64_t>(count_);
      item.principal = Principal::visitor(VisitorId{which + 1});
      item.n = ++n_[which];
      item.hash = mix64(count_);
      item.text = "the text of the message, shown in lists";
      item.bytes = "{\"text\":\"" + item.text + std::string(kBodyBytes - item.text.size() - 11, 'x') + "\"}";
      if (item.n == 1) {
        item.opening = Append::Opening{ChannelId{1}, VisitorId{which + 1}};
        item.change.status = protocol::Status::kWaiting;
      }
    }
    left_ = batch.size();
    const bool taken = journal_.submit(std::move(batch), [this, begin](std::span<Journal::Answer> answers) {
      for (const Journal::Answer& answer : answers) {
        if (answer.result.code != Code::kOk) {
          std::fprintf(stderr, "refused: code %d\n", static_cast<int>(answer.result.code));
          std::exit(1);
        }
      }
      stored_ += answers.size();
      left_ -= answers.size();
      if (left_ > 0) return;
      latencies_us_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
      next();
    });
    if (!taken) std::exit(1);
  }

  Reactor& home_;
  Journal& journal_;
  std::vector<std::uint64_t> n_;
  std::vector<double> latencies_us_;
  std::uint64_t count_ = 0, stored_ = 0;
  std::size_t size_ = 0, left_ = 0;
  Clock::time_point end_;
  std::promise<void>* done_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  SqliteOptions options;
  options.folder = argc > 1 ? argv[1] : "append_bench.data";
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  std::filesystem::remove_all(options.folder);
  {
    auto store = open_sqlite_store(options);
    Reactor home("bench");
    home.start();
    Load load(home, store->journal());
    load.run(256, 1);  // opens the conversations
    std::printf("%8s %12s %14s %12s %10s %10s %10s\n", "batch", "messages/s", "CPU us/message", "commits/s", "p50 us",
                "p99 us", "max us");
    for (std::size_t batch : {1, 16, 64, 256, 1024}) {
      const Store::Stats before = store->stats();
      const double cpu = cpu_seconds();
      const Clock::time_point begin = Clock::now();
      const auto items = static_cast<double>(load.run(batch, seconds));
      const double wall = std::chrono::duration<double>(Clock::now() - begin).count();
      const Store::Stats after = store->stats();
      std::printf("%8zu %12.0f %14.2f %12.0f %10.0f %10.0f %10.0f\n", batch, items / wall,
                  (cpu_seconds() - cpu) * 1e6 / items, static_cast<double>(after.commits - before.commits) / wall,
                  load.percentile_us(0.5), load.percentile_us(0.99), load.percentile_us(1));
    }
    home.stop();
    home.join();
  }
  std::filesystem::remove_all(options.folder);
}
