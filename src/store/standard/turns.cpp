#include "standard/turns.hpp"

#include <pthread.h>

#include <algorithm>

#include "parley/base/background.hpp"

namespace parley::store::standard {

Turns::Turns(Options options, std::function<Turn()> turn) : options_(std::move(options)), turn_(std::move(turn)) {}

void Turns::start() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), options_.name.c_str());
    run_in_background();
    loop();
  });
}

void Turns::stop(Clock::time_point deadline) {
  if (!thread_.joinable()) return;
  deadline_ = deadline;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Turns::request_sync(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++sync_wanted_;
  wake_.notify_all();
  return synced_.wait_for(lock, patience, [&] { return sync_done_ >= mine || ended_; }) && sync_done_ >= mine;
}

void Turns::loop() {
  std::chrono::milliseconds retry{0};
  std::unique_lock lock(mutex_);
  while (!past_deadline()) {
    const std::uint64_t sync = sync_wanted_;
    const bool going_down = stopping_;
    lock.unlock();
    const Clock::time_point begin = Clock::now();
    const Turn turn = turn_();
    const Clock::duration took = Clock::now() - begin;
    lock.lock();
    if (turn == Turn::kLast || past_deadline() || (going_down && turn == Turn::kIdle)) break;
    if (turn != Turn::kFailed) retry = std::chrono::milliseconds(0);
    if (turn == Turn::kMore) continue;
    if (turn == Turn::kIdle) {
      sync_done_ = sync;
      synced_.notify_all();
      const Clock::duration longer = std::min<Clock::duration>(kPausePerTurn * took, kPauseMax);
      wake_.wait_for(lock, std::max<Clock::duration>(longer, options_.idle_wait),
                     [&] { return stopping_ || sync_wanted_ != sync_done_; });
    } else {
      retry = std::clamp(retry * 2, options_.retry_min, options_.retry_max);
      wake_.wait_for(lock, retry, [&] { return stopping_ && !going_down; });
    }
  }
  ended_ = true;
  synced_.notify_all();
}

}  // namespace parley::store::standard
