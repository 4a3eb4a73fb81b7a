#include "traffic.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace load {
namespace {

// On a schedule every wake-up takes CPU from the stores on this core, so two are at least this far apart, and what is
// due in between goes out together: late by this much at most, which counts as schedule lag and as latency.
constexpr std::int64_t kSlotNs = 200'000;
// What has come waits to be read for this long at most. Its time is the kernel's, so that adds to no latency.
constexpr std::int64_t kUnreadNs = 1'000'000;
// And this many events between two looks at the clock: a server that hands over hundreds of deliveries at once must not
// make the next send late.
constexpr int kEventsAtOnce = 64;
constexpr double kScheduleLagMaxUs = 1000;
// Lanes opened at a time: what is set up must not wait until a server asks whether it is still alive.
constexpr std::size_t kLanesAtOnce = 200;
// What is on its way when the measured time ends must arrive within this.
constexpr std::int64_t kSettleNs = 30'000'000'000;

void sleep_until(std::int64_t at) {
  const timespec when{at / 1'000'000'000, at % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
}

}  // namespace

Traffic::Traffic(const Options& options)
    : options_(options), protocol_(make_protocol(options)), wire_(options, *protocol_, *this) {
  prctl(PR_SET_TIMERSLACK, 1UL);  // wakes when it is time, not up to 50 µs later
}

nlohmann::json Traffic::run() {
  const std::int64_t begin = now_ns();
  make_lanes();
  open_lanes();
  stall_receivers();
  const double setup_seconds = static_cast<double>(now_ns() - begin) / 1e9;
  drive(options_.warmup);
  ack_ = {};
  delivery_ = {};
  lag_ = {};
  const std::uint64_t acked_before = acked_, delivered_before = delivered_, refused_before = refused_;
  const UsageMark before(options_.servers);
  measuring_ = true;
  const double seconds = drive(options_.seconds);
  const UsageMark after(options_.servers);
  measuring_ = false;
  const double acks = static_cast<double>(acked_ - acked_before);
  const double deliveries = static_cast<double>(delivered_ - delivered_before);
  const double refusals = static_cast<double>(refused_ - refused_before);
  settle();
  nlohmann::json result = usage_between(before, after, options_.mode == "broadcast" ? deliveries : acks);
  result.update({{"mode", options_.mode},
                 {"protocol", options_.protocol},
                 {"pairs", options_.pairs},
                 {"bytes", options_.bytes},
                 {"window", options_.window},
                 {"rate_asked", options_.rate},
                 {"seconds", seconds},
                 {"acked_per_s", acks / seconds},
                 {"delivered_per_s", deliveries / seconds},
                 {"refused_per_s", refusals / seconds},
                 {"ack_us", quantiles(ack_)},
                 {"delivery_us", quantiles(delivery_)},
                 {"schedule_lag_us", quantiles(lag_)},
                 {"valid", options_.rate == 0 || lag_.quantile_us(0.99) <= kScheduleLagMaxUs},
                 {"errors", errors_},
                 {"first_error", first_error_},
                 {"setup_seconds", setup_seconds}});
  return result;
}

void Traffic::make_lanes() {
  const bool echo = options_.mode == "echo", broadcast = options_.mode == "broadcast";
  unsigned number = 0;
  for (unsigned i = 0; i < (broadcast ? 1 : options_.pairs); ++i) {
    auto lane = std::make_unique<Lane>();
    lane->address = std::to_string(2 * i + 1);
    auto place = [&](Connection& c, bool agent) {
      c.number = number++;
      c.group = i;
      c.agent = agent;
      c.receives = agent || echo;
      c.lane = lane.get();
      c.address = agent || echo ? lane->address : std::to_string(2 * i);
    };
    place(lane->sender, false);
    for (unsigned r = 0; r < (echo ? 0 : broadcast ? options_.receivers : 1); ++r)
      place(*lane->receivers.emplace_back(std::make_unique<Connection>()), true);
    lanes_.push_back(std::move(lane));
  }
}

void Traffic::open_lanes() {
  for (std::size_t first = 0; first < lanes_.size(); first += kLanesAtOnce) {
    const std::size_t end = std::min(first + kLanesAtOnce, lanes_.size());
    std::vector<Connection*> connections;
    for (std::size_t i = first; i < end; ++i) {
      connections.push_back(&lanes_[i]->sender);
      for (const auto& receiver : lanes_[i]->receivers) connections.push_back(receiver.get());
    }
    for (Connection* c : connections) protocol_->prepare(*c);
    wire_.open(connections, options_.concurrency);
    for (std::size_t i = first; i < end; ++i) protocol_->link(*lanes_[i], wire_);
  }
}

void Traffic::stall_receivers() {
  for (unsigned i = 0; i < options_.stalled && i < lanes_[0]->receivers.size(); ++i)
    wire_.stall(*lanes_[0]->receivers[i]);
}

void Traffic::acked(Lane& lane, std::uint64_t n, std::int64_t at) {
  if (n != lane.acked + 1) return failed("acked " + std::to_string(n) + " after " + std::to_string(lane.acked));
  lane.acked = n;
  ++acked_;
  if (measuring_) ack_.add(at - lane.due[n % Lane::kRing]);
  if (!lane.late.empty()) {
    next_late(lane);
  } else if (options_.rate == 0 && running_) {
    send_due(lane, at);
  }
}

void Traffic::refused(Lane& lane, std::uint64_t n) {
  if (!options_.rude || n != lane.sent) return failed("refused: " + std::to_string(n));
  ++refused_;
  --lane.sent;  // the number is free again
  if (!lane.late.empty()) next_late(lane);
}

void Traffic::next_late(Lane& lane) {
  const std::int64_t due = lane.late.front();
  lane.late.pop_front();
  send_due(lane, due);
}

void Traffic::delivered(Connection& to, std::uint64_t n, std::int64_t at) {
  if (n != to.delivered + 1) return failed("delivered " + std::to_string(n) + " after " + std::to_string(to.delivered));
  to.delivered = n;
  ++delivered_;
  if (measuring_) delivery_.add(at - to.lane->due[n % Lane::kRing]);
}

void Traffic::failed(std::string what) {
  ++errors_;
  if (first_error_.empty()) first_error_ = std::move(what);
}

void Traffic::settle() {
  for (const auto& lane : lanes_) lane->late.clear();
  std::uint64_t missing = 1;
  for (const std::int64_t end = now_ns() + kSettleNs; missing > 0 && now_ns() < end; wire_.turn(10'000'000)) {
    missing = 0;
    for (const auto& lane : lanes_) {
      missing += lane->sent - lane->acked;
      if (lane->sender.receives) missing += lane->sent - lane->sender.delivered;
      for (const auto& receiver : lane->receivers) missing += receiver->stalled ? 0 : lane->sent - receiver->delivered;
    }
  }
  if (missing > 0) failed(std::to_string(missing) + " acks or deliveries did not come");
}

void Traffic::send_due(Lane& lane, std::int64_t due) {
  if (lane.sent - lane.acked >= options_.window) {
    lane.late.push_back(due);
    return;
  }
  ++lane.sent;
  lane.due[lane.sent % Lane::kRing] = due;
  protocol_->append_send(lane, lane.sent);
  wire_.queue(lane.sender);
}

double Traffic::drive(double seconds) {
  running_ = true;
  const std::int64_t begin = now_ns(), end = begin + static_cast<std::int64_t>(seconds * 1e9);
  if (options_.rate > 0) {
    keep_schedule(begin, end);
  } else {
    for (const auto& lane : lanes_) {
      while (lane->sent - lane->acked < options_.window) send_due(*lane, now_ns());
    }
    while (now_ns() < end) wire_.turn(1'000'000);
  }
  running_ = false;
  return static_cast<double>(now_ns() - begin) / 1e9;
}

void Traffic::keep_schedule(std::int64_t begin, std::int64_t end) {
  const double interval = 1e9 / options_.rate;
  std::uint64_t sent = 0;
  std::int64_t due = begin;
  for (std::int64_t now = begin; now < end; now = now_ns()) {
    // The schedule never waits for answers.
    while (due <= now && due < end) {
      if (measuring_) lag_.add(now - due);
      send_due(*lanes_[sent % lanes_.size()], due);
      due = begin + static_cast<std::int64_t>(static_cast<double>(++sent) * interval);
    }
    const std::int64_t next = std::min(std::clamp(due, now + kSlotNs, now + kUnreadNs), end);
    while (wire_.turn(0, kEventsAtOnce) == kEventsAtOnce && now_ns() < next) {
    }
    sleep_until(next);
  }
}

}  // namespace load
