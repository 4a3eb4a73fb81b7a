#include "traffic.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace load {
namespace {

// A schedule is kept by looking at the clock, not by sleeping exactly: this long at most between two looks.
constexpr std::int64_t kPatienceNs = 50'000;
// And this many events: a server that hands over hundreds of deliveries at once must not make the next send late.
constexpr int kEventsAtOnce = 32;
constexpr double kScheduleLagMaxUs = 1000;
// Lanes opened at a time: what is set up must not wait until a server asks whether it is still alive.
constexpr std::size_t kLanesAtOnce = 200;
// What is on its way when the measured time ends must arrive within this.
constexpr std::int64_t kSettleNs = 30'000'000'000;

}  // namespace

Traffic::Traffic(const Options& options)
    : options_(options), protocol_(make_protocol(options)), wire_(options, *protocol_, *this) {}

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
  const double interval = options_.rate > 0 ? 1e9 / options_.rate : 0;
  std::uint64_t sent = 0;
  if (options_.rate == 0) {
    for (const auto& lane : lanes_) {
      while (lane->sent - lane->acked < options_.window) send_due(*lane, now_ns());
    }
  }
  for (std::int64_t now = begin; now < end; now = now_ns()) {
    if (options_.rate > 0) {
      // What is due goes out in one turn; the schedule never waits for answers.
      for (std::int64_t due;
           (due = begin + static_cast<std::int64_t>(static_cast<double>(sent) * interval)) <= now && due < end;
           ++sent) {
        if (measuring_) lag_.add(now - due);
        send_due(*lanes_[sent % lanes_.size()], due);
      }
    }
    if (options_.rate > 0) {
      wire_.turn(kPatienceNs, kEventsAtOnce);
    } else {
      wire_.turn(1'000'000);
    }
  }
  running_ = false;
  return static_cast<double>(now_ns() - begin) / 1e9;
}

}  // namespace load
